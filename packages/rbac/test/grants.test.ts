import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defineRbac, type PermissionTree, RbacError } from "@portcullis/rbac";
import { expand } from "./reference.js";

const permissions: PermissionTree = { workflows: ["read", "create"], workflow: ["read"], workflows2: ["read"], "workflows-read": ["all"] };

function grant(...grants: readonly string[]) {
  return defineRbac({ permissions, roles: { role: { grants } } });
}

/** What a grant covers, or the code by which it is refused. */
function coverage(tree: PermissionTree, text: string): ReadonlySet<string> | string {
  try {
    return new Set(defineRbac({ permissions: tree, roles: { role: { grants: [text] } } }).permissionsOf({ roles: ["role"] }));
  } catch (error) {
    return error instanceof RbacError ? error.code : "another error";
  }
}

describe("wildcards", () => {
  test("RBAC-3 a wildcard stands for a whole segment, and * alone for everything", () => {
    expect(grant("*").permissionsOf({ roles: ["role"] })).toHaveLength(5);
    expect(grant("workflows.*").permissionsOf({ roles: ["role"] })).toEqual(["workflows.read", "workflows.create"]);
    expect(grant("*.read").permissionsOf({ roles: ["role"] })).toEqual(["workflows.read", "workflow.read", "workflows2.read"]);
  });

  test.each(["*.*", "wf*", "workflows.re*", "workf*.read", "**", "*.", ".*", "workflows.*.read", "workflows.*.*", " *"])(
    "RBAC-3 the grant %j is refused",
    (text) => {
      expect(() => grant(text)).toThrow(RbacError);
      expect(() => grant(text)).toThrow(/invalid_grant|has the grant/);
    },
  );

  test.each([
    "workflows.reed",
    "workflowz.*",
    "*.raed",
    "workflows",
    "workflows.",
    "",
    "workflows.read.all",
    "constructor.read",
    "__proto__.*",
  ])("RBAC-4 the grant %j covers nothing declared and is refused", (text) => {
    expect(() => grant(text)).toThrow("covers no declared permission");
  });

  test.each(["workflows.*", "*", "*.read", "*.*"])("RBAC-3 checking %j denies as invalid_permission", (text) => {
    expect(grant("*").check({ roles: ["role"] }, text)).toMatchObject({ allowed: false, reason: "invalid_permission", status: 403 });
  });

  test.each(["workflows2.create", "workflow.create", "workflows.read.all", "workflows.", "workflows", "workflows.READ", "workflows.read "])(
    "RBAC-4 RBAC-5 %j is not declared: denied, whatever is granted",
    (text) => {
      expect(grant("*", "workflows.*").check({ roles: ["role"] }, text)).toMatchObject({ allowed: false, reason: "unknown_permission" });
    },
  );

  test("RBAC-4 every grant covers what a plain expansion over the universe says", () => {
    const name = fc.constantFrom("a", "a2", "ab", "a-b", "b");
    const tree = fc.dictionary(name, fc.uniqueArray(name, { minLength: 1, maxLength: 4 }), { minKeys: 1, maxKeys: 4 });
    fc.assert(
      fc.property(
        tree,
        fc.oneof(
          fc.constant("*"),
          name.map((resource) => `${resource}.*`),
          name.map((action) => `*.${action}`),
          fc.tuple(name, name).map((pair) => pair.join(".")),
        ),
        (tree, text) => {
          const universe = Object.entries(tree).flatMap(([resource, actions]) => actions.map((action) => `${resource}.${action}`));
          const expected = expand(text, universe);
          expect(coverage(tree, text)).toEqual(expected.length === 0 ? "unknown_permission" : new Set(expected));
        },
      ),
    );
  });

  test("wildcards over many words of a mask cover exactly their permissions", () => {
    const tree = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`r${index}`, ["read", "write", `only${index}`]]));
    const rbac = defineRbac({ permissions: tree, roles: { reader: { grants: ["*.read"] }, most: { grants: ["*"], denies: ["*.write"] } } });
    expect(rbac.permissionsOf({ roles: ["reader"] })).toHaveLength(100);
    expect(rbac.permissionsOf({ roles: ["most"] })).toHaveLength(200);
    expect(rbac.check({ roles: ["most"] }, "r99.only99").allowed).toBe(true);
  });
});
