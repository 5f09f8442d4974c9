import { expectTypeOf, test } from "vitest";
import type { Principal } from "@portcullis/core";
import {
  type AnyRbac,
  type CheckOptions,
  type Decision,
  defineRbac,
  type GrantOf,
  type Identity,
  type PermissionKey,
  requirePermission,
  requireRoles,
  secureEndpoint,
  standardPermissions,
  standardRoles,
} from "@portcullis/rbac";

const rbac = defineRbac({
  permissions: { workflows: ["read", "create"], users: ["read", "manage"] },
  roles: {
    viewer: { grants: ["*.read"] },
    editor: { inherits: ["viewer"], grants: ["workflows.*"], denies: ["workflows.create"] },
    owner: { grants: ["*"] },
  },
});

test("keys are each resource joined with its own actions", () => {
  expectTypeOf(rbac.permissions).toEqualTypeOf<readonly ("workflows.read" | "workflows.create" | "users.read" | "users.manage")[]>();
  expectTypeOf(rbac.check({ roles: ["viewer"] }, "users.manage")).toEqualTypeOf<Decision>();
});

test("a wrong key does not compile", () => {
  expectTypeOf(rbac.check).parameter(1).toEqualTypeOf<(typeof rbac.permissions)[number]>();
  // @ts-expect-error no such resource
  rbac.check({ roles: [] }, "workflow.read");
  // @ts-expect-error an action of another resource
  rbac.check({ roles: [] }, "workflows.manage");
  // @ts-expect-error RBAC-3 wildcards are for grants
  rbac.check({ roles: [] }, "workflows.*");
  // @ts-expect-error RBAC-3
  rbac.prepare("*");
  // @ts-expect-error
  requirePermission(rbac, "users.create");
  // @ts-expect-error
  requirePermission(rbac, { any: ["users.read", "users.create"] });
  // @ts-expect-error
  secureEndpoint(rbac, { permission: "users.create" });
});

test("a wrong grant or role does not compile", () => {
  expectTypeOf(rbac.checkRoles).parameter(1).toEqualTypeOf<readonly ("viewer" | "editor" | "owner")[]>();
  // @ts-expect-error no such role
  defineRbac({ permissions: { a: ["b"] }, roles: { x: { inherits: ["y"] } } });
  // @ts-expect-error no such permission
  defineRbac({ permissions: { a: ["b"] }, roles: { x: { grants: ["a.c"] } } });
  // @ts-expect-error no resource has this action
  defineRbac({ permissions: { a: ["b"] }, roles: { x: { grants: ["*.c"] } } });
  // @ts-expect-error a wildcard stands for a whole segment
  defineRbac({ permissions: { a: ["b"] }, roles: { x: { grants: ["a*"] } } });
  // @ts-expect-error one spelling for everything
  defineRbac({ permissions: { a: ["b"] }, roles: { x: { grants: ["*.*"] } } });
  // @ts-expect-error no such role
  requireRoles(rbac, "admin");
  requireRoles(rbac, ["viewer", "owner"], { exact: true });
});

test("an organisation that may be undefined does not compile: it would deny", () => {
  const orgId = undefined as string | undefined;
  expectTypeOf<{ readonly org: typeof orgId }>().not.toExtend<CheckOptions>();
  // @ts-expect-error
  rbac.check({ roles: [] }, "users.read", { org: orgId });
});

test("presets spread into a policy of one's own", () => {
  const own = defineRbac({
    permissions: { ...standardPermissions, reports: ["read", "export"] },
    roles: { ...standardRoles, auditor: { inherits: ["viewer"], grants: ["reports.export"] } },
  });
  expectTypeOf<"reports.export" | "workflows.approve">().toExtend<(typeof own.permissions)[number]>();
  requireRoles(own, "auditor");
});

test("any policy passes where the keys do not matter", () => {
  const any: AnyRbac = rbac;
  any.check(undefined, "anything.goes");
  expectTypeOf<GrantOf<"a.b" | "c.d">>().toEqualTypeOf<"*" | "a.b" | "a.*" | "*.b" | "c.d" | "c.*" | "*.d">();
});

test("a policy that the compiler does not know takes strings", () => {
  const loaded = JSON.parse("{}") as {
    readonly permissions: Readonly<Record<string, readonly string[]>>;
    readonly roles: Readonly<Record<string, { readonly grants: readonly string[] }>>;
  };
  const dynamic = defineRbac(loaded);
  expectTypeOf(dynamic.permissions).toEqualTypeOf<readonly string[]>();
  dynamic.check(undefined, "users.read");
});

test("a principal is an identity", () => {
  expectTypeOf<Principal>().toExtend<Identity>();
});

type Digit = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9";
type Huge = { readonly [Resource in `r${Digit}${Digit}${Digit}`]: readonly `a${"0" | "1"}${Digit}${Digit}`[] };

test("200,000 keys are no problem for the compiler", () => {
  const key: PermissionKey<Huge> = "r999.a199";
  // @ts-expect-error no such action
  const wrong: PermissionKey<Huge> = "r999.a200";
  expectTypeOf(key).toExtend<string>();
  expectTypeOf(wrong).toExtend<string>();
});
