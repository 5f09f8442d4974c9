import { describe, expect, test } from "vitest";
import { ALLOW, defineRoute, type Guard, type Method, toOpenApi } from "@portcullis/core";
import {
  defineRbac,
  manifest,
  permissionOf,
  requireAuthentication,
  requirePermission,
  requireRoles,
  secureEndpoint,
  standardPermissions,
  standardRoles,
  unguardedRoutes,
  workflowPermissions,
} from "@portcullis/rbac";

const rbac = defineRbac({ permissions: standardPermissions, roles: standardRoles });
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
