import { describe, expect, test } from "vitest";
import { ALLOW, defineRoute, type Guard, type Method, toOpenApi } from "@portcullis/core";
import {
  assertGuarded,
  defineRbac,
  manifest,
  permissionOf,
  RbacError,
  requireAuthentication,
  requireOrgMutation,
  requirePermission,
  requirePersona,
  requireRoles,
  requireWriteAccess,
  secureEndpoint,
  standardOrgRoles,
  standardPermissions,
  standardPersonas,
  standardRoles,
  unguardedRoutes,
  workflowPermissions,
} from "@portcullis/rbac";

const rbac = defineRbac({
  permissions: standardPermissions,
  roles: standardRoles,
  orgRoles: standardOrgRoles,
  personas: standardPersonas,
});
const plain: Guard = { name: "plain", check: () => ALLOW };

function route(method: Method, operationId: string, ...guards: readonly Guard[]) {
  return defineRoute({ method, path: `/${operationId}`, operationId, summary: operationId, guards, handle: () => new Response(null) });
}

const routes = [
  route("GET", "list"),
  route("POST", "login", plain),
  route("POST", "create", requirePermission(rbac, "workflows.create")),
  route(
    "DELETE",
    "remove",
    plain,
    secureEndpoint(rbac, { permission: { all: ["workflows.delete", "workflows.read"] }, audit: plain, mfa: {}, approval: plain }),
  ),
  route("PUT", "settings", requireRoles(rbac, ["admin", "owner"])),
  route("POST", "feedback", secureEndpoint(rbac, { requireAuth: false })),
  route("PATCH", "forgotten", requireAuthentication()),
];

describe("manifest", () => {
  test("lists what guards each route, through composed guards", () => {
    expect(manifest(routes)[3]).toEqual({
      method: "DELETE",
      path: "/remove",
      operationId: "remove",
      permissions: [{ all: ["workflows.delete", "workflows.read"] }],
      roles: [],
      personas: [],
      orgMutation: false,
      authentication: true,
      mfa: true,
      audit: true,
      approval: true,
      public: false,
    });
    expect(manifest(routes)[4]).toMatchObject({ roles: [["admin", "owner"]], authentication: true, mfa: false });
    expect(manifest(routes)[5]).toMatchObject({ public: true, authentication: false });
    expect(manifest(routes)[0]).toMatchObject({ permissions: [], authentication: false });
  });

  test("a route that changes something and that nobody guards is found", () => {
    expect(unguardedRoutes(manifest(routes)).map(({ operationId }) => operationId)).toEqual(["login", "forgotten"]);
    expect(unguardedRoutes(manifest(routes), ["login"]).map(({ operationId }) => operationId)).toEqual(["forgotten"]);
    expect(unguardedRoutes(manifest(routes, [requirePermission(rbac, "workflows.read")]))).toEqual([]);
  });

  test("organisation roles and personas are in it; an organisation role guards a route, a persona alone does not", () => {
    const more = [
      route("PUT", "rename", requireOrgMutation(rbac)),
      route("POST", "note", requireWriteAccess(rbac), requirePersona(rbac, ["ceo", "manager"], { name: "leaders" })),
      route("POST", "own", secureEndpoint(rbac, { orgMutation: true, persona: "approve" })),
      route("POST", "odd", { ...plain, meta: { persona: 5, orgMutation: false, roles: [5], public: false } }),
    ];
    expect(manifest(more).map(({ personas, orgMutation, authentication }) => [personas, orgMutation, authentication])).toEqual([
      [[], true, true],
      [["write", ["ceo", "manager"]], false, true],
      [["approve"], true, true],
      [[], false, false],
    ]);
    expect(unguardedRoutes(manifest(more)).map(({ operationId }) => operationId)).toEqual(["note", "odd"]);
  });

  test.each<[string, unknown]>([
    ["permission", "users.read"],
    ["any", ["users.read"]],
    ["roles", ["admin"]],
    ["persona", "write"],
    ["orgMutation", true],
    ["public", true],
    ["mfa", true],
    ["meta", { permission: "users.read" }],
    ["parts", [{ meta: { permission: "users.read" } }]],
  ])("RBAC-2 with Object.prototype.%s polluted, what is open is still found", (name, value) => {
    const more = [...routes, route("PUT", "meta", { ...plain, meta: {} })];
    const before = JSON.stringify([manifest(more), unguardedRoutes(manifest(more)).map(({ operationId }) => operationId)]);
    Reflect.defineProperty(Object.prototype, name, { value, configurable: true, enumerable: true, writable: true });
    try {
      expect(JSON.stringify([manifest(more), unguardedRoutes(manifest(more)).map(({ operationId }) => operationId)])).toBe(before);
    } finally {
      delete (Object.prototype as Record<string, unknown>)[name];
    }
  });

  test("assertGuarded names every route that is open, and is silent when none is", () => {
    const entries = manifest(routes);
    expect(() => assertGuarded(entries)).toThrow("POST /login (login), PATCH /forgotten (forgotten)");
    const thrown = (except: readonly string[]): unknown => {
      try {
        return assertGuarded(entries, except);
      } catch (error) {
        return error;
      }
    };
    expect(thrown(["login"])).toBeInstanceOf(RbacError);
    expect(thrown(["login"])).toMatchObject({ code: "unguarded_route" });
    expect(thrown(["login", "forgotten"])).toBeUndefined();
    expect(assertGuarded([])).toBeUndefined();
  });

  test("OpenAPI carries the permission", () => {
    const { paths } = toOpenApi(routes, { info: { title: "t", version: "1" }, toJsonSchema: () => ({}) }) as {
      readonly paths: Record<string, Record<string, unknown>>;
    };
    expect(paths["/create"]?.["post"]).toMatchObject({ "x-permission": "workflows.create" });
    expect(paths["/remove"]?.["delete"]).toMatchObject({
      "x-permission": { all: ["workflows.delete", "workflows.read"] },
      "x-mfa": true,
      "x-approval": true,
    });
  });

  test("OpenAPI says nothing of path parameters that guards need: the path does", () => {
    const guards = [secureEndpoint(rbac, { orgMutation: true, departmentParam: "department" })];
    const path = "/departments/:department";
    const change = defineRoute({ method: "PUT", path, operationId: "change", summary: "x", guards, handle: () => new Response() });
    const document = JSON.stringify(toOpenApi([change], { info: { title: "t", version: "1" }, toJsonSchema: () => ({}) }));
    expect(document).toContain('"x-orgMutation":true');
    expect(document).not.toContain("x-params");
  });

  test("permissionOf reads a guard's requirement, its own or a part's", () => {
    expect(permissionOf(requirePermission(rbac, "workflows.read"))).toBe("workflows.read");
    expect(permissionOf(secureEndpoint(rbac, { permission: { any: ["workflows.read"] } }))).toEqual({ any: ["workflows.read"] });
    expect(permissionOf(plain)).toBeUndefined();
    for (const permission of [5, null, {}, [], { any: "x" }, { any: [5] }])
      expect(permissionOf({ ...plain, meta: { permission } })).toBeUndefined();
  });
});

describe("presets", () => {
  test("viewer reads, member creates, votes and participates, admin manages, owner does everything", () => {
    const may = (role: string) => rbac.permissionsOf({ roles: [role] });
    expect(may("viewer")).toEqual(["workflows.read", "debates.read", "organisation.read", "users.read"]);
    expect(may("member")).toEqual([
      "workflows.read",
      "workflows.create",
      "workflows.update",
      "workflows.execute",
      "debates.read",
      "debates.create",
      "debates.vote",
      "debates.participate",
      "organisation.read",
      "users.read",
    ]);
    expect(rbac.permissions.filter((key) => !may("admin").includes(key))).toEqual(["organisation.delete"]);
    expect(may("owner")).toEqual(rbac.permissions);
    expect(workflowPermissions.workflows).toEqual(["read", "create", "update", "delete", "execute", "approve"]);
  });
});
