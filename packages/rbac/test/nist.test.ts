// Core and hierarchical RBAC (ANSI/INCITS 359) on every policy of a small universe, with our denials beside it. Three roles and
// two permissions suffice: no law speaks of more at a time. Sets are bits, so that 102,400 policies take seconds.
import { beforeAll, describe, expect, test } from "vitest";
import { defineRbac, type PermissionTree, RbacError } from "@portcullis/rbac";
import type { PlainRole, PlainRoles } from "./reference.js";

const ROLES = ["a", "b", "c"] as const;
const KEYS = ["things.x", "things.y"] as const;
const PERMISSIONS: PermissionTree = { things: ["x", "y"] };

/** The juniors of each role. */
type Hierarchy = readonly [a: number, b: number, c: number];

function chosen<T>(set: number, list: readonly T[]): T[] {
  return list.filter((_, bit) => (set & (1 << bit)) !== 0);
}

function isSubset(smaller: number, larger: number): boolean {
  return (smaller & ~larger) === 0;
}

function union(sets: readonly number[]): number {
  return sets.reduce((all, set) => all | set, 0);
}

/** The roles that a set of roles stands for: those assigned and all junior to them. */
function authorised(assigned: number, hierarchy: Hierarchy): number {
  let reached = assigned;
  for (let distance = 1; distance < ROLES.length; distance += 1) reached |= union(chosen(reached, hierarchy));
  return reached;
}

const RELATIONS = Array.from({ length: 8 ** 3 }, (_, code): Hierarchy => [code & 7, (code >> 3) & 7, code >> 6]);
const HIERARCHIES = RELATIONS.filter((relation) => relation.every((juniors, role) => (authorised(juniors, relation) & (1 << role)) === 0));

// What roles grant and deny is a number too: for each role two bits of grants, then two of denials.
const RIGHTS = 16 ** ROLES.length;
const grantsOf = (rights: number): readonly number[] => ROLES.map((_, role) => (rights >> (4 * role)) & 3);
const deniesOf = (rights: number): readonly number[] => ROLES.map((_, role) => (rights >> (4 * role + 2)) & 3);

function definitionOf(hierarchy: Hierarchy, rights: number): PlainRoles {
  const grants = grantsOf(rights);
  const denies = deniesOf(rights);
  return Object.fromEntries(
    ROLES.map((name, role) => [
      name,
      { inherits: chosen(hierarchy[role] ?? 0, ROLES), grants: chosen(grants[role] ?? 0, KEYS), denies: chosen(denies[role] ?? 0, KEYS) },
    ]),
  );
}

function reversed(roles: PlainRoles): PlainRoles {
  const backwards = ({ inherits, grants, denies }: PlainRole): PlainRole => ({
    inherits: inherits.toReversed(),
    grants: grants.toReversed(),
    denies: denies.toReversed(),
  });
  return Object.fromEntries(
    Object.entries(roles)
      .toReversed()
      .map(([name, role]) => [name, backwards(role)]),
  );
}

/** What each user may: two bits for each of the eight. */
function decisionsOf(roles: PlainRoles, users: readonly { readonly roles: readonly string[] }[]): number {
  const rbac = defineRbac({ permissions: PERMISSIONS, roles });
  let decisions = 0;
  for (const [user, identity] of users.entries())
    for (const [bit, key] of KEYS.entries()) if (rbac.check(identity, key).allowed) decisions |= 1 << (2 * user + bit);
  return decisions;
}

function allowedTo(user: number, decisions: number): number {
  return (decisions >> (2 * user)) & 3;
}

/** One for each set of roles. */
const users = Array.from({ length: 8 }, (_, user) => ({ roles: chosen(user, ROLES) }));
const everyUser = users.map((_, user) => user);
/** Every decision of every policy: by hierarchy, then by rights. */
const tables = HIERARCHIES.map((hierarchy) => ({ hierarchy, decisions: new Uint16Array(RIGHTS) }));

type Law = (decisions: number, rights: number, hierarchy: Hierarchy, table: Uint16Array) => boolean;

/** The first policy of which a law does not hold. */
function violationOf(law: Law): PlainRoles | undefined {
  for (const { hierarchy, decisions } of tables) {
    const rights = decisions.findIndex((made, index) => !law(made, index, hierarchy, decisions));
    if (rights !== -1) return definitionOf(hierarchy, rights);
  }
  return undefined;
}

beforeAll(() => {
  for (const { hierarchy, decisions } of tables)
    for (let rights = 0; rights < RIGHTS; rights += 1) decisions[rights] = decisionsOf(definitionOf(hierarchy, rights), users);
});

describe("every policy of three roles and two permissions", () => {
  test("RBAC-1 all relations without a circle are hierarchies, all others are refused", () => {
    expect(HIERARCHIES).toHaveLength(25);
    for (const relation of RELATIONS) {
      const define = () => decisionsOf(definitionOf(relation, 0), users);
      if (HIERARCHIES.includes(relation)) expect(define()).toBe(0);
      else expect(define).toThrow(RbacError);
    }
  });

  test("RBAC-6 a user may exactly what its authorised roles grant, less what any of them denies", () => {
    const law: Law = (decisions, rights, hierarchy) =>
      everyUser.every((user) => {
        const roles = authorised(user, hierarchy);
        return allowedTo(user, decisions) === (union(chosen(roles, grantsOf(rights))) & ~union(chosen(roles, deniesOf(rights))));
      });
    expect(violationOf(law)).toBeUndefined();
  });

  test("RBAC-8 a senior role has everything its juniors have, less what it and they deny", () => {
    const law: Law = (decisions, rights, hierarchy) =>
      hierarchy.every((juniors, senior) => {
        const denied = union(chosen(authorised(1 << senior, hierarchy), deniesOf(rights)));
        return chosen(juniors, [1, 2, 4]).every((junior) =>
          isSubset(allowedTo(junior, decisions) & ~denied, allowedTo(1 << senior, decisions)),
        );
      });
    expect(violationOf(law)).toBeUndefined();
  });

  test("RBAC-8 adding a grant takes from nobody, adding a denial gives to nobody", () => {
    const places = Array.from({ length: 4 * ROLES.length }, (_, place) => place);
    const law: Law = (decisions, rights, _hierarchy, table) =>
      places.every((place) => {
        const changed = table[rights | (1 << place)] ?? -1;
        const isGrant = place % 4 < 2;
        return isGrant ? isSubset(decisions, changed) : isSubset(changed, decisions);
      });
    expect(violationOf(law)).toBeUndefined();
  });

  test("RBAC-8 where nothing is denied, another inherited or assigned role only adds", () => {
    const withoutDenials = Array.from({ length: RIGHTS }, (_, rights) => rights).filter((rights) => union(deniesOf(rights)) === 0);
    let wrong = 0;
    for (const { hierarchy, decisions } of tables) {
      const wider = tables.filter((other) => hierarchy.every((juniors, role) => isSubset(juniors, other.hierarchy[role] ?? 0)));
      for (const rights of withoutDenials) {
        const made = decisions[rights] ?? -1;
        for (const other of wider) if (!isSubset(made, other.decisions[rights] ?? 0)) wrong += 1;
        // A session with fewer of the user's roles may no more than one with all of them.
        for (const user of everyUser)
          for (const session of everyUser)
            if (isSubset(session, user) && !isSubset(allowedTo(session, made), allowedTo(user, made))) wrong += 1;
      }
    }
    expect(wrong).toBe(0);
  });

  test("RBAC-6 no decision depends on what roles are called or in which order they, their lists and the user's roles come", () => {
    // Called by other names, three roles come in every order: declaration follows the names.
    const permutations = [0, 1, 2].flatMap((first) =>
      [0, 1, 2].filter((second) => second !== first).map((second) => [first, second, 3 - first - second] as const),
    );
    const renamed = (set: number, names: readonly number[]): number =>
      names.reduce((all, name, role) => all | (((set >> role) & 1) << name), 0);
    let wrong = 0;
    for (const names of permutations) {
      for (const { hierarchy, decisions } of tables) {
        const target = names.map((_, role) => renamed(hierarchy[names.indexOf(role)] ?? 0, names));
        const other = tables.find((table) => table.hierarchy.every((juniors, role) => juniors === target[role]));
        for (let rights = 0; rights < RIGHTS; rights += 1) {
          const moved = union(names.map((name, role) => ((rights >> (4 * role)) & 15) << (4 * name)));
          const expected = union(everyUser.map((user) => allowedTo(user, decisions[rights] ?? 0) << (2 * renamed(user, names))));
          if (other?.decisions[moved] !== expected) wrong += 1;
        }
      }
    }
    expect(wrong).toBe(0);

    const usersReversed = users.map(({ roles }) => ({ roles: roles.toReversed() }));
    const law: Law = (decisions, rights, hierarchy) => decisionsOf(reversed(definitionOf(hierarchy, rights)), usersReversed) === decisions;
    expect(violationOf(law)).toBeUndefined();
  });

  test("RBAC-12 a user has exactly the roles it is authorised for, and exactly those assigned where that is asked", () => {
    for (const { hierarchy } of tables) {
      const rbac = defineRbac({ permissions: PERMISSIONS, roles: definitionOf(hierarchy, 0) });
      for (const [user, identity] of users.entries()) {
        const has = (exact: boolean) =>
          union(ROLES.map((name, role) => (rbac.checkRoles(identity, [name], { exact }).allowed ? 1 << role : 0)));
        expect([has(false), has(true)]).toEqual([authorised(user, hierarchy), user]);
      }
    }
  });
});

// Spelt out: what a wildcard covers must not be worked out here the way it is there.
const COVERAGE = {
  "*": ["a.x", "a.y", "b.x"],
  "a.*": ["a.x", "a.y"],
  "b.*": ["b.x"],
  "*.x": ["a.x", "b.x"],
  "*.y": ["a.y"],
  "a.x": ["a.x"],
  "a.y": ["a.y"],
  "b.x": ["b.x"],
} as const;

const COVERED_PERMISSIONS: PermissionTree = { a: ["x", "y"], b: ["x"] };

test("RBAC-4 RBAC-5 RBAC-6 every pair of roles with a wildcard or permission granted and one denied decides by the table", () => {
  const none: readonly string[] = [];
  const lists = [none, ...Object.keys(COVERAGE).map((word) => [word])];
  const covered = (list: readonly string[]): readonly string[] => list.flatMap((word) => COVERAGE[word as keyof typeof COVERAGE]);
  const every = lists.flatMap((grants) => lists.map((denies) => ({ grants, denies, can: covered(grants), cannot: covered(denies) })));
  const wrong: unknown[] = [];
  for (const junior of every) {
    for (const other of every) {
      for (const inherits of [none, ["junior"]]) {
        const roles: PlainRoles = { junior: { inherits: none, ...pick(junior) }, other: { inherits, ...pick(other) } };
        const rbac = defineRbac({ permissions: COVERED_PERMISSIONS, roles });
        const both = [junior, other];
        for (const [held, authorised] of [
          [["junior"], [junior]],
          [["other"], inherits.length === 0 ? [other] : both],
          [["junior", "other"], both],
        ] as const) {
          for (const key of ["a.x", "a.y", "b.x", "b.y"]) {
            const expected = authorised.some(({ can }) => can.includes(key)) && !authorised.some(({ cannot }) => cannot.includes(key));
            if (rbac.check({ roles: held }, key).allowed !== expected) wrong.push({ roles, held, key });
          }
        }
      }
    }
  }
  expect(wrong).toEqual([]);
});

function pick({ grants, denies }: Pick<PlainRole, "grants" | "denies">): Pick<PlainRole, "grants" | "denies"> {
  return { grants, denies };
}
