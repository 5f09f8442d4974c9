import { afterEach, describe, expect, test } from "vitest";
import {
  accessFact,
  ALLOW,
  correlationIdFact,
  freezePrincipal,
  type Guard,
  type Metrics,
  type Outcome,
  principalFact,
  StoreUnavailable,
} from "@portcullis/core";
import {
  adminSecureEndpoint,
  checkedScopeFact,
  defineRbac,
  type Identity,
  type RbacEvent,
  requireAuthentication,
  requireMfa,
  requireOrgMutation,
  requirePermission,
  requirePersona,
  requireRoles,
  requireWriteAccess,
  secureEndpoint,
  standardPermissions,
  standardRoles,
} from "@portcullis/rbac";
import { createManualClock } from "@portcullis/testkit";
import { codeOf } from "./code-of.js";
import { countingMetrics } from "./counting-metrics.js";
import { requestOf, run, userWith } from "./request.js";

const rbac = defineRbac({ permissions: standardPermissions, roles: standardRoles });

describe("requirePermission", () => {
  test("RBAC-10 no principal: 401; a principal that may not: 403; one that may: the shared ALLOW", () => {
    const guard = requirePermission(rbac, "workflows.create");
    expect(guard.check(requestOf(undefined))).toMatchObject({ kind: "deny", problem: { status: 401, code: 1001 } });
    expect(guard.check(requestOf(userWith(["viewer"])))).toMatchObject({ kind: "deny", problem: { status: 403, code: 1101 } });
    expect(guard.check(requestOf(userWith(["member"])))).toBe(ALLOW);
  });

  test("any needs one of the permissions, all needs every one", () => {
    const any = requirePermission(rbac, { any: ["workflows.approve", "workflows.create"] });
    const all = requirePermission(rbac, { all: ["workflows.create", "workflows.approve"] });
    for (const [role, anyPasses, allPasses] of [
      ["viewer", false, false],
      ["member", true, false],
      ["admin", true, true],
    ] as const) {
      expect(any.check(requestOf(userWith([role]))) === ALLOW).toBe(anyPasses);
      expect(all.check(requestOf(userWith([role]))) === ALLOW).toBe(allPasses);
    }
    expect(all.check(requestOf(userWith(["member"])))).toMatchObject({
      problem: { extensions: { permission: "workflows.approve", reason: "missing_permission" } },
    });
    expect(any.check(requestOf(userWith(["viewer"])))).toMatchObject({
      problem: { extensions: { permissions: ["workflows.approve", "workflows.create"] } },
    });
  });

  test("RBAC-34 a denied client learns the permission and one of three reasons, nothing of roles, grants or denials", () => {
    const strict = defineRbac({
      permissions: { secrets: ["read", "write"] },
      roles: { keeper: { grants: ["secrets.*"], denies: ["secrets.write"] }, none: {} },
    });
    const body = (roles: readonly string[], more = {}) => {
      const verdict = requirePermission(strict, "secrets.write", { org: () => "org-1" }).check(requestOf(userWith(roles, more)));
      return JSON.stringify(verdict);
    };
    const denied = body(["none"]);
    expect(denied).toContain('"extensions":{"permission":"secrets.write","reason":"missing_permission"}');
    expect(denied).not.toMatch(/keeper|none|secrets\.\*/);
    // A denial rule, an unknown role and another organisation look the same.
    expect(body(["keeper"])).toBe(denied);
    expect(body(["stranger"])).toBe(denied);
    expect(body(["keeper"], { orgId: "org-2" })).toBe(denied);
    const scoped = requirePermission(strict, "secrets.read").check(requestOf(userWith(["keeper"], { scopes: [] })));
    expect(scoped).toMatchObject({ problem: { extensions: { permission: "secrets.read", reason: "insufficient_scope" } } });
  });

  test("RBAC-34 with redactDenials a denied client learns nothing but 403", () => {
    const silent = defineRbac({ permissions: { secrets: ["read"] }, roles: { none: {} }, redactDenials: true });
    const verdict = requirePermission(silent, "secrets.read").check(requestOf(userWith(["none"])));
    expect(verdict).toMatchObject({ kind: "deny", problem: { status: 403, code: 1101 } });
    expect(JSON.stringify(verdict)).not.toContain("secrets");
  });

  test("the organisation comes from where the endpoint says, and one that is missing denies", () => {
    const guard = requirePermission(rbac, "workflows.read", { org: (request) => request.param("orgId") });
    const user = userWith(["viewer"]);
    expect(guard.check(requestOf(user, { orgId: "org-1" }))).toBe(ALLOW);
    expect(guard.check(requestOf(user, { orgId: "org-2" }))).toMatchObject({ problem: { status: 403 } });
    expect(guard.check(requestOf(user, {}))).toMatchObject({ problem: { status: 403 } });
  });

  test("RBAC-11 a wrong definition throws when the guard is made", () => {
    const wrong = (requirement: unknown, options?: unknown) =>
      codeOf(() => requirePermission(rbac, requirement as "workflows.read", options as object));
    for (const key of ["workflows.raed", "workflows.*", "*", "", "__proto__.read"]) {
      expect(wrong(key)).toBe("unknown_permission");
      expect(wrong({ any: ["workflows.read", key] })).toBe("unknown_permission");
    }
    expect(wrong({ any: [] })).toBe("empty_requirement");
    expect(wrong({ all: [] })).toBe("empty_requirement");
    for (const requirement of [
      undefined,
      null,
      5,
      [],
      {},
      { some: [] },
      { any: ["workflows.read"], all: ["workflows.read"] },
      { any: "workflows.read" },
    ])
      expect(wrong(requirement)).toBe("invalid_option");
    for (const options of [null, { naem: "x" }, { name: "" }, { org: "org-1" }])
      expect(wrong("workflows.read", options)).toBe("invalid_option");
    expect(codeOf(() => rbac.prepare("workflows.*" as "workflows.read"))).toBe("unknown_permission");
  });

  test("RBAC-13 what a guard requires does not depend on the method", () => {
    const guard = requirePermission(rbac, "workflows.update");
    for (const method of ["GET", "HEAD", "OPTIONS", "POST", "get"])
      expect(guard.check(requestOf(userWith(["viewer"]), {}, method))).toMatchObject({ kind: "deny" });
  });

  test("RBAC-14 nothing that the request carries or that hangs on its objects changes the decision", () => {
    const request = Object.assign(requestOf(userWith(["viewer"]), { roles: "owner", user: "owner" }), {
      header: () => "owner",
      user: { roles: ["owner"] },
      principal: userWith(["owner"]),
      body: { roles: ["owner"] },
      target: "/?roles=owner",
    });
    expect(requirePermission(rbac, "users.manage").check(request)).toMatchObject({ kind: "deny" });
  });

  test("the first permission that let a request pass is published with its grant and policy version", () => {
    const request = requestOf(userWith(["admin"]));
    const guards = [requirePermission(rbac, "workflows.delete"), requirePermission(rbac, "users.manage", { name: "second" })];
    expect(run(guards, request)).toMatchObject({ stop: undefined });
    expect(request.facts.get(accessFact)).toMatchObject({
      permission: "workflows.delete",
      role: "admin",
      grant: "workflows.*",
      policyVersion: 1,
    });
  });

  test("a permission check that allows makes no new objects of its own", () => {
    const guard = requirePermission(rbac, "workflows.read");
    const first = requestOf(userWith(["viewer"]));
    const second = requestOf(userWith(["viewer"]));
    expect(guard.check(first)).toBe(guard.check(second));
    expect(first.facts.get(accessFact)).toBe(second.facts.get(accessFact));
  });
});

describe("requireRoles", () => {
  test("RBAC-12 a role that inherits a wanted one passes, unless exact", () => {
    const admins = requireRoles(rbac, "admin");
    const exact = requireRoles(rbac, ["admin"], { exact: true });
    expect(admins.check(requestOf(userWith(["owner"])))).toBe(ALLOW);
    expect(admins.check(requestOf(userWith(["admin"])))).toBe(ALLOW);
    expect(exact.check(requestOf(userWith(["admin"])))).toBe(ALLOW);
    for (const guard of [admins, exact]) {
      expect(guard.check(requestOf(userWith(["member"])))).toMatchObject({
        problem: { status: 403, extensions: { reason: "missing_role" } },
      });
      expect(guard.check(requestOf(undefined))).toMatchObject({ problem: { status: 401 } });
    }
    expect(exact.check(requestOf(userWith(["owner"])))).toMatchObject({ kind: "deny" });
  });

  test("RBAC-11 no role, or one that nobody defined, throws when the guard is made", () => {
    expect(codeOf(() => requireRoles(rbac, []))).toBe("empty_requirement");
    for (const none of [undefined, null, 5, {}, new Set(["admin"])])
      expect(codeOf(() => requireRoles(rbac, none as "admin"))).toBe("invalid_option");
    expect(codeOf(() => requireRoles(rbac, "stranger" as "admin"))).toBe("unknown_role");
    for (const options of [{ exact: "yes" }, { name: "" }, { org: "org-1" }, { hierarchy: false }]) {
      expect(codeOf(() => requireRoles(rbac, "admin", options as object))).toBe("invalid_option");
    }
  });

  test("a credential bounded by scopes does not pass for its owner's role", () => {
    const guard = requireRoles(rbac, "admin");
    expect(guard.check(requestOf(userWith(["admin"], { scopes: ["workflows.read"] })))).toMatchObject({
      problem: { extensions: { reason: "insufficient_scope" } },
    });
    expect(guard.check(requestOf(userWith(["admin"], { scopes: ["*"] })))).toBe(ALLOW);
  });

  test("the organisation must be the caller's", () => {
    const guard = requireRoles(rbac, "admin", { org: (request) => request.param("orgId") });
    expect(guard.check(requestOf(userWith(["admin"]), { orgId: "org-1" }))).toBe(ALLOW);
    for (const params of [{}, { orgId: "org-2" }])
      expect(guard.check(requestOf(userWith(["admin"]), params))).toMatchObject({ kind: "deny" });
  });
});

describe("requireMfa", () => {
  const clock = createManualClock(1_000_000_000);
  const passes = (mfaAt: unknown, more = {}) =>
    requireMfa({ maxAgeMs: 60_000, clock }).check(requestOf(userWith([], { mfaAt: mfaAt as number, ...more }))) === ALLOW;

  test("RBAC-25 a proof counts up to exactly its greatest age, and not from further in the future than clocks differ", () => {
    const now = clock.now();
    expect(passes(now)).toBe(true);
    expect(passes(now - 60_000)).toBe(true);
    expect(passes(now - 60_001)).toBe(false);
    expect(passes(now + 60_000)).toBe(true);
    expect(passes(now + 60_001)).toBe(false);
    for (const mfaAt of [undefined, null, "", String(now), Number.NaN, true, [now], new Date(now)]) expect(passes(mfaAt)).toBe(false);
  });

  test("RBAC-25 a denial carries the RFC 9470 challenge", () => {
    expect(requireMfa({ maxAgeMs: 60_000, clock }).check(requestOf(userWith([])))).toMatchObject({
      problem: { status: 401, code: 1010 },
      headers: [
        [
          "www-authenticate",
          'Bearer error="insufficient_user_authentication", error_description="A second factor is required", max_age=60',
        ],
      ],
    });
    expect(requireMfa().check(requestOf(undefined))).toMatchObject({ problem: { status: 401 } });
  });

  test("RBAC-25 with status 403 the denial is forbidden, with the same challenge; no principal is 401 all the same", () => {
    const guard = requireMfa({ clock, status: 403 });
    expect(guard.check(requestOf(userWith([])))).toMatchObject({
      problem: { status: 403, code: 1102 },
      headers: [["www-authenticate", 'Bearer error="insufficient_user_authentication", error_description="A second factor is required"']],
    });
    expect(guard.check(requestOf(undefined))).toMatchObject({ problem: { status: 401, code: 1001 } });
    expect(guard.check(requestOf(userWith([], { mfaAt: clock.now() })))).toBe(ALLOW);
  });

  test("RBAC-25 the tolerance for clocks is exact, and may be none", () => {
    const strict = requireMfa({ maxAgeMs: 1_000, toleranceMs: 0, clock });
    for (const [mfaAt, passes] of [
      [clock.now(), true],
      [clock.now() + 1, false],
      [clock.now() - 1_000, true],
      [clock.now() - 1_001, false],
    ] as const)
      expect(strict.check(requestOf(userWith([], { mfaAt }))) === ALLOW).toBe(passes);
    // Without an age, any proof that is a time.
    for (const mfaAt of [-Infinity, Infinity, Number.NaN])
      expect(requireMfa({ clock }).check(requestOf(userWith([], { mfaAt })))).not.toBe(ALLOW);
  });

  test("RBAC-26 whoever vouches for an identity does not vouch for its second factor", () => {
    for (const more of [{ via: "gateway" }, { via: "" }, { authMethod: "forwarded" as const }]) {
      expect(requireMfa({ clock }).check(requestOf(userWith(["owner"], { mfaAt: clock.now(), ...more })))).toMatchObject({
        problem: { status: 401, code: 1010 },
      });
    }
    const named = { ...requestOf(userWith(["owner"])), header: () => String(clock.now()), headerCount: () => 1 };
    expect(requireMfa({ clock }).check(named)).toMatchObject({ problem: { code: 1010 } });
  });

  test("programs have no second factor", () => {
    const {
      email: _email,
      sessionId: _sessionId,
      tokenVersion: _tokenVersion,
      mustChangePassword: _must,
      ...base
    } = userWith([], { mfaAt: clock.now() });
    expect(requireMfa({ clock }).check(requestOf({ ...base, type: "service", name: "indexer" }))).toMatchObject({
      problem: { code: 1010 },
    });
  });

  test("RBAC-11 wrong options throw when the guard is made", () => {
    for (const options of [
      { maxAgeMs: 0 },
      { maxAgeMs: Number.NaN },
      { maxAgeMs: "60" },
      { toleranceMs: -1 },
      { toleranceMs: Infinity },
      { maxAge: 5 },
      { status: 402 },
      { status: "403" },
    ]) {
      expect(codeOf(() => requireMfa(options as { maxAgeMs: number }))).toBe("invalid_option");
    }
  });
});

describe("reportDenial", () => {
  test("never throws, whatever the principal is: it only observes", () => {
    const events: RbacEvent[] = [];
    const reporting = defineRbac({
      permissions: standardPermissions,
      roles: standardRoles,
      onEvent: (event) => {
        events.push(event);
        throw new Error("listener");
      },
    });
    const decision = reporting.check(undefined, "workflows.read");
    const trap = new Proxy({}, { get: () => { throw new Error("trap"); } }); // prettier-ignore
    for (const principal of [null, trap, undefined] as unknown as undefined[])
      expect(() => reporting.reportDenial({ decision, guard: "own", principal, correlationId: undefined })).not.toThrow();
    expect(events).toHaveLength(1);
  });
});

describe("secureEndpoint", () => {
  const tracing = (name: string, trace: string[]): Guard => ({
    name,
    check: () => {
      trace.push(name);
      return { kind: "allow", settle: (outcome: Outcome) => void trace.push(`${name} ${outcome.kind}`) };
    },
  });

  test("RBAC-35 asks audit, authentication, second factor, permission, further guards, approval; audit settles last", async () => {
    const trace: string[] = [];
    const endpoint = secureEndpoint(rbac, {
      permission: "workflows.delete",
      audit: ({ action, resourceIdParam }) => tracing(`audit ${action} ${resourceIdParam}`, trace),
      auditAction: "workflow.removed",
      resourceIdParam: "id",
      authenticate: tracing("authenticate", trace),
      mfa: tracing("mfa", trace),
      guards: [tracing("quota", trace)],
      approval: tracing("approval", trace),
    });
    expect(endpoint.parts?.map(({ name }) => name)).toEqual([
      "audit workflow.removed id",
      "authenticate",
      "require-authentication",
      "mfa",
      "require-permission",
      "require-param",
      "quota",
      "approval",
    ]);
    const result = await run([endpoint], requestOf(userWith(["admin"]), { id: "w1" }));
    expect(result.stop).toBeUndefined();
    result.settle?.({ kind: "aborted" });
    expect(trace).toEqual([
      "audit workflow.removed id",
      "authenticate",
      "mfa",
      "quota",
      "approval",
      "approval aborted",
      "quota aborted",
      "mfa aborted",
      "authenticate aborted",
      "audit workflow.removed id aborted",
    ]);
  });

  test("RBAC-35 audit hears of denials, and nobody approves what the caller may not do", async () => {
    const trace: string[] = [];
    const endpoint = secureEndpoint(rbac, {
      permission: "workflows.delete",
      audit: tracing("audit", trace),
      approval: tracing("approval", trace),
    });
    for (const [principal, status] of [
      [undefined, 401],
      [userWith(["viewer"]), 403],
    ] as const) {
      trace.length = 0;
      const result = await run([endpoint], requestOf(principal));
      expect(result.stop).toMatchObject({ kind: "deny", problem: { status } });
      result.settle?.({ kind: "responded", status });
      expect(trace).toEqual(["audit", "audit responded"]);
    }
  });

  test("RBAC-10 a guard that fails denies: 503 for a dead store, 500 for the rest", async () => {
    const failing = (error: Error): Guard => ({ name: "failing", check: () => Promise.reject(error) });
    for (const [error, status] of [
      [new StoreUnavailable("find"), 503],
      [new Error("boom"), 500],
    ] as const) {
      const result = await run(
        [secureEndpoint(rbac, { permission: "workflows.read", authenticate: failing(error) })],
        requestOf(undefined),
      );
      expect(result.stop).toMatchObject({ kind: "deny", problem: { status } });
    }
  });

  test("without a permission any authenticated caller passes; requireAuth false is for everybody", async () => {
    const known = secureEndpoint(rbac, {});
    const open = secureEndpoint(rbac, { requireAuth: false });
    expect((await run([known], requestOf(undefined))).stop).toMatchObject({ problem: { status: 401 } });
    expect((await run([known], requestOf(userWith([])))).stop).toBeUndefined();
    expect((await run([open], requestOf(undefined))).stop).toBeUndefined();
    expect(requireAuthentication().check(requestOf(undefined))).toMatchObject({ problem: { status: 401 } });
  });

  test("mfa as options makes the guard", async () => {
    const clock = createManualClock(5_000);
    const endpoint = secureEndpoint(rbac, { permission: "workflows.read", mfa: { maxAgeMs: 1_000, clock } });
    expect((await run([endpoint], requestOf(userWith(["viewer"])))).stop).toMatchObject({ problem: { code: 1010 } });
    expect((await run([endpoint], requestOf(userWith(["viewer"], { mfaAt: 4_500 })))).stop).toBeUndefined();
  });

  test("RBAC-11 RBAC-35 contradictions throw when the endpoint is defined", () => {
    const guard = requireAuthentication();
    expect(codeOf(() => secureEndpoint(rbac, { requireAuth: false, permission: "workflows.read" }))).toBe("unauthenticated_permission");
    expect(codeOf(() => secureEndpoint(rbac, { requireAuth: false, mfa: {} }))).toBe("unauthenticated_permission");
    expect(codeOf(() => secureEndpoint(rbac, { requireAuth: false, approval: guard }))).toBe("unauthenticated_permission");
    expect(codeOf(() => secureEndpoint(rbac, { permission: "workflows.raed" as "workflows.read" }))).toBe("unknown_permission");
    for (const permission of [
      null,
      5,
      {},
      [],
      { some: [] },
      { any: "workflows.read" },
      { any: ["workflows.read"], all: ["workflows.read"] },
    ])
      for (const audit of [{}, { audit: () => guard }])
        expect(codeOf(() => secureEndpoint(rbac, { permission: permission as unknown as "workflows.read", ...audit }))).toBe(
          "invalid_option",
        );
    expect(codeOf(() => secureEndpoint(rbac, { permission: "workflows.read", audit: guard, auditAction: "read" }))).toBe("invalid_option");
    expect(codeOf(() => secureEndpoint(rbac, { permission: "workflows.read", resourceIdParam: "id" }))).toBe("invalid_option");
    expect(codeOf(() => secureEndpoint(rbac, { audit: () => guard }))).toBe("invalid_option");
    for (const none of [undefined, null, false, {}, () => ALLOW, { check: true }] as unknown as Guard[]) {
      expect(codeOf(() => secureEndpoint(rbac, { guards: [guard, none] }))).toBe("invalid_option");
      expect(codeOf(() => secureEndpoint(rbac, { permission: "workflows.read", audit: () => none }))).toBe("invalid_option");
      if (none === undefined) continue;
      expect(codeOf(() => secureEndpoint(rbac, { authenticate: none }))).toBe("invalid_option");
      expect(codeOf(() => secureEndpoint(rbac, { approval: none }))).toBe("invalid_option");
    }
    expect(codeOf(() => secureEndpoint(rbac, { guards: guard as unknown as Guard[] }))).toBe("invalid_option");
    expect(codeOf(() => secureEndpoint(rbac, { org: () => "org-1" }))).toBe("invalid_option");
    expect(codeOf(() => secureEndpoint(rbac, { permision: "workflows.read" } as object))).toBe("invalid_option");
    expect(codeOf(() => secureEndpoint(rbac, { requireAuth: "no" as unknown as boolean }))).toBe("invalid_option");
  });

  test("the audit action is the permission where nothing else is said", () => {
    const actions: string[] = [];
    const audit = ({ action }: { readonly action: string }) => {
      actions.push(action);
      return requireAuthentication();
    };
    secureEndpoint(rbac, { permission: "workflows.read", audit });
    secureEndpoint(rbac, { permission: { any: ["workflows.read", "users.read"] }, audit });
    secureEndpoint(rbac, { permission: { all: ["workflows.read", "users.read"] }, audit });
    expect(actions).toEqual(["workflows.read", "workflows.read|users.read", "workflows.read+users.read"]);
  });
});

describe("what is told", () => {
  test("RBAC-33 labels are declared permissions, results and guard names; RBAC-7 unknown roles are counted", () => {
    const { metrics, counts } = countingMetrics();
    const measured = defineRbac({
      permissions: { users: ["read"] },
      roles: { viewer: { grants: ["users.read"] } },
      policyVersion: 3,
      metrics,
    });
    measured.check({ roles: ["viewer"] }, "users.read");
    measured.check({ roles: ["stranger", "viewer"] }, "users.read");
    measured.check({ roles: [] }, "users.read");
    measured.check({ roles: ["viewer"] }, "invented-by-user-17" as "users.read");
    void requirePermission(measured, "users.read").check(requestOf(userWith([])));
    void requireRoles(measured, "viewer", { name: "viewers-only" }).check(requestOf(userWith([])));
    expect(Object.fromEntries(counts)).toEqual({
      rbac_policy_version: 3,
      "rbac_permission_checks_total users.read allowed": 2,
      "rbac_permission_checks_total users.read denied": 2,
      "rbac_permission_checks_total unknown denied": 1,
      "rbac_permission_denied_total users.read require-permission": 1,
      "rbac_permission_denied_total none viewers-only": 1,
      rbac_unknown_roles_total: 1,
    });
  });

  test("one check in 1,024 is timed", () => {
    const { metrics, counts } = countingMetrics();
    const measured = defineRbac({ permissions: { users: ["read"] }, roles: { viewer: {} }, metrics, clock: createManualClock() });
    for (let index = 0; index < 2_048; index += 1) measured.check(undefined, "users.read");
    expect(counts.get("rbac_check_seconds")).toBe(2);
  });

  test("a denial is emitted in full, with whom it met and the correlation id", () => {
    const events: RbacEvent[] = [];
    const loud = defineRbac({
      permissions: { users: ["read"] },
      roles: { banned: { grants: ["*"], denies: ["users.*"] } },
      onEvent: (event) => events.push(event),
    });
    const request = requestOf(userWith(["banned"]));
    request.facts.set(correlationIdFact, "correlation-1");
    void requirePermission(loud, "users.read").check(request);
    void requirePermission(loud, "users.read").check(requestOf(undefined));
    expect(events).toEqual([
      {
        kind: "access_denied",
        guard: "require-permission",
        reason: "explicit_deny",
        permission: "users.read",
        role: "banned",
        grant: "users.*",
        policyVersion: 1,
        subjectId: "user-1",
        orgId: "org-1",
        correlationId: "correlation-1",
      },
      expect.objectContaining({ reason: "unauthenticated", subjectId: undefined, correlationId: undefined }),
    ]);
  });

  test("RBAC-24 who vouches for an identity stands in decisions, in the published right and in the event", () => {
    const events: RbacEvent[] = [];
    const loud = defineRbac({
      permissions: { users: ["read", "manage"] },
      roles: { viewer: { grants: ["users.read"] } },
      orgRoles: { owner: { mutates: true, grants: ["users.manage"] } },
      personas: { ceo: {} },
      onEvent: (event) => events.push(event),
    });
    const principal = userWith(["viewer"], { via: "gateway" });
    const request = requestOf(principal);
    expect(requirePermission(loud, "users.read").check(request)).toBe(ALLOW);
    expect(request.facts.get(accessFact)).toMatchObject({ permission: "users.read", role: "viewer", via: "gateway" });
    for (const guard of [
      requirePermission(loud, "users.manage"),
      requireRoles(loud, ["viewer"], { org: () => "org-2" }),
      requireOrgMutation(loud),
      requirePersona(loud, "ceo"),
    ])
      expect(guard.check(requestOf(principal))).toMatchObject({ kind: "deny" });
    expect(events.map((event) => "via" in event && event.via)).toEqual(["gateway", "gateway", "gateway", "gateway"]);

    const identity = { roles: ["viewer"], orgId: "org-1", orgRoles: ["owner"], via: "gateway" };
    expect(loud.check(identity, "users.read")).toMatchObject({ allowed: true, via: "gateway" });
    expect(loud.check(identity, "users.manage")).toMatchObject({ reason: "missing_permission", via: "gateway" });
    expect(loud.check(identity, "users.manage", { org: "org-1" })).toMatchObject({ allowed: true, role: "owner", via: "gateway" });
    expect(loud.check(identity, "users.manage", { org: "org-2" })).toMatchObject({ reason: "wrong_org", via: "gateway" });
    expect(loud.check({ ...identity, scopes: [] }, "users.read")).toMatchObject({ reason: "out_of_scope", via: "gateway" });
    expect(loud.check(identity, "users.delete" as "users.read")).toMatchObject({ reason: "unknown_permission", via: "gateway" });
    expect(loud.check(identity, "*" as "users.read")).toMatchObject({ reason: "invalid_permission", via: "gateway" });
    expect(loud.check({ via: "gateway" } as unknown as Identity, "users.read")).toMatchObject({ reason: "malformed", via: "gateway" });
    expect(loud.prepare("users.read")(identity)).toMatchObject({ via: "gateway" });
    expect(loud.explain(identity, "users.read").decision.via).toBe("gateway");
    for (const decision of [loud.check(identity, "users.read"), loud.check(identity, "users.manage")])
      expect(Object.isFrozen(decision)).toBe(true);
    // Remembered decisions are nobody's: the next one to ask is told of no gateway.
    expect(loud.check({ roles: ["viewer"] }, "users.read").via).toBeUndefined();
    expect(loud.check({ ...identity, via: "other" }, "users.read").via).toBe("other");
  });

  test("RBAC-33 labels of the new guards are their names, whatever the denial says", () => {
    const { metrics, counts } = countingMetrics();
    const measured = defineRbac({
      permissions: { users: ["read"] },
      roles: { a: {}, b: {} },
      orgRoles: { owner: { mutates: true }, lead: { extent: "departments", mutates: true, grants: ["users.read"] } },
      personas: { ceo: { writes: true } },
      constraints: { dynamic: [{ name: "pair", roles: ["a", "b"] }] },
      metrics,
    });
    const lead = userWith([], { orgRoles: ["lead"], scopedDepartments: ["hr"] });
    const owner = { org: () => "org-1", departmentParam: "department" };
    for (const department of ["eng", "..%2f", ""]) {
      void requireOrgMutation(measured, { departmentParam: "department" }).check(requestOf(lead, { department }));
      void requirePermission(measured, "users.read", owner).check(requestOf(lead, { department }));
    }
    void requireWriteAccess(measured).check(requestOf(lead));
    void requirePermission(measured, "users.read").check(requestOf(userWith(["a", "b"])));
    counts.delete("rbac_policy_version");
    expect(Object.fromEntries(counts)).toEqual({
      "rbac_permission_checks_total users.read denied": 4,
      "rbac_permission_denied_total users.read require-permission": 4,
      "rbac_permission_denied_total none require-org-mutation": 3,
      "rbac_permission_denied_total none require-write-access": 1,
    });
  });

  test("RBAC-34 redactDenials silences the new reasons too", () => {
    const silent = defineRbac({
      permissions: { users: ["read"] },
      roles: { a: {}, b: {} },
      orgRoles: { lead: { extent: "departments", mutates: true, grants: ["*"] } },
      personas: { ceo: { writes: true } },
      constraints: { static: [{ name: "pair", roles: ["a", "b"] }] },
      redactDenials: true,
    });
    const lead = userWith([], { orgRoles: ["lead"] });
    for (const [guard, principal] of [
      [requireOrgMutation(silent, { departmentParam: "department" }), lead],
      [requirePermission(silent, "users.read", { org: () => "org-1", departmentParam: "department" }), lead],
      [requirePersona(silent, "ceo"), lead],
      [requirePermission(silent, "users.read"), userWith(["a", "b"])],
      [requireRoles(silent, "a"), userWith(["a", "b"])],
    ] as const) {
      const verdict = guard.check(requestOf(principal));
      expect(verdict).toMatchObject({ problem: { status: 403, code: 1101 } });
      expect(JSON.stringify(verdict)).not.toMatch(/reason|missing|users|persona|scope|separation/);
    }
  });

  test("observers that throw change no decision", () => {
    const fail = (): never => {
      throw new Error("observer");
    };
    const metrics: Metrics = { counter: () => ({ add: fail }), gauge: () => ({ set: fail }), histogram: () => ({ observe: fail }) };
    const observed = defineRbac({ permissions: { users: ["read"] }, roles: { viewer: { grants: ["*"] } }, metrics, onEvent: fail });
    expect(observed.check({ roles: ["viewer", "stranger"] }, "users.read").allowed).toBe(true);
    expect(requirePermission(observed, "users.read").check(requestOf(userWith([])))).toMatchObject({ problem: { status: 403 } });
    expect(observed.replaceRoles({})).toBe(2);
  });
});

describe("RBAC-2 a polluted Object.prototype", () => {
  const roles = { ...standardRoles, none: {} };
  const all = defineRbac({
    permissions: standardPermissions,
    roles,
    orgRoles: { lead: { extent: "departments", mutates: true, grants: ["users.manage"] } },
    personas: { ceo: { writes: true }, observer: {} },
  });
  const audit: Guard = { name: "audit", check: () => ALLOW };
  const make = (): readonly Guard[] => [
    requirePermission(all, "users.manage"),
    requirePermission(all, { all: ["users.manage"] }),
    requirePermission(all, "users.manage", { org: (request) => request.param("org") }),
    requireOrgMutation(all),
    requireOrgMutation(all, { departmentParam: "department" }),
    requireRoles(all, "admin"),
    requirePersona(all, "ceo"),
    requireMfa(),
    secureEndpoint(all, { permission: { all: ["users.manage"] }, persona: "by_action" }),
    adminSecureEndpoint(all, { permission: "users.manage", audit }),
  ];
  const before = make();
  const bare = (more: object): Identity => ({ type: "user", id: "user-1", roles: ["none"], orgId: "org-1", ...more }) as Identity;
  const askers = [
    undefined,
    bare({}),
    bare({ mfaAt: 5, personas: ["ceo"], orgRoles: ["lead"], scopedDepartments: ["eng"] }),
    bare({ roles: ["owner"], mfaAt: 1, personas: ["observer"] }),
    bare({ orgRoles: ["lead"] }),
    { id: "user-1", roles: [], orgRoles: ["lead"], scopedDepartments: ["eng"] } as Identity,
  ];
  const ask = (guards: readonly Guard[]) =>
    guards.flatMap((guard) =>
      askers.flatMap((asker) =>
        [{}, { org: "org-1", department: "eng" }].map((params) => {
          const request = requestOf(asker as undefined, params);
          // Read without its own nature: params of a router have no prototype.
          const verdict = guard.check({ ...request, param: (name) => (Object.hasOwn(params, name) ? request.param(name) : undefined) });
          const { kind, problem } = verdict as { readonly kind: string; readonly problem?: { readonly status: number } };
          return [guard.name, JSON.stringify(guard.meta), kind, problem?.status, request.facts.get(checkedScopeFact)?.department].join();
        }),
      ),
    );
  const names = new Set<string>();
  afterEach(() => {
    for (const name of names) delete (Object.prototype as Record<string, unknown>)[name];
  });

  test.each<[string, unknown]>([
    ["roles", ["owner"]],
    ["orgRoles", ["lead"]],
    ["scopedDepartments", ["eng"]],
    ["personas", ["ceo"]],
    ["scopes", []],
    ["type", "apiKey"],
    ["type", "user"],
    ["orgId", "org-1"],
    ["via", "gateway"],
    ["mfaAt", Date.now()],
    ["authMethod", "forwarded"],
    ["org", () => "org-1"],
    ["org", "org-1"],
    ["scope", { department: "eng" }],
    ["department", "eng"],
    ["departmentParam", "department"],
    ["any", ["users.read"]],
    ["all", ["users.read"]],
    ["permission", "users.read"],
    ["audit", { name: "other", check: () => ALLOW }],
    ["adminRoles", ["none"]],
    ["mfa", { name: "other", check: () => ALLOW }],
    ["persona", "read"],
    ["orgMutation", true],
    ["exact", true],
  ])("%s = %j changes neither what guards are made of nor what they answer", (name, value) => {
    const expected = ask(before);
    names.add(name);
    Reflect.defineProperty(Object.prototype, name, { value, configurable: true, enumerable: true, writable: true });
    const [asked, remade] = [ask(before), ask(make())];
    delete (Object.prototype as Record<string, unknown>)[name];
    expect(asked).toEqual(expected);
    expect(remade).toEqual(expected);
  });
});

test("RBAC-14 what comes after authentication can neither change the principal nor put another in its place", async () => {
  const guard = requirePermission(rbac, "workflows.create");
  const request = requestOf(undefined);
  const authenticateAsViewer: Guard = {
    name: "authenticate",
    check({ facts }) {
      facts.set(principalFact, freezePrincipal(userWith(["viewer"])));
      return ALLOW;
    },
  };
  const raises: readonly Guard[] = [
    {
      name: "mutate",
      check({ facts }) {
        (facts.get(principalFact) as unknown as { roles: string[] }).roles.push("owner"); // set by the guard before
        return ALLOW;
      },
    },
    {
      name: "assign",
      check({ facts }) {
        (facts.get(principalFact) as { roles: readonly string[] }).roles = ["owner"];
        return ALLOW;
      },
    },
    {
      name: "publish-again",
      check({ facts }) {
        facts.set(principalFact, userWith(["owner"]));
        return ALLOW;
      },
    },
  ];
  for (const raise of raises)
    expect((await run([authenticateAsViewer, raise, guard], requestOf(undefined))).stop).toMatchObject({ problem: { status: 500 } });
  expect((await run([authenticateAsViewer, guard], request)).stop).toMatchObject({ problem: { status: 403 } });
});
