import { newEnforcer, newModelFromString, StringAdapter } from "casbin";
import type { RandomPolicy } from "./random-policies.js";

// Users and roles are one graph (g), what is declared another (g2). Wildcards are the matcher's, denials the effect's.
const MODEL = `
[request_definition]
r = sub, obj, act

[policy_definition]
p = sub, obj, act, eft

[role_definition]
g = _, _
g2 = _, _

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = g2(r.obj, r.act) && g(r.sub, p.sub) && (p.obj == "*" || r.obj == p.obj) && (p.act == "*" || r.act == p.act)
`;

/** The policy as casbin has it. The user is asked for by index. */
export async function casbinChecker({
  tree,
  roles,
  users,
}: RandomPolicy): Promise<(user: number, resource: string, action: string) => boolean> {
  const rule = (role: string, effect: "allow" | "deny") => (grant: string) => {
    const [resource, action = "*"] = grant.split(".");
    return `p, ${role}, ${resource}, ${action}, ${effect}`;
  };
  const lines = [
    ...Object.entries(tree).flatMap(([resource, actions]) => actions.map((action) => `g2, ${resource}, ${action}`)),
    ...Object.entries(roles).flatMap(([name, { inherits, grants, denies }]) => [
      ...inherits.map((junior) => `g, ${name}, ${junior}`),
      ...grants.map(rule(name, "allow")),
      ...denies.map(rule(name, "deny")),
    ]),
    ...users.flatMap((names, user) => names.map((name) => `g, user:${user}, ${name}`)),
  ];
  const enforcer = await newEnforcer(newModelFromString(MODEL), new StringAdapter([...new Set(lines)].join("\n")));
  return (user, resource, action) => enforcer.enforceSync(`user:${user}`, resource, action);
}
