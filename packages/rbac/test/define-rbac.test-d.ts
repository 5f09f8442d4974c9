import { expectTypeOf, test } from "vitest";
import type { Principal } from "@portcullis/core";
import {
  adminSecureEndpoint,
  type AnyRbac,
  type CheckOptions,
  type Decision,
  defineRbac,
  type GrantOf,
  type Identity,
  type PermissionKey,
  requireAccessFor,
  requirePermission,
  requirePersona,
  requireRoles,
  secureEndpoint,
  standardOrgRoles,
  standardPermissions,
  standardPersonas,
  standardRoles,
  withShadow,
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

const organised = defineRbac({
  permissions: { notes: ["read", "list", "write"] },
  roles: { clerk: {}, approver: {} },
  orgRoles: { owner: { mutates: true, grants: ["notes.*"] }, lead: { extent: "departments", grants: ["*.read"] } },
  personas: { ceo: { writes: true }, robot: { internal: true } },
  readActions: ["read", "list"],
  constraints: { static: [{ name: "pair", roles: ["clerk", "approver"] }] },
});

test("names of organisation roles and personas are those of the policy", () => {
  expectTypeOf(organised.orgRoles).toEqualTypeOf<readonly ("owner" | "lead")[]>();
  expectTypeOf(organised.personas).toEqualTypeOf<readonly ("ceo" | "robot")[]>();
  expectTypeOf(rbac.personas).toEqualTypeOf<readonly never[]>();
  const preset = defineRbac({
    permissions: standardPermissions,
    roles: standardRoles,
    orgRoles: { ...standardOrgRoles, auditor: { grants: ["*.read"] } },
    personas: { ...standardPersonas, guest: {} },
  });
  requirePersona(preset, ["ceo", "guest"]);
  expectTypeOf<"department_admin" | "auditor">().toExtend<(typeof preset.orgRoles)[number]>();
});

test("a wrong persona does not compile", () => {
  requirePersona(organised, ["ceo", "robot"]);
  // @ts-expect-error no such persona
  requirePersona(organised, "cfo");
  // @ts-expect-error no such persona
  requirePersona(organised, ["ceo", "cfo"]);
  // @ts-expect-error the policy has no personas
  requirePersona(rbac, "ceo");
  // @ts-expect-error no such persona
  secureEndpoint(organised, { permission: "notes.read", persona: ["cfo"] });
  // @ts-expect-error no such access
  secureEndpoint(organised, { permission: "notes.read", persona: "delete" });
  // @ts-expect-error no such access
  organised.checkPersona(undefined, "delete");
  // @ts-expect-error no such persona
  organised.checkPersona(undefined, ["cfo"]);
  // @ts-expect-error a persona says who, and grants nothing
  defineRbac({ permissions: { a: ["b"] }, roles: {}, personas: { ceo: { grants: ["a.b"] } } });
  // @ts-expect-error no such permission
  requireAccessFor(organised, "notes.delete");
});

test("a wrong organisation role does not compile", () => {
  // @ts-expect-error no such permission
  defineRbac({ permissions: { a: ["b"] }, roles: {}, orgRoles: { owner: { grants: ["a.c"] } } });
  // @ts-expect-error no such extent
  defineRbac({ permissions: { a: ["b"] }, roles: {}, orgRoles: { owner: { extent: "department" } } });
  // @ts-expect-error organisation roles deny nothing
  defineRbac({ permissions: { a: ["b"] }, roles: {}, orgRoles: { owner: { denies: ["a.b"] } } });
  // @ts-expect-error no such kind of principal
  defineRbac({ permissions: { a: ["b"] }, roles: {}, orgRolesHeldBy: ["human"] });
  // @ts-expect-error an organisation role is no role
  requireRoles(organised, "owner");
});

test("a wrong role in a constraint does not compile", () => {
  // @ts-expect-error no such role
  defineRbac({ permissions: { a: ["b"] }, roles: { x: {} }, constraints: { static: [{ name: "pair", roles: ["x", "y"] }] } });
  // @ts-expect-error no such role
  defineRbac({ permissions: { a: ["b"] }, roles: { x: {} }, constraints: { dynamic: [{ name: "pair", roles: ["x", "y"] }] } });
  // @ts-expect-error no such kind
  defineRbac({ permissions: { a: ["b"] }, roles: { x: {} }, constraints: { session: [] } });
});

test("a wrong read action does not compile", () => {
  // @ts-expect-error no such action
  defineRbac({ permissions: { a: ["read"] }, roles: {}, readActions: ["raed"] });
  // @ts-expect-error an action, not a permission
  defineRbac({ permissions: { a: ["read"] }, roles: {}, readActions: ["a.read"] });
});

test("an endpoint of administrators has a permission and an audit trail, and always authenticates", () => {
  const audit = requireRoles(organised, "clerk");
  adminSecureEndpoint(organised, { permission: "notes.write", audit, adminRoles: ["clerk"] });
  // @ts-expect-error no audit
  adminSecureEndpoint(organised, { permission: "notes.write", adminRoles: ["clerk"] });
  // @ts-expect-error no permission
  adminSecureEndpoint(organised, { audit, adminRoles: ["clerk"] });
  // @ts-expect-error no such role
  adminSecureEndpoint(organised, { permission: "notes.write", audit, adminRoles: ["admin"] });
  // @ts-expect-error not to be had
  adminSecureEndpoint(organised, { permission: "notes.write", audit, adminRoles: ["clerk"], requireAuth: false });
  // @ts-expect-error not to be had
  adminSecureEndpoint(organised, { permission: "notes.write", audit, adminRoles: ["clerk"], auditFailure: "open" });
});

test("a shadowed policy is of the same type as the one in force", () => {
  const shadowed = withShadow(organised, rbac);
  expectTypeOf(shadowed).toEqualTypeOf<typeof organised>();
  // @ts-expect-error no such persona
  requirePersona(shadowed, "cfo");
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
