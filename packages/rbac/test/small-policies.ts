import type { PermissionTree } from "@portcullis/rbac";
import fc from "fast-check";
import type { PlainOrgRoles, PlainRoles } from "./reference.js";

// Policies over six permissions and five roles, each role inheriting only roles before it.
export const universe = ["a.x", "a.y", "b.x", "b.y", "b.z", "c.z"] as const;
export const tree: PermissionTree = { a: ["x", "y"], b: ["x", "y", "z"], c: ["z"] };
export const roleNames = ["r0", "r1", "r2", "r3", "r4"] as const;

export const grants = fc.uniqueArray(fc.constantFrom<string>("*", "a.*", "b.*", "c.*", "*.x", "*.y", "*.z", ...universe), { maxLength: 3 });

export const roles: fc.Arbitrary<PlainRoles> = fc
  .tuple(
    ...roleNames.map((_, index) =>
      fc.record({
        inherits: fc.subarray(roleNames.slice(0, index) as string[]),
        grants,
        denies: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: grants }),
      }),
    ),
  )
  .map((definitions) => Object.fromEntries(definitions.map((definition, index) => [roleNames[index], definition])));

export const held = fc.array(fc.constantFrom("r0", "r1", "r2", "r3", "r4", "stranger", "toString"), { maxLength: 4 });
export const scopes = fc.option(grants, { nil: undefined });

export const orgRoleNames = ["o0", "o1", "o2"] as const;
export const orgRoles: fc.Arbitrary<PlainOrgRoles> = fc
  .tuple(...orgRoleNames.map(() => fc.record({ extent: fc.constantFrom("organisation", "departments"), mutates: fc.boolean(), grants })))
  .map((definitions) => Object.fromEntries(definitions.map((definition, index) => [orgRoleNames[index], definition])));

/** An identity of two organisations, a kind that holds organisation roles or not, and any of what there is to hold. */
export const identities = fc.record(
  {
    roles: held,
    orgId: fc.constantFrom("org-a", "org-b"),
    orgRoles: fc.array(fc.constantFrom(...orgRoleNames, "stranger", "r0"), { maxLength: 3 }),
    scopedDepartments: fc.array(fc.constantFrom("eng", "HR", "*", "eng "), { maxLength: 2 }),
    scopes: fc.oneof(grants, fc.constant(["*"])),
    type: fc.constantFrom<"user" | "service" | "apiKey">("user", "user", "service", "apiKey"),
  },
  { requiredKeys: ["roles"] },
);

/** Where the resource belongs, or nothing of it. */
export const places = fc.oneof(
  fc.constant(undefined),
  fc.record(
    {
      org: fc.constantFrom("org-a", "org-b"),
      scope: fc.record({ department: fc.constantFrom("eng", "ENG", "hr", "*", "eng ", "", "ops") }),
    },
    { requiredKeys: [] },
  ),
);
