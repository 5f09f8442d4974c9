import { createMongoAbility, type RawRule } from "@casl/ability";
import type { PlainRoles } from "./reference.js";
import type { RandomPolicy } from "./random-policies.js";

/**
 * The policy as CASL has it, for one user: the last rule that matches decides, so denials come last; `manage` is any action
 * and `all` any subject. CASL has no hierarchy, so each user gets the rules of every role below theirs; and nothing is
 * undeclared to it, so that is denied pair by pair.
 */
export function caslChecker(
  { tree, roles }: RandomPolicy,
  user: readonly string[],
  asked: readonly (readonly [resource: string, action: string])[],
): (resource: string, action: string) => boolean {
  const below = authorisedRoles(user, roles);
  const cans = below.flatMap((name) => roles[name]?.grants ?? []).map(ruleOf);
  const cannots = below.flatMap((name) => roles[name]?.denies ?? []).map(ruleOf);
  const undeclared = asked.filter(([resource, action]) => tree[resource]?.includes(action) !== true);
  const ability = createMongoAbility([
    ...cans,
    ...[...cannots, ...undeclared.map(([subject, action]) => ({ subject, action }))].map((rule) => ({ ...rule, inverted: true })),
  ]);
  return (resource, action) => ability.can(action, resource);
}

function authorisedRoles(user: readonly string[], roles: PlainRoles): readonly string[] {
  const found = new Set(user.filter((name) => Object.hasOwn(roles, name)));
  for (const name of found) for (const junior of roles[name]?.inherits ?? []) found.add(junior);
  return [...found];
}

function ruleOf(grant: string): RawRule<[string, string], never> {
  if (grant === "*") return { action: "manage", subject: "all" };
  const [subject = "", action = ""] = grant.split(".");
  return { action: action === "*" ? "manage" : action, subject: subject === "*" ? "all" : subject };
}
