import fc from "fast-check";
import type { PlainRoles } from "./reference.js";

/** A policy with users to ask about. Other engines get it in their own terms, by `translate-to-*.ts`. */
export interface RandomPolicy {
  readonly tree: Readonly<Record<string, readonly string[]>>;
  readonly roles: PlainRoles;
  /** Each user's roles, as an identity carries them: unknown ones and repetitions included. */
  readonly users: readonly (readonly string[])[];
}

// Names that begin and end alike: a wildcard that compared text instead of segments would cover its neighbours. No word is a
// resource and an action both, and none has a meaning in another engine.
const RESOURCES = ["doc", "docs", "docs2", "doc_s", "s", "user", "users"] as const;
const ACTIONS = ["read", "read2", "re", "ad", "write", "rewrite"] as const;
const ROLES = ["viewer", "editor", "trainee", "lead", "auditor", "owner"] as const;
const STRANGERS = ["stranger", "Owner", "toString"] as const;

/** What is asked of every policy: all keys that could be declared, so undeclared ones too. More than two words of a mask. */
export const ASKED: readonly (readonly [resource: string, action: string])[] = RESOURCES.flatMap((resource) =>
  ACTIONS.map((action) => [resource, action] as const),
);

const trees: fc.Arbitrary<RandomPolicy["tree"]> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .shuffledSubarray([...RESOURCES], { minLength: 1 })
      .chain((resources) =>
        fc
          .tuple(...resources.map(() => fc.shuffledSubarray([...ACTIONS], { minLength: 1 })))
          .map((actions) => Object.fromEntries(resources.map((resource, index) => [resource, actions[index] ?? []]))),
      ),
  },
  { weight: 1, arbitrary: fc.constant(Object.fromEntries(RESOURCES.map((resource) => [resource, ACTIONS]))) },
);

/** Grants that cover something declared: others are refused at definition (see grants.test.ts). Each kind has its share. */
function grantsOver(tree: RandomPolicy["tree"]): fc.Arbitrary<string[]> {
  const keys = Object.entries(tree).flatMap(([resource, actions]) => actions.map((action) => `${resource}.${action}`));
  const grant = fc.oneof(
    { weight: 1, arbitrary: fc.constant("*") },
    { weight: 4, arbitrary: fc.constantFrom(...Object.keys(tree)).map((resource) => `${resource}.*`) },
    { weight: 4, arbitrary: fc.constantFrom(...new Set(Object.values(tree).flat())).map((action) => `*.${action}`) },
    { weight: 8, arbitrary: fc.constantFrom(...keys) },
  );
  return fc.array(grant, { maxLength: 3 });
}

/** Hierarchies are random graphs without circles: each role inherits any of those before it in an order that is random as well. */
function rolesOver(tree: RandomPolicy["tree"], withDenials: boolean): fc.Arbitrary<PlainRoles> {
  const grants = grantsOver(tree);
  const none = fc.constant<string[]>([]);
  const denies = withDenials ? fc.oneof({ weight: 2, arbitrary: none }, { weight: 1, arbitrary: grants }) : none;
  const whole = { minLength: ROLES.length, maxLength: ROLES.length };
  return fc.tuple(fc.shuffledSubarray([...ROLES], whole), fc.shuffledSubarray([...ROLES], whole)).chain(([byRank, declared]) =>
    fc
      .tuple(
        ...byRank.map((_, rank) =>
          fc.record({ inherits: fc.shuffledSubarray(byRank.slice(0, rank), { maxLength: Math.min(rank, 2) }), grants, denies }),
        ),
      )
      .map((definitions) => {
        const byName = new Map(definitions.map((definition, rank) => [byRank[rank], definition]));
        return Object.fromEntries(declared.map((name) => [name, byName.get(name) ?? { inherits: [], grants: [], denies: [] }]));
      }),
  );
}

export function randomPolicies({ withDenials }: { readonly withDenials: boolean }): fc.Arbitrary<RandomPolicy> {
  const user = fc.array(fc.constantFrom<string>(...ROLES, ...ROLES, ...STRANGERS), { maxLength: 4 });
  return trees.chain((tree) =>
    fc.record({ tree: fc.constant(tree), roles: rolesOver(tree, withDenials), users: fc.tuple(user, user, user) }),
  );
}
