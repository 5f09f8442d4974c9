import { describe, expect, test } from "vitest";
import { accessFact, ALLOW, defineRoute, deny, type Guard, type Outcome, problems } from "@portcullis/core";
import {
  adminSecureEndpoint,
  type AdminSecureEndpointOptions,
  type AnyRbac,
  type AuditedEndpoint,
  defineRbac,
  manifest,
  secureEndpoint,
  standardOrgRoles,
  standardPermissions,
  standardPersonas,
  standardRoles,
} from "@portcullis/rbac";
import { codeOf } from "./code-of.js";
import { requestOf, run, userWith } from "./request.js";

const rbac = defineRbac({
  permissions: standardPermissions,
  roles: { ...standardRoles, operator: { grants: ["users.*"] } },
  orgRoles: standardOrgRoles,
  personas: standardPersonas,
});

/** An audit guard that is told of everything, and the list of what it was told. */
function auditing() {
  const told: string[] = [];
  const audit = (endpoint: AuditedEndpoint): Guard => {
    told.push(JSON.stringify(endpoint));
    return { name: "audit", check: () => ({ kind: "allow", settle: (outcome: Outcome) => void told.push(outcome.kind) }) };
  };
  return { audit, told };
}

const plain: Guard = { name: "audit", check: () => ALLOW };
const now = (): { readonly mfaAt: number } => ({ mfaAt: Date.now() });
const stopOf = async (guard: Guard, ...request: Parameters<typeof requestOf>) => (await run([guard], requestOf(...request))).stop;

describe("RBAC-35 what an endpoint of administrators asks", () => {
  test("audit, authentication, second factor, an administrator's role, permission, the rest, in this order", () => {
    const endpoint = adminSecureEndpoint(rbac, {
      permission: "users.manage",
      audit: () => plain,
      authenticate: { name: "authenticate", check: () => ALLOW },
      resourceIdParam: "id",
      orgMutation: true,
      persona: "write",
      guards: [{ name: "quota", check: () => ALLOW }],
      approval: { name: "approval", check: () => ALLOW },
    });
    expect(endpoint.name).toBe("admin-secure-endpoint");
    expect(endpoint.parts?.map(({ name }) => name)).toEqual([
      "audit",
      "authenticate",
      "require-authentication",
      "require-mfa",
      "require-admin-role",
      "require-permission",
      "require-org-mutation",
      "require-write-access",
      "require-param",
      "quota",
      "approval",
    ]);
    expect(Object.isFrozen(endpoint)).toBe(true);
  });

  test("each of them is needed, and the first that is missing answers", async () => {
    const endpoint = adminSecureEndpoint(rbac, { permission: "users.manage", audit: () => plain });
    expect(await stopOf(endpoint, undefined)).toMatchObject({ problem: { status: 401, code: 1001 } });
    // Without a second factor nobody learns whether the role would do.
    expect(await stopOf(endpoint, userWith(["admin"]))).toMatchObject({ problem: { status: 401, code: 1010 } });
    expect(await stopOf(endpoint, userWith(["viewer"]))).toMatchObject({ problem: { status: 401, code: 1010 } });
    // The permission alone makes no administrator, nor does a persona or an organisation role.
    for (const principal of [userWith(["operator"], now()), userWith([], { ...now(), orgRoles: ["owner"], personas: ["ceo"] })])
      expect(await stopOf(endpoint, principal)).toMatchObject({ kind: "deny", problem: { status: 403 } });
    for (const role of ["admin", "owner"]) {
      const request = requestOf(userWith([role], now()));
      expect((await run([endpoint], request)).stop).toBeUndefined();
      expect(request.facts.get(accessFact)).toMatchObject({ permission: "users.manage", role });
    }
    const owners = adminSecureEndpoint(rbac, { permission: "organisation.delete", audit: () => plain });
    expect(await stopOf(owners, userWith(["admin"], now()))).toMatchObject({
      problem: { extensions: { permission: "organisation.delete", reason: "missing_permission" } },
    });
  });

  test("an API key of an administrator does not pass: it has no second factor", async () => {
    const endpoint = adminSecureEndpoint(rbac, { permission: "users.manage", audit: () => plain });
    const key = { ...userWith(["owner"], now()), type: "apiKey", ownerId: "user-1", keyId: "key-1" } as const;
    expect(await stopOf(endpoint, key)).toMatchObject({ problem: { code: 1010 } });
    expect(await stopOf(endpoint, userWith(["owner"], { ...now(), via: "gateway" }))).toMatchObject({ problem: { code: 1010 } });
    expect(await stopOf(endpoint, userWith(["owner"], { ...now(), scopes: ["users.*"] }))).toMatchObject({
      problem: { extensions: { reason: "insufficient_scope" } },
    });
  });

  test("roles of one's own, and a second factor as recent as one likes", async () => {
    const endpoint = adminSecureEndpoint(rbac, {
      permission: "users.manage",
      audit: () => plain,
      adminRoles: ["operator"],
      mfa: { maxAgeMs: 1_000, status: 403 },
    });
    expect(await stopOf(endpoint, userWith(["operator"], now()))).toBeUndefined();
    expect(await stopOf(endpoint, userWith(["admin"], now()))).toMatchObject({ problem: { status: 403 } });
    expect(await stopOf(endpoint, userWith(["operator"], { mfaAt: Date.now() - 60_000 }))).toMatchObject({
      problem: { status: 403 },
      kind: "deny",
    });
  });

  test("the audit guard hears of every end, and is told to refuse what it cannot record", async () => {
    const { audit, told } = auditing();
    const endpoint = adminSecureEndpoint(rbac, { permission: "users.manage", audit, auditAction: "user.changed", resourceIdParam: "id" });
    expect(told).toEqual(['{"action":"user.changed","resourceIdParam":"id","onFailure":"closed"}']);
    for (const principal of [undefined, userWith(["viewer"]), userWith(["viewer"], now()), userWith(["admin"], now())]) {
      told.length = 0;
      const result = await run([endpoint], requestOf(principal, { id: "user-2" }));
      result.settle?.({ kind: "aborted" });
      expect(told).toEqual(["aborted"]);
    }
    const dead: Guard = { name: "audit", check: () => deny(problems.serviceUnavailable()) };
    const closed = adminSecureEndpoint(rbac, { permission: "users.manage", audit: () => dead });
    expect(await stopOf(closed, userWith(["admin"], now()))).toMatchObject({ problem: { status: 503 } });
  });

  test("elsewhere an audit guard is told what the endpoint says, open unless it says closed", () => {
    const { audit, told } = auditing();
    secureEndpoint(rbac, { permission: "users.read", audit });
    secureEndpoint(rbac, { permission: "users.read", audit, auditFailure: "closed" });
    expect(told).toEqual(['{"action":"users.read","onFailure":"open"}', '{"action":"users.read","onFailure":"closed"}']);
  });
});

describe("RBAC-35 resourceIdParam", () => {
  const endpoint = secureEndpoint(rbac, { permission: "users.read", audit: () => plain, resourceIdParam: "id" });
  const route =
    (path: string, guard: Guard = endpoint) =>
    () =>
      defineRoute({ method: "GET", path, operationId: "x", summary: "x", guards: [guard], handle: () => new Response() });

  test("a request without it is malformed: 400, once the caller may", async () => {
    const user = userWith(["viewer"]);
    expect(await stopOf(endpoint, user, { id: "1" })).toBeUndefined();
    for (const params of [{}, { id: "" }, { ID: "1" }])
      expect(await stopOf(endpoint, user, params)).toMatchObject({ problem: { status: 400 } });
    expect(await stopOf(endpoint, userWith([]), {})).toMatchObject({ problem: { status: 403 } });
    expect(await stopOf(endpoint, undefined, {})).toMatchObject({ problem: { status: 401 } });
  });

  test("a route whose path does not have it is refused when it is defined, and so is one without the department", () => {
    expect(codeOf(route("/users"))).toBe("invalid_option");
    expect(codeOf(route("/users/:userId"))).toBe("invalid_option");
    expect(codeOf(route("/users/:id"))).toBe("nothing was thrown");
    const department = secureEndpoint(rbac, { permission: "users.read", org: () => "org-1", departmentParam: "department" });
    expect(codeOf(route("/users/:id", department))).toBe("invalid_option");
    expect(codeOf(route("/departments/:department", department))).toBe("nothing was thrown");
    const admin = adminSecureEndpoint(rbac, {
      permission: "users.read",
      audit: () => plain,
      orgMutation: true,
      departmentParam: "department",
    });
    expect(codeOf(route("/users/:id", admin))).toBe("invalid_option");
    expect(route("/departments/:department", admin)().path).toBe("/departments/:department");
  });
});

describe("RBAC-11 mistakes are found where they are made", () => {
  const define = (options: unknown) => codeOf(() => adminSecureEndpoint(rbac as AnyRbac, options as AdminSecureEndpointOptions));
  const enough = { permission: "users.read", audit: plain };

  test.each<[string, unknown, string]>([
    ["nothing", undefined, "invalid_option"],
    ["null", null, "invalid_option"],
    ["no permission", { audit: plain }, "invalid_option"],
    ["no audit", { permission: "users.read" }, "invalid_option"],
    ["audit that is no guard", { ...enough, audit: {} }, "invalid_option"],
    ["audit that makes no guard", { ...enough, audit: () => undefined }, "invalid_option"],
    ["a permission that is not declared", { ...enough, permission: "users.raed" }, "unknown_permission"],
    ["a permission inherited", Object.assign(Object.create({ permission: "users.read" }), { audit: plain }), "invalid_option"],
    ["requireAuth, which is not to be had", { ...enough, requireAuth: false }, "invalid_option"],
    ["auditFailure, which is not to be had", { ...enough, auditFailure: "open" }, "invalid_option"],
    ["a misspelt option", { ...enough, adminRole: "admin" }, "invalid_option"],
    ["no administrator's role", { ...enough, adminRoles: [] }, "empty_requirement"],
    ["roles that are no list", { ...enough, adminRoles: 5 }, "invalid_option"],
    ["a permission that is no requirement", { ...enough, permission: {} }, "invalid_option"],
    ["a role that nobody defined", { ...enough, adminRoles: ["root"] }, "unknown_role"],
    ["no second factor", { ...enough, mfa: null }, "invalid_option"],
    ["no second factor, in another way", { ...enough, mfa: false }, "invalid_option"],
  ])("%s", (_name, options, code) => {
    expect(define(options)).toBe(code);
  });

  test("a policy without admin and owner must name its administrators", () => {
    const other = defineRbac({ permissions: { a: ["b"] }, roles: { root: { grants: ["*"] } } });
    expect(codeOf(() => adminSecureEndpoint(other, { permission: "a.b", audit: plain }))).toBe("unknown_role");
    expect(codeOf(() => adminSecureEndpoint(other, { permission: "a.b", audit: plain, adminRoles: ["root"] }))).toBe("nothing was thrown");
    const one = defineRbac({ permissions: { a: ["b"] }, roles: { admin: { grants: ["*"] } } });
    expect(adminSecureEndpoint(one, { permission: "a.b", audit: plain }).parts?.at(-2)?.meta).toEqual({ roles: ["admin"] });
  });

  test("secureEndpoint: what is said of failures to a finished audit guard, or to none, would go unheard", () => {
    for (const auditFailure of ["open", "closed"] as const) {
      expect(codeOf(() => secureEndpoint(rbac, { permission: "users.read", audit: plain, auditFailure }))).toBe("invalid_option");
      expect(codeOf(() => secureEndpoint(rbac, { permission: "users.read", auditFailure }))).toBe("invalid_option");
    }
    expect(codeOf(() => secureEndpoint(rbac, { permission: "users.read", audit: () => plain, auditFailure: "fail" as "open" }))).toBe(
      "invalid_option",
    );
    for (const resourceIdParam of ["", 5, null])
      expect(
        codeOf(() => secureEndpoint(rbac, { permission: "users.read", audit: () => plain, resourceIdParam: resourceIdParam as string })),
      ).toBe("invalid_option");
  });
});

test("the manifest says all of it", () => {
  const guards = [
    adminSecureEndpoint(rbac, {
      permission: "users.manage",
      audit: () => plain,
      orgMutation: true,
      persona: ["ceo"],
      approval: { ...plain, name: "approval" },
    }),
  ];
  const route = defineRoute({ method: "POST", path: "/users", operationId: "x", summary: "x", guards, handle: () => new Response() });
  expect(manifest([route])).toEqual([
    {
      method: "POST",
      path: "/users",
      operationId: "x",
      permissions: ["users.manage"],
      roles: [["admin", "owner"]],
      personas: [["ceo"]],
      orgMutation: true,
      authentication: true,
      mfa: true,
      audit: true,
      approval: true,
      public: false,
    },
  ]);
});

test("RBAC-35 audit comes first whatever it is called, also where it has the name of another guard", () => {
  const { parts = [] } = adminSecureEndpoint(rbac, { permission: "users.manage", audit: { ...plain, name: "require-permission" } });
  expect(parts.map(({ name }) => name)).toEqual([
    "require-permission",
    "require-authentication",
    "require-mfa",
    "require-admin-role",
    "require-permission",
  ]);
  expect(parts[0]?.meta).toBeUndefined();
});
