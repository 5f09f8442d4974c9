import {
  accessFact,
  ALLOW,
  createMemoryStore,
  type Guard,
  type Metrics,
  type Principal,
  principalFact,
  type StoreWith,
  subjectOf,
} from "@portcullis/core";
import {
  createAssignments,
  defineRbac,
  loadAssignments,
  type RbacEvent,
  requireMfa,
  requireOrgMutation,
  requirePermission,
  requireReadAccess,
  requireRoles,
  signIdentity,
  standardOrgRoles,
  standardPermissions,
  standardPersonas,
  standardRoles,
  type TrustedCallerEvent,
  trustIdentityHeaders,
  type TrustIdentityHeadersOptions,
} from "@portcullis/rbac";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, test } from "vitest";
import { run, userWith } from "./request.js";
import { ask, definitionCode, identityLines, type Line, sent, type SentRequest } from "./sent-request.js";

const ROLES = ["viewer", "member"];
const AMBIGUOUS = { status: 400, code: 1011 };
const IGNORED = { problem: undefined, principal: undefined, left: [] };
const SECRET = "0123456789abcdef0123456789abcdef";
const ALIASED: readonly Line[] = [
  ["X_User_ID", "ada"],
  ["X.Org.ID", "acme"],
  ["x-user_roles", "owner"],
];

function byAddress(...addresses: readonly string[]): Guard {
  return trustIdentityHeaders({ callers: [{ id: "gateway", maxRoles: ROLES, addresses }] });
}

function byCertificate(...certificates: readonly string[]): Guard {
  return trustIdentityHeaders({ callers: [{ id: "billing", maxRoles: ROLES, certificates }] });
}

async function isTrusted(guard: Guard, from: Partial<SentRequest>): Promise<boolean> {
  const { problem, principal, left } = await ask(guard, { lines: identityLines(), ...from });
  expect([problem, left]).toEqual([undefined, []]);
  return principal !== undefined;
}

describe("who is believed", () => {
  test("RBAC-20 nobody by default: an empty list trusts none and takes the headers out; who is meant must be said", async () => {
    for (const ip of ["127.0.0.1", "::1", "10.0.0.7"]) expect(await isTrusted(trustIdentityHeaders({ callers: [] }), { ip })).toBe(false);
    expect(definitionCode(() => trustIdentityHeaders({} as TrustIdentityHeadersOptions))).toBe("invalid_option");
    for (const ip of ["127.0.0.1", "::1", "10.0.0.7", "192.168.0.1"]) expect(await isTrusted(byAddress("192.0.2.1"), { ip })).toBe(false);
  });

  test("RBAC-20 a stranger's headers are taken out, whatever their spelling, number and content, and the request goes on without them", async () => {
    const guard = byAddress("10.0.0.0/24");
    const kept: readonly Line[] = [
      ["Host", "api.example"],
      ["X-Request-ID", "r1"],
    ];
    const all: readonly Line[] = [...identityLines(), ...identityLines({ "X-User-Roles": "\xff,,*" }), ...ALIASED, ["x-USER-id", ""]];
    expect(await ask(guard, { ip: "10.0.1.0", lines: [...kept, ...all] })).toEqual({ ...IGNORED, left: ["Host", "X-Request-ID"] });
    for (const line of [...identityLines(), ...ALIASED]) expect(await ask(guard, { ip: "10.0.1.0", lines: [line] })).toEqual(IGNORED);
    expect(await ask(guard, { ip: "10.0.1.0", lines: kept })).toMatchObject({ problem: undefined, left: ["Host", "X-Request-ID"] });
  });

  test("RBAC-20 a stranger's credential counts as if the headers were not there", async () => {
    const principal = userWith(["admin"], { id: "eve", orgId: "evil" });
    const answered = await ask(byAddress("192.0.2.1"), { lines: [...identityLines(), ...ALIASED], principal });
    expect(answered).toEqual({ problem: undefined, principal, left: [] });
  });

  test("RBAC-20 what headers say of addresses and certificates changes nothing, for strangers nor for callers", async () => {
    const claims = (address: string): readonly Line[] => [
      ["X-Forwarded-For", address],
      ["X-Forwarded-For", `${address}, 198.51.100.1`],
      ["Forwarded", `for=${address};proto=https`],
      ["X-Real-IP", address],
      ["CF-Connecting-IP", address],
      ["True-Client-IP", address],
      ["X-Client-Cert", "CN=billing,O=Acme"],
      ["X-Forwarded-Client-Cert", 'Hash=00;Subject="CN=billing,O=Acme";URI=spiffe://acme/billing'],
      ["X-SSL-Client-S-DN", "CN=billing,O=Acme"],
      ["X-SSL-Client-Verify", "SUCCESS"],
    ];
    for (const guard of [byAddress("10.0.0.0/24"), byCertificate("CN=billing,O=Acme", "URI:spiffe://acme/billing")]) {
      const { problem, principal } = await ask(guard, { ip: "198.51.100.1", lines: [...claims("10.0.0.7"), ...identityLines()] });
      expect([problem, principal]).toEqual([undefined, undefined]);
    }
    const { principal } = await ask(byAddress("10.0.0.0/24"), { ip: "10.0.0.7", lines: [...claims("198.51.100.1"), ...identityLines()] });
    expect(principal).toMatchObject({ via: "gateway" });
  });

  test.each([
    ["10.0.0.0/24", ["10.0.0.0", "10.0.0.255", "::ffff:10.0.0.7", "::ffff:a00:7", "::FFFF:10.0.0.255"], ["9.255.255.255", "10.0.1.0"]],
    ["10.0.0.7", ["10.0.0.7", "::ffff:10.0.0.7"], ["10.0.0.6", "10.0.0.8", "::10.0.0.7", "64:ff9b::10.0.0.7", "2002:a00:7::"]],
    ["10.0.0.8/31", ["10.0.0.8", "10.0.0.9"], ["10.0.0.7", "10.0.0.10", "::ffff:10.0.0.10"]],
    ["::ffff:10.0.0.0/120", ["10.0.0.0", "10.0.0.255", "::ffff:10.0.0.1"], ["10.0.1.0", "::ffff:10.0.1.0"]],
    ["2001:db8::/32", ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"], ["2001:db7:ffff::", "2001:db9::", "10.0.0.7"]],
    ["::1", ["::1", "0:0:0:0:0:0:0:1"], ["127.0.0.1", "::2", "::", "::ffff:0.0.0.1"]],
    ["fe80::/64", ["fe80::1", "fe80::1%eth0"], ["fe80:0:0:1::1"]],
    ["10.0.0.0/8", ["10.255.255.255"], ["11.0.0.0"]],
  ])("RBAC-20 the block %s ends at its edges", async (block, inside, outside) => {
    for (const ip of inside) expect([ip, await isTrusted(byAddress(block), { ip })]).toEqual([ip, true]);
    for (const ip of outside) expect([ip, await isTrusted(byAddress(block), { ip })]).toEqual([ip, false]);
  });

  test("RBAC-20 a peer without an address, or with one that cannot be read, is a stranger", async () => {
    for (const ip of [undefined, "", "10.0.0.7:443", "010.0.0.7", "10.0.0.7, 10.0.0.7", "localhost", "0x0a000007"])
      expect([ip, await isTrusted(byAddress("10.0.0.0/8"), { ip })]).toEqual([ip, false]);
  });

  test("RBAC-20 a certificate is known by its whole subject or one of its whole alternative names, and only if it was verified", async () => {
    const guard = byCertificate("CN=billing,O=Acme", "URI:spiffe://acme/billing");
    const shown = { subject: "O=Acme\nCN=billing" };
    const uri = { subject: "", subjectAltName: "DNS:billing.internal, URI:spiffe://acme/billing" };
    expect(await isTrusted(guard, { certificate: shown, ip: "198.51.100.1" })).toBe(true);
    expect(await isTrusted(guard, { certificate: uri, ip: undefined })).toBe(true);
    for (const certificate of [
      {},
      { subject: "" },
      { subject: "CN=billing" },
      { subject: "O=Acme\nCN=billing\nCN=eve" },
      { subject: "O=Acme\nCN=Billing" },
      { subject: "CN=billing\\,O=Acme" },
      { subject: "CN=URI:spiffe://acme/billing" },
      { subject: "CN=eve", subjectAltName: "DNS:spiffe://acme/billing" },
      { subject: "CN=eve", subjectAltName: "URI:spiffe://acme/billing/eve" },
      { subject: "CN=eve", subjectAltName: "CN=billing,O=Acme" },
      // One name that contains the text of a second: CVE-2021-44532.
      { subject: "CN=eve", subjectAltName: 'DNS:"eve.example, URI:spiffe://acme/billing"' },
      { subject: "CN=eve", subjectAltName: 'DNS:"eve' },
    ])
      expect([certificate, await isTrusted(guard, { certificate })]).toEqual([certificate, false]);
    const unverified = sent({ lines: identityLines(), certificate: shown });
    Object.assign(unverified.incoming.socket, { authorized: false });
    expect(await ask(guard, unverified)).toEqual(IGNORED);
  });

  test("RBAC-20 a certificate proves nothing to a caller known by address, and an address nothing to one known by certificate", async () => {
    const certificate = { subject: "O=Acme\nCN=billing" };
    expect(await isTrusted(byAddress("192.0.2.1"), { certificate, ip: "192.0.2.2" })).toBe(false);
    expect(await isTrusted(byCertificate("CN=billing,O=Acme"), { ip: "192.0.2.1" })).toBe(false);
  });

  test("RBAC-20 RBAC-23 of several callers each has its own proof and its own roles; the first that is proven counts", async () => {
    const guard = trustIdentityHeaders({
      callers: [
        { id: "billing", maxRoles: ["viewer"], certificates: ["CN=billing"] },
        { id: "support", maxRoles: ["member"], addresses: ["10.0.0.7"] },
        { id: "office", maxRoles: ["admin"], addresses: ["10.0.0.0/24"] },
      ],
    });
    const lines = identityLines({ "X-User-Roles": "viewer,member,admin,owner" });
    const asked = async (from: Partial<SentRequest>) => {
      const { principal } = await ask(guard, { lines, ...from });
      return [principal?.via, principal?.roles];
    };
    expect(await asked({ ip: "10.0.0.7" })).toEqual(["support", ["member"]]);
    expect(await asked({ ip: "10.0.0.8" })).toEqual(["office", ["admin"]]);
    expect(await asked({ ip: "10.0.0.8", certificate: { subject: "CN=billing" } })).toEqual(["billing", ["viewer"]]);
    expect(await asked({ ip: "10.0.1.0" })).toEqual([undefined, undefined]);
  });

  test("headers a framework's middleware added before are taken out as well", async () => {
    const request = sent({ lines: identityLines(), ip: "198.51.100.1" });
    Object.assign(request.incoming.headers ?? {}, { "x-user-id": "ada" });
    expect(await ask(byAddress("10.0.0.0/24"), request)).toEqual(IGNORED);
    expect(request.incoming.headers).toEqual({});
  });
});

describe("what is believed", () => {
  test("RBAC-23 RBAC-24 RBAC-26 the principal is the user, with the named roles the caller may give, via the caller, and nothing else", async () => {
    const lines = identityLines({ "X-User-Roles": "owner,member,member,admin,viewer,stranger" });
    const { principal } = await ask(byAddress("10.0.0.0/24"), { lines });
    expect(principal).toEqual({
      type: "user",
      id: "ada",
      orgId: "acme",
      workspaceId: undefined,
      roles: ["member", "viewer"],
      orgRoles: [],
      scopes: undefined,
      authMethod: "forwarded",
      via: "gateway",
      email: undefined,
      sessionId: undefined,
      tokenVersion: 0,
      mfaAt: undefined,
      mustChangePassword: false,
    });
    expect(Object.isFrozen(principal)).toBe(true);
    expect(Object.isFrozen(principal?.roles)).toBe(true);
  });

  test("RBAC-23 owner is given only by a caller for which it is listed, and none by one that may give none", async () => {
    const rolesOf = async (maxRoles: readonly string[]) => {
      const guard = trustIdentityHeaders({ callers: [{ id: "gateway", maxRoles, addresses: ["10.0.0.7"] }] });
      return (await ask(guard, { lines: identityLines({ "X-User-Roles": "owner,admin" }) })).principal?.roles;
    };
    expect(await rolesOf(["admin"])).toEqual(["admin"]);
    expect(await rolesOf(["admin", "owner"])).toEqual(["owner", "admin"]);
    expect(await rolesOf(["*"])).toEqual([]);
    expect(await rolesOf([])).toEqual([]);
  });

  test("RBAC-23 the options are copied: a list that grows later gives nobody a role", async () => {
    const maxRoles = ["viewer"];
    const addresses = ["10.0.0.7"];
    const guard = trustIdentityHeaders({ callers: [{ id: "gateway", maxRoles, addresses }] });
    maxRoles.push("owner");
    addresses.push("10.0.0.8");
    const lines = identityLines({ "X-User-Roles": "owner" });
    expect((await ask(guard, { lines })).principal?.roles).toEqual([]);
    expect((await ask(guard, { lines, ip: "10.0.0.8" })).principal).toBeUndefined();
    expect(Object.isFrozen(guard)).toBe(true);
  });

  test("RBAC-23 a credential beside the headers: the same user keeps the credential's principal, anybody else is refused", async () => {
    const guard = byAddress("10.0.0.0/24");
    const user = userWith(["viewer"], { id: "ada", orgId: "acme", mfaAt: 5 });
    const { tokenVersion: _v, sessionId: _s, email: _e, mfaAt: _m, mustChangePassword: _c, ...base } = user;
    const key: Principal = { ...base, type: "apiKey", id: "key-1", keyId: "key-1", ownerId: "ada", authMethod: "apiKey" };
    for (const principal of [user, key]) {
      expect(subjectOf(principal)).toBe("ada");
      const same = await ask(guard, { lines: identityLines({ "X-User-Roles": "member" }), principal });
      expect(same).toEqual({ problem: undefined, principal, left: [] });
      for (const other of [
        { "X-User-ID": "bob" },
        { "X-User-ID": "Ada" },
        { "X-User-ID": "key-1" },
        { "X-Org-ID": "evil" },
        { "X-Org-ID": undefined },
      ]) {
        const { problem, left } = await ask(guard, { lines: identityLines(other), principal });
        expect([other, problem, left]).toEqual([other, AMBIGUOUS, []]);
      }
      const { problem } = await ask(guard, { lines: [...identityLines(), ["X-User-ID", "ada"]], principal });
      expect(problem).toEqual(AMBIGUOUS);
    }
    const orgless = userWith([], { id: "ada", orgId: undefined });
    expect((await ask(guard, { lines: identityLines(), principal: orgless })).problem).toEqual(AMBIGUOUS);
    expect((await ask(guard, { lines: identityLines({ "X-Org-ID": undefined }), principal: orgless })).principal).toBe(orgless);
  });

  test("RBAC-23 roles from a store widen nothing that a caller may give, and no organisation role or persona comes with them", async () => {
    const rbac = defineRbac({
      permissions: standardPermissions,
      roles: standardRoles,
      orgRoles: standardOrgRoles,
      personas: standardPersonas,
    });
    const assignments = createAssignments(rbac, { store: createMemoryStore() });
    const ada = { subjectId: "ada", orgId: "acme" };
    for (const held of [{ role: "owner" }, { role: "member" }, { orgRole: "owner" }, { persona: "ceo" }] as const)
      expect(await assignments.assign("program", ada, held)).toMatchObject({ allowed: true });
    const loaded = [byAddress("10.0.0.0/24"), loadAssignments(assignments)];
    const through = async (guard: Guard) =>
      (await run([...loaded, guard], sent({ lines: identityLines({ "X-User-Roles": "owner,member" }) }))).stop;
    expect(await through(requirePermission(rbac, "workflows.execute"))).toBeUndefined();
    for (const guard of [requirePermission(rbac, "organisation.delete"), requireOrgMutation(rbac), requireReadAccess(rbac)])
      expect(await through(guard)).toMatchObject({ problem: { status: 403 } });
  });
});

describe("what it leads to", () => {
  const rbac = defineRbac({
    permissions: standardPermissions,
    roles: standardRoles,
    orgRoles: standardOrgRoles,
    personas: standardPersonas,
  });
  const trusting = byAddress("10.0.0.0/24");

  test("RBAC-24 the decision, the published right and the event of a denial name the caller", async () => {
    const events: RbacEvent[] = [];
    const watched = defineRbac({ permissions: standardPermissions, roles: standardRoles, onEvent: (event) => events.push(event) });
    const request = sent({ lines: identityLines() });
    const allowed = await run([trusting, requirePermission(watched, "workflows.execute")], request);
    expect(allowed.stop).toBeUndefined();
    expect(request.facts.get(accessFact)).toMatchObject({ permission: "workflows.execute", role: "member", via: "gateway" });

    const principal = request.facts.get(principalFact);
    expect(watched.check(principal, "workflows.execute")).toMatchObject({ allowed: true, via: "gateway" });
    expect(watched.check(principal, "workflows.delete")).toMatchObject({ allowed: false, via: "gateway" });
    // What was remembered for a forwarded identity is not told of one that proved itself, nor the reverse.
    expect(watched.check(userWith(["member"]), "workflows.execute")).toMatchObject({ allowed: true, via: undefined });
    expect(watched.check(principal, "workflows.execute")).toMatchObject({ via: "gateway" });

    await run([trusting, requirePermission(watched, "workflows.delete")], sent({ lines: identityLines() }));
    await run([trusting, requireRoles(watched, "admin")], sent({ lines: identityLines() }));
    const decision = watched.check(principal, "billing.manage");
    watched.reportDenial({ decision, guard: "own", principal, correlationId: undefined });
    expect(events).toMatchObject([
      { kind: "access_denied", guard: "require-permission", subjectId: "ada", orgId: "acme", via: "gateway" },
      { kind: "access_denied", guard: "require-roles", subjectId: "ada", orgId: "acme", via: "gateway" },
      { kind: "access_denied", guard: "own", permission: "billing.manage", subjectId: "ada", via: "gateway" },
    ]);
  });

  test("RBAC-26 a second factor, a persona and an organisation role cannot be asserted by headers", async () => {
    const claims: readonly Line[] = [
      ["X-User-MFA", "true"],
      ["X-MFA-At", String(Date.now())],
      ["X-User-Personas", "ceo"],
      ["X-Org-Roles", "owner"],
    ];
    const through = async (guard: Guard) => (await run([trusting, guard], sent({ lines: [...identityLines(), ...claims] }))).stop;
    expect(await through(requireMfa())).toMatchObject({
      kind: "deny",
      problem: { status: 401, code: 1010 },
    });
    expect(await through(requireMfa({ status: 403 }))).toMatchObject({ problem: { status: 403, code: 1102 } });
    expect(await through(requireReadAccess(rbac))).toMatchObject({ problem: { status: 403 } });
    expect(await through(requireOrgMutation(rbac))).toMatchObject({ problem: { status: 403 } });
    // Nor does a principal that says otherwise count, where somebody else vouches for it.
    const forged = userWith([], { via: "gateway", mfaAt: Date.now() });
    expect((await run([requireMfa()], sent({ principal: forged }))).stop).toMatchObject({ problem: { code: 1010 } });
  });
});

describe("what is told", () => {
  function observed(more: Partial<TrustIdentityHeadersOptions> = {}) {
    const events: TrustedCallerEvent[] = [];
    const series: string[] = [];
    const names: string[][] = [];
    const metrics: Metrics = {
      counter: ({ name, labelNames = [] }) => {
        names.push([name, ...labelNames]);
        return { add: (labels = {}) => void series.push(`${labels.caller} ${labels.result}`) };
      },
      gauge: () => ({ set: () => {} }),
      histogram: () => ({ observe: () => {} }),
    };
    const guard = trustIdentityHeaders({
      callers: [
        { id: "gateway", maxRoles: ROLES, addresses: ["10.0.0.0/24"] },
        { id: "jobs", maxRoles: ROLES, secrets: [SECRET] },
      ],
      store: createMemoryStore(),
      audience: "api",
      metrics,
      onEvent: (event) => void events.push(event),
      ...more,
    });
    return { guard, events, series, names };
  }

  test("RBAC-33 each request with identity headers is told once: what became of it, whose it proved to be, from where", async () => {
    const clock = createManualClock();
    const { guard, events, series, names } = observed({ clock });
    const sign = () =>
      signIdentity({
        callerId: "jobs",
        secret: SECRET,
        audience: "api",
        method: "GET",
        target: "/",
        userId: "ada",
        orgId: "acme",
        roles: ["member"],
        clock,
      });
    const stranger = { ip: "198.51.100.1" };
    const signed = Object.entries(sign());
    const stale = Object.entries(sign());
    await ask(guard, { lines: [] });
    await ask(guard, { lines: identityLines() });
    await ask(guard, { lines: identityLines(), principal: userWith([], { id: "ada", orgId: "acme" }) });
    await ask(guard, { lines: identityLines(), ...stranger });
    await ask(guard, { lines: identityLines({ "X-User-ID": "" }) });
    await ask(guard, { lines: identityLines(), principal: userWith([], { id: "bob", orgId: "acme" }) });
    await ask(guard, { lines: [...identityLines(), ["Signature", "made-up-by-user-17"]], ...stranger });
    await ask(guard, { lines: signed, ...stranger });
    await ask(guard, { lines: signed, ...stranger });
    clock.advance(60_001);
    await ask(guard, { lines: stale, ...stranger });
    expect(events).toEqual([
      { kind: "identity_accepted", reason: "accepted", callerId: "gateway", ip: "10.0.0.7" },
      { kind: "identity_ignored", reason: "credential_wins", callerId: "gateway", ip: "10.0.0.7" },
      { kind: "identity_ignored", reason: "untrusted", callerId: undefined, ip: "198.51.100.1" },
      { kind: "identity_refused", reason: "ambiguous", callerId: "gateway", ip: "10.0.0.7" },
      { kind: "identity_refused", reason: "mismatch", callerId: "gateway", ip: "10.0.0.7" },
      { kind: "identity_refused", reason: "bad_signature", callerId: undefined, ip: "198.51.100.1" },
      { kind: "identity_accepted", reason: "accepted", callerId: "jobs", ip: "198.51.100.1" },
      { kind: "identity_refused", reason: "replayed_signature", callerId: undefined, ip: "198.51.100.1" },
      { kind: "identity_refused", reason: "stale_signature", callerId: undefined, ip: "198.51.100.1" },
    ]);
    expect(events.every((event) => Object.isFrozen(event))).toBe(true);
    expect(names).toEqual([["rbac_forwarded_identities_total", "caller", "result"]]);
    expect(series).toEqual(events.map(({ callerId, reason }) => `${callerId ?? "unknown"} ${reason}`));
  });

  test("RBAC-33 nothing that a stranger sends becomes a label or part of an event", async () => {
    const { guard, events, series } = observed();
    const mark = "made-up-17";
    for (const lines of [
      identityLines({ "X-User-ID": mark, "X-Org-ID": mark, "X-User-Roles": mark }),
      [...identityLines(), ["Signature-Input", `sig=("@method");created=1;keyid="${mark}";nonce="${mark}-${mark}";tag="${mark}"`] as const],
      [...identityLines(), ["X_User_ID", mark] as const],
    ])
      for (const ip of ["10.0.0.7", "198.51.100.1"]) await ask(guard, { lines, ip, target: `/${mark}` });
    expect(events).toHaveLength(6);
    expect(JSON.stringify([events, series])).not.toContain(mark);
    expect(new Set(series.map((labels) => labels.split(" ")[0]))).toEqual(new Set(["gateway", "unknown"]));
  });

  test("observers that throw or reject change no decision", async () => {
    const broken = { add: () => { throw new Error("metrics"); } }; // prettier-ignore
    const metrics: Metrics = { counter: () => broken, gauge: () => ({ set() {} }), histogram: () => ({ observe() {} }) };
    const fail = (): never => {
      throw new Error("listener");
    };
    const rejected: unknown = Promise.reject(new Error("late"));
    for (const onEvent of [fail, () => rejected as void]) {
      expect((await ask(observed({ metrics, onEvent }).guard, { lines: identityLines() })).principal).toMatchObject({ id: "ada" });
      expect(await ask(observed({ onEvent }).guard, { lines: identityLines(), ip: "198.51.100.1" })).toEqual(IGNORED);
    }
    const { guard, events } = observed({ metrics });
    await ask(guard, { lines: identityLines() });
    expect(events).toHaveLength(1);
  });

  test("tools see that a route takes forwarded identities", () => {
    expect(trusting()).toEqual({ name: "trust-identity-headers", meta: { identityHeaders: true } });
    function trusting(): unknown {
      const { name, meta } = byAddress("10.0.0.7");
      return { name, meta };
    }
    expect(byAddress("10.0.0.7").check(sent({}))).toBe(ALLOW);
  });
});

describe("definition", () => {
  const caller = { id: "gateway", maxRoles: ROLES, addresses: ["10.0.0.7"] };
  const signing = { id: "jobs", maxRoles: ROLES, secrets: [SECRET] };
  const store = createMemoryStore();
  const wrong: readonly (readonly [what: string, options: object])[] = [
    ["no callers", { callers: undefined }],
    ["callers that are no list", { callers: caller }],
    ["a caller that is null", { callers: [null] }],
    ["a caller that is text", { callers: ["gateway"] }],
    ["an option nobody reads", { callers: [caller], trustAll: true }],
    ["a caller with an option nobody reads", { callers: [{ ...caller, address: "10.0.0.8" }] }],
    ...["", "Gateway", "a b", "a:b", "-a", "__proto__", "a".repeat(65), "gäteway", "a\n", 5, undefined].map(
      (id) => [`the id ${JSON.stringify(id)}`, { callers: [{ ...caller, id }] }] as const,
    ),
    ["an id twice", { callers: [caller, { ...caller, addresses: ["10.0.0.8"] }] }],
    ["no maxRoles", { callers: [{ id: "gateway", addresses: ["10.0.0.7"] }] }],
    ["maxRoles that are text", { callers: [{ ...caller, maxRoles: "owner" }] }],
    ["maxRoles with a number", { callers: [{ ...caller, maxRoles: [5] }] }],
    ["no proof", { callers: [{ id: "gateway", maxRoles: ROLES }] }],
    ["two proofs", { callers: [{ ...caller, certificates: ["CN=billing"] }] }],
    ["two proofs, one of them empty", { callers: [{ ...caller, certificates: [] }] }],
    ["no address", { callers: [{ ...caller, addresses: [] }] }],
    ["addresses that are text", { callers: [{ ...caller, addresses: "10.0.0.7" }] }],
    ...["0.0.0.0/0", "::/0", "10.0.0.0/7", "::ffff:0.0.0.0/96", "::ffff:10.0.0.0/103", "2000::/15", "::/15"].map(
      (block) => [`the block ${block}: strangers are in it`, { callers: [{ ...caller, addresses: ["10.0.0.7", block] }] }] as const,
    ),
    ...[
      "",
      " ",
      "localhost",
      "*",
      "10.0.0",
      "10.0.0.256",
      "10.0.0.7/33",
      "10.0.0.7/",
      "010.0.0.7",
      "fe80::1%eth0",
      "10.0.0.7:80",
      "2001:db8::/129",
    ].map((address) => [`the address ${JSON.stringify(address)}`, { callers: [{ ...caller, addresses: [address] }] }] as const),
    ["no certificate", { callers: [{ id: "billing", maxRoles: ROLES, certificates: [] }] }],
    ["an empty certificate, which every nameless one would match", { callers: [{ id: "billing", maxRoles: ROLES, certificates: [""] }] }],
    ["no secret", { callers: [{ ...signing, secrets: [] }], store, audience: "api" }],
    ["a secret of 31 bytes", { callers: [{ ...signing, secrets: [SECRET, SECRET.slice(1)] }], store, audience: "api" }],
    ["secrets without a store", { callers: [signing], audience: "api" }],
    ["secrets with a store that has no tickets", { callers: [signing], audience: "api", store: { counters: store.counters } }],
    ["secrets without an audience", { callers: [signing], store }],
    ...["", 'a"b', "a\\b", "a b", "ä", "a".repeat(129), "a\n", 5].map(
      (audience) => [`the audience ${JSON.stringify(audience)}`, { callers: [signing], store, audience }] as const,
    ),
    ...[999, 600_001, 1500.5, Number.NaN, Infinity, "60000", null].map(
      (toleranceMs) => [`the tolerance ${toleranceMs}`, { callers: [caller], toleranceMs }] as const,
    ),
    ["aliases that are accepted", { callers: [caller], aliases: "accept" }],
    ["aliases that are true", { callers: [caller], aliases: true }],
  ];

  test.each(wrong)("RBAC-11 RBAC-20 throws when it is defined: %s", (_what, options) => {
    expect(definitionCode(() => trustIdentityHeaders(options as TrustIdentityHeadersOptions))).toBe("invalid_option");
  });

  test("a definition's error shows no secret", () => {
    const secret = "short-but-secret";
    const define = () => trustIdentityHeaders({ callers: [{ ...signing, secrets: [secret] }], store, audience: "api" });
    expect(define).toThrow("at least 32 bytes");
    expect(define).not.toThrow(secret);
  });

  test("what is at the edge is accepted", () => {
    const tickets: StoreWith<"tickets"> = { tickets: store.tickets };
    for (const options of [
      { callers: [{ ...caller, addresses: ["10.0.0.0/8", "2001::/16", " 10.0.0.7 ", "::ffff:10.0.0.0/104"] }] },
      { callers: [{ ...caller, id: "a".repeat(64), maxRoles: [] }], toleranceMs: 1000 },
      { callers: [caller, signing], store: tickets, audience: "a".repeat(128), toleranceMs: 600_000 },
      { callers: [{ ...signing, secrets: ["ä".repeat(16)] }], store: tickets, audience: "!#[]~" },
    ])
      expect(trustIdentityHeaders(options).name).toBe("trust-identity-headers");
  });
});
