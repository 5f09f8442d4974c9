import { describe, expect, test } from "vitest";
import { defineRbac, type Identity, RbacError, requirePermission, type RoleDefinition } from "@portcullis/rbac";
import { requestOf, userWith } from "./request.js";

/** What every object has a member of, and every function. */
const MEMBERS = [...Object.getOwnPropertyNames(Object.prototype), "prototype"];
const NOT_WRITTEN_PLAINLY = [
  ...["", ".", "..", "a.", ".a", "a.b", "*", "*a", "a*", "**", " ", "a ", " a", "a\tb", "a\n", "\na", "a\r", "a\u0000", "\u007f", "\u0085"],
  ...["a\u00a0b", "a\u200b", "\ufeffa", "\u2028", "\u212a", "\u017f", "\uff41", "é", "e\u0301", "\u0430", "\ud800", "a\udc00", "😀"],
];
const NAMES = [...MEMBERS, ...NOT_WRITTEN_PLAINLY];
// The last two match what the first does not: everything, and by case folding the Kelvin sign and the long s.
const PATTERNS = [undefined, /^[^]*$/u, /^[a-z]+$/iu];

const permissions = { users: ["read", "manage"] };

function define(roles: Readonly<Record<string, RoleDefinition>>, tree: Readonly<Record<string, readonly string[]>>, namePattern?: RegExp) {
  return defineRbac({ permissions: tree, roles, ...(namePattern === undefined ? {} : { namePattern }) });
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof RbacError) return error.code;
    throw error;
  }
  return "nothing was thrown";
}

/** An object whose own property it is, `__proto__` included. */
function named<T>(name: string, value: T): Readonly<Record<string, T>> {
  return Object.fromEntries([[name, value]]);
}

describe("RBAC-2 at definition, whatever the pattern", () => {
  test.each(NAMES)("%j names no resource, action or role", (name) => {
    for (const pattern of PATTERNS) {
      expect(codeOf(() => define({}, named(name, ["read"]), pattern))).toBe("invalid_name");
      expect(codeOf(() => define({}, { users: ["read", name] }, pattern))).toBe("invalid_name");
      expect(codeOf(() => define(named(name, {}), permissions, pattern))).toBe("invalid_name");
      expect(codeOf(() => define({ a: {} }, permissions, pattern).replaceRoles(named(name, {})))).toBe("invalid_name");
    }
  });

  test.each(NAMES)("%j is neither inherited nor granted nor denied", (name) => {
    for (const pattern of PATTERNS) {
      expect(codeOf(() => define({ a: { inherits: [name] } }, permissions, pattern))).toBe("unknown_role");
      for (const grant of [`${name}.read`, `users.${name}`, `${name}.${name}`]) {
        if (grant === "*.read" || grant === "users.*") continue; // wildcards, and meant
        for (const list of ["grants", "denies"])
          expect(codeOf(() => define({ a: { [list]: [grant] } }, permissions, pattern))).toMatch(/^(unknown_permission|invalid_grant)$/);
      }
    }
  });
});

describe("RBAC-2 at a check", () => {
  const rbac = define({ viewer: { grants: ["users.read"] }, owner: { inherits: ["viewer"], grants: ["*"] } }, permissions);
  const guard = requirePermission(rbac, "users.read");

  test.each(NAMES)("%j as a role is unknown", (name) => {
    const identity: Identity = { roles: [name] };
    for (const key of rbac.permissions)
      expect(rbac.check(identity, key)).toMatchObject({ allowed: false, reason: "no_roles", status: 403 });
    expect(rbac.permissionsOf(identity)).toEqual([]);
    expect(rbac.explain(identity, "users.read").roles).toMatchObject([{ role: name, known: false, granted: undefined, denied: undefined }]);
    expect(rbac.checkRoles(identity, ["viewer"]).reason).toBe("no_roles");
    expect(rbac.checkRoles(identity, [name]).allowed).toBe(false);
    expect(rbac.checkRoles({ roles: ["owner"] }, [name])).toMatchObject({ allowed: false, reason: "missing_role" });
    expect(rbac.canGrant({ roles: ["owner"] }, { role: name })).toMatchObject({ allowed: false, reason: "unknown_role" });
    expect(guard.check(requestOf(userWith([name])))).toMatchObject({ kind: "deny", problem: { status: 403 } });
    // Beside a role that counts it changes nothing.
    expect(rbac.permissionsOf({ roles: [name, "viewer", name] })).toEqual(["users.read"]);
  });

  test.each(NAMES)("%j as a resource or an action is undeclared, even to an owner", (name) => {
    const owner: Identity = { roles: ["owner"] };
    for (const key of [name, `${name}.read`, `users.${name}`, `${name}.${name}`, `users.read.${name}`]) {
      const reason = key.includes("*") ? "invalid_permission" : "unknown_permission";
      expect(rbac.check(owner, key)).toMatchObject({ allowed: false, reason, status: 403 });
      expect(rbac.explain(owner, key)).toMatchObject({ decision: { reason }, roles: [] });
      expect(rbac.isPermission(key)).toBe(false);
      expect(codeOf(() => requirePermission(rbac, key))).toBe("unknown_permission");
    }
  });

  test.each(NAMES.filter((name) => name !== "*"))("%j as a scope covers nothing, as an organisation is somebody else's", (name) => {
    for (const scope of [name, `${name}.read`, `users.${name}`, `users.read${name}x`, `${name}.*`, `*.${name}`])
      expect(rbac.check({ roles: ["owner"], scopes: [scope] }, "users.read")).toMatchObject({ allowed: false, reason: "out_of_scope" });
    expect(rbac.check({ roles: ["owner"], orgId: "a" }, "users.read", { org: name }).reason).toBe("wrong_org");
    expect(rbac.check({ roles: ["owner"], orgId: name }, "users.read", { org: "a" }).reason).toBe("wrong_org");
    expect(rbac.check({ roles: ["owner"] }, "users.read", { org: name }).reason).toBe("wrong_org");
  });
});
