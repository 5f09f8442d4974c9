import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defineRbac, type PermissionTree, type RoleDefinition, type RoleExplanation } from "@portcullis/rbac";
import { randomPolicies } from "./random-policies.js";
import { expand, type PlainRoles } from "./reference.js";

/** How many steps each role is below another; absent where it is not below it. */
function distances(from: string, roles: PlainRoles): ReadonlyMap<string, number> {
  const found = new Map([[from, 0]]);
  for (const [name, distance] of found)
    for (const junior of roles[name]?.inherits ?? []) if (!found.has(junior)) found.set(junior, distance + 1);
  return found;
}

/** What is wrong with where an explanation says that a grant (or denial) stands. */
function faultIn(
  source: RoleExplanation["granted"],
  {
    role,
    key,
    list,
    roles,
    universe,
  }: { role: string; key: string; list: "grants" | "denies"; roles: PlainRoles; universe: readonly string[] },
): string | undefined {
  const covering = (name: string) => (roles[name]?.[list] ?? []).filter((grant) => expand(grant, universe).includes(key));
  const nearest = Math.min(...[...distances(role, roles)].filter(([name]) => covering(name).length > 0).map(([, distance]) => distance));
  if (source === undefined) return nearest === Infinity ? undefined : "is written, but not named";
  const { grant, path } = source;
  const last = path.at(-1) ?? "";
  if (path[0] !== role || path.some((name, step) => step > 0 && roles[path[step - 1] ?? ""]?.inherits.includes(name) !== true))
    return "the path does not follow the hierarchy";
  if (!covering(last).includes(grant)) return "the last role of the path does not say so";
  return path.length - 1 === nearest ? undefined : "it is written nearer";
}

describe("what decided", () => {
  test("is named in every decision and explanation: written where it says, at the nearest role, by a way that exists", () => {
    fc.assert(
      fc.property(randomPolicies({ withDenials: true }), ({ tree, roles, users }) => {
        const rbac = defineRbac({ permissions: tree, roles });
        const universe = rbac.permissions;
        const faults: string[] = [];
        for (const names of users) {
          for (const key of universe) {
            const explanation = rbac.explain({ roles: names }, key);
            const { reason, role: deciding, grant } = explanation.decision;
            for (const { role, known, granted, denied } of explanation.roles) {
              if (known !== Object.hasOwn(roles, role)) faults.push(`${role} known: ${known}`);
              for (const [list, source] of [
                ["grants", granted],
                ["denies", denied],
              ] as const) {
                const fault = faultIn(source, { role, key, list, roles, universe });
                if (fault !== undefined) faults.push(`${key} by ${list} of ${role}: ${fault}`);
              }
            }
            // The first of the identity's roles that grants, or that denies.
            const first = explanation.roles.find(({ granted, denied }) => (reason === "granted" ? granted : denied) !== undefined);
            const source = reason === "granted" ? first?.granted : first?.denied;
            if (deciding !== first?.role || grant !== source?.grant) faults.push(`${key}: ${deciding} ${grant}`);
          }
        }
        expect(faults).toEqual([]);
      }),
    );
  });

  test("is found at once where there are 2 ** 40 ways to it", () => {
    const ladder: Record<string, RoleDefinition> = { l0: { grants: ["users.read"] }, r0: {} };
    for (let step = 1; step <= 40; step += 1)
      for (const side of ["l", "r"]) ladder[`${side}${step}`] = { inherits: [`r${step - 1}`, `l${step - 1}`] };
    const permissions: PermissionTree = { users: ["read"] };
    const rbac = defineRbac({ permissions, roles: ladder });
    expect(rbac.check({ roles: ["l40"] }, "users.read")).toMatchObject({ allowed: true, role: "l40", grant: "users.read" });
    expect(rbac.explain({ roles: ["r40"] }, "users.read").roles[0]?.granted?.path).toHaveLength(41);
    expect(rbac.checkRoles({ roles: ["r40"] }, ["l0"]).allowed).toBe(true);
    expect(rbac.checkRoles({ roles: ["l40"] }, ["r40"]).allowed).toBe(false);
  });
});
