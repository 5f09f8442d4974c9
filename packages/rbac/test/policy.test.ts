import { describe, expect, test } from "vitest";
import { defineRbac, type RoleDefinition } from "@portcullis/rbac";
import { codeOf } from "./code-of.js";

const permissions = { workflows: ["read", "create"], users: ["read"] } as const;

/** Roles as they come from a file or a store: the compiler knows nothing of them. */
function defineLoose(roles: Readonly<Record<string, RoleDefinition>>, tree: Readonly<Record<string, readonly string[]>> = permissions) {
  return defineRbac({ permissions: tree, roles });
}

describe("inheritance", () => {
  test("RBAC-1 an inherited role that nobody defined is refused by name", () => {
    expect(() => defineLoose({ editor: { inherits: ["viewr"] } })).toThrow('inherits "viewr", which is not defined');
    expect(codeOf(() => defineLoose({ editor: { inherits: ["viewr"] } }))).toBe("unknown_role");
  });

  test("RBAC-1 cycles of any length are refused with their path", () => {
    expect(() => defineLoose({ a: { inherits: ["a"] } })).toThrow("a -> a.");
    expect(() => defineLoose({ a: { inherits: ["b"] }, b: { inherits: ["a"] } })).toThrow("a -> b -> a.");
    const ring = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`r${index}`, { inherits: [`r${(index + 1) % 500}`] }]));
    expect(codeOf(() => defineLoose(ring))).toBe("role_cycle");
    // The way into the circle is not part of it.
    expect(() => defineLoose({ in: { inherits: ["a"] }, a: { inherits: ["b"] }, b: { inherits: ["a"] } })).toThrow("circle: a -> b -> a.");
  });

  test("RBAC-1 a chain of 10,000 roles works", () => {
    const chain: Record<string, RoleDefinition> = { r0: { grants: ["users.read"] } };
    for (let index = 1; index < 10_000; index += 1) chain[`r${index}`] = { inherits: [`r${index - 1}`] };
    const rbac = defineLoose(chain);
    expect(rbac.check({ roles: ["r9999"] }, "users.read")).toMatchObject({ allowed: true, role: "r9999", grant: "users.read" });
    expect(rbac.explain({ roles: ["r9999"] }, "users.read").roles[0]?.granted?.path).toHaveLength(10_000);
    expect(rbac.checkRoles({ roles: ["r9999"] }, ["r0"]).allowed).toBe(true);
  });

  test("a diamond of inheritance is no cycle", () => {
    const rbac = defineLoose({
      base: { grants: ["users.read"] },
      left: { inherits: ["base"] },
      right: { inherits: ["base"] },
      top: { inherits: ["left", "right"] },
    });
    expect(rbac.check({ roles: ["top"] }, "users.read").allowed).toBe(true);
  });
});

describe("names", () => {
  const awkward = [
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "hasOwnProperty",
    "valueOf",
    "",
    "a.b",
    "a*",
    "*",
    "a b",
    "a\u0000",
    "é",
    "K",
    "-a",
    "a".repeat(65),
  ];

  test.each(awkward)("RBAC-2 the name %j is refused for roles, resources and actions", (name) => {
    expect(codeOf(() => defineLoose(Object.fromEntries([[name, {}]])))).toBe("invalid_name");
    expect(codeOf(() => defineLoose({}, Object.fromEntries([[name, ["read"]]])))).toBe("invalid_name");
    expect(codeOf(() => defineLoose({}, { things: [name] }))).toBe("invalid_name");
  });

  test.each(awkward)("RBAC-2 at a check, %j as a role or permission denies", (name) => {
    const rbac = defineLoose({ viewer: { grants: ["*"] } });
    expect(rbac.check({ roles: [name] }, "users.read")).toMatchObject({ allowed: false, reason: "no_roles", status: 403 });
    for (const key of [name, `${name}.read`, `users.${name}`]) expect(rbac.check({ roles: ["viewer"] }, key).allowed).toBe(false);
  });

  test("RBAC-2 a pattern of one's own widens the alphabet, never to names of object members", () => {
    const namePattern = /^\w+$/gi;
    const rbac = defineRbac({ permissions: { Users: ["readAll"] }, roles: { Admin: { grants: ["Users.readAll"] } }, namePattern });
    expect(rbac.check({ roles: ["Admin"] }, "Users.readAll").allowed).toBe(true);
    expect(codeOf(() => defineRbac({ permissions: { toString: ["read"] }, roles: {}, namePattern: /^.*$/ }))).toBe("invalid_name");
    expect(codeOf(() => defineRbac({ permissions: { "a.b": ["read"] }, roles: {}, namePattern: /^.*$/ }))).toBe("invalid_name");
  });

  test("a permission declared twice is refused", () => {
    expect(codeOf(() => defineLoose({}, { users: ["read", "read"] }))).toBe("invalid_name");
  });
});

describe("options", () => {
  test.each([
    ["no permissions", { roles: {} }],
    ["a resource without actions", { permissions: { users: [] }, roles: {} }],
    ["actions that are not a list", { permissions: { users: "read" }, roles: {} }],
    ["no resources", { permissions: {}, roles: {} }],
    ["no roles", { permissions }],
    ["a role that is not an object", { permissions, roles: { viewer: "users.read" } }],
    ["grants that are not a list", { permissions, roles: { viewer: { grants: "users.read" } } }],
    ["a grant that is not a string", { permissions, roles: { viewer: { grants: [5] } } }],
    ["a misspelt list", { permissions, roles: { viewer: { allow: ["users.read"] } } }],
    ["a misspelt option", { permissions, roles: {}, redact: true }],
    ["redactDenials that is no boolean", { permissions, roles: {}, redactDenials: "yes" }],
    ["a fractional version", { permissions, roles: {}, policyVersion: 1.5 }],
    ["version 0", { permissions, roles: {}, policyVersion: 0 }],
    ["a pattern that is a string", { permissions, roles: {}, namePattern: "a" }],
    ["an observer that is no function", { permissions, roles: {}, onEvent: {} }],
    ["null", null],
  ])("%s: invalid_option at definition", (_name, definition) => {
    expect(codeOf(() => defineRbac(definition as unknown as Parameters<typeof defineRbac>[0]))).toBe("invalid_option");
  });
});

describe("replacing", () => {
  test("RBAC-9 a policy does not follow the objects it was made from", () => {
    const grants = ["users.read"];
    const roles = { viewer: { grants } };
    const tree = { users: ["read"], workflows: ["read"] };
    const rbac = defineLoose(roles, tree);
    grants.push("*");
    tree.users.push("delete");
    roles.viewer.grants = ["*"];
    expect(rbac.check({ roles: ["viewer"] }, "workflows.read").allowed).toBe(false);
    expect(rbac.permissions).toEqual(["users.read", "workflows.read"]);
    for (const value of [rbac, rbac.permissions, rbac.roles, rbac.check({ roles: ["viewer"] }, "users.read")])
      expect(Object.isFrozen(value)).toBe(true);
  });

  test("RBAC-9 replacing takes effect whole and at once, raises the version, and reaches prepared checks", () => {
    const events: unknown[] = [];
    const rbac = defineRbac({
      permissions,
      roles: { viewer: { grants: ["users.read"] } },
      policyVersion: 7,
      onEvent: (event) => events.push(event),
    });
    const check = rbac.prepare("users.read");
    const identity = Object.freeze({ roles: Object.freeze(["viewer"]) });
    expect(check(identity)).toMatchObject({ allowed: true, policyVersion: 7 });
    expect(rbac.replaceRoles({ viewer: { grants: ["workflows.*"] } })).toBe(8);
    expect(check(identity)).toMatchObject({ allowed: false, policyVersion: 8 });
    expect(rbac.check(identity, "workflows.create")).toMatchObject({ allowed: true, policyVersion: 8 });
    expect(rbac.policyVersion).toBe(8);
    expect(events).toEqual([{ kind: "policy_replaced", policyVersion: 8, previousVersion: 7 }]);
  });

  test("RBAC-9 roles that do not compile leave the old ones in force", () => {
    const rbac = defineLoose({ viewer: { grants: ["users.read"] } });
    expect(codeOf(() => rbac.replaceRoles({ viewer: { inherits: ["viewer"] } }))).toBe("role_cycle");
    expect(rbac.check({ roles: ["viewer"] }, "users.read")).toMatchObject({ allowed: true, policyVersion: 1 });
  });
});
