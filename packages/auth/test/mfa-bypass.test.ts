import { type ApiKeyPrincipal, createGuardChain, principalFact, type SystemPrincipal } from "@portcullis/core";
import { authenticate, type AuthEvent, authenticateSystem, requireMfa } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { internalsOf } from "../src/auth-internals.js";
import { asynchronous, codeOf, createFixture, EMAIL, PASSWORD, requestOf, valueOf } from "./auth-fixture.js";
import { createMfaFixture, MFA_KEY } from "./mfa-fixture.js";

const DAY_MS = 86_400_000;
const REASON = "Nightly export to the warehouse, no person involved";

async function createServiceFixture(roles: readonly string[] = ["admin"], options: Parameters<typeof createMfaFixture>[0] = {}) {
  const fixture = await createMfaFixture(options);
  const { auth, mfa } = fixture;
  const service = valueOf(await auth.serviceAccounts.create({ name: "exporter", roles, orgId: "org-1" }));
  const { key, info } = valueOf(await auth.serviceAccounts.createKey(service.id, { name: "nightly" }));
  const grant = (more: object = {}) => mfa.bypass.grant({ serviceId: service.id, reason: REASON, approvedBy: fixture.userId, ...more });
  return { ...fixture, service, key, info, grant };
}

const bypassEvents = (events: readonly AuthEvent[]) => events.filter(({ kind }) => kind.startsWith("mfa_bypass"));

describe("service accounts", () => {
  it("have keys of their own, which an application lets somebody make; they are listed, ended, disabled", async () => {
    const { auth, service, key, info, events } = await createServiceFixture(["member", "reader"]);
    expect(service).toEqual({
      id: service.id,
      name: "exporter",
      roles: ["member", "reader"],
      orgRoles: [],
      orgId: "org-1",
      workspaceId: undefined,
      disabled: false,
    });
    const { serviceAccounts } = auth;
    expect(valueOf(await auth.apiKeys.authenticate(key))).toMatchObject({
      type: "apiKey",
      ownerId: service.id,
      roles: ["member", "reader"],
    });
    const bounded = valueOf(
      await serviceAccounts.createKey(service.id, { name: "less", roles: ["reader"], scopes: ["a.read"], ttlMs: 1000 }),
    );
    expect(valueOf(await auth.apiKeys.authenticate(bounded.key))).toMatchObject({ roles: ["reader"], scopes: ["a.read"] });
    expect(codeOf(await serviceAccounts.createKey(service.id, { name: "more", roles: ["admin"] }))).toBe(2002);
    expect(codeOf(await serviceAccounts.createKey(service.id, { name: " " }))).toBe(2002);
    expect(
      valueOf(await serviceAccounts.listKeys(service.id))
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual([info.id, bounded.info.id].toSorted());
    valueOf(await serviceAccounts.revokeKey(service.id, info.id));
    expect(codeOf(await serviceAccounts.revokeKey(service.id, info.id))).toBe(3001);
    expect(codeOf(await auth.apiKeys.authenticate(key))).toBe(1009);
    valueOf(await serviceAccounts.disable(service.id));
    expect(codeOf(await auth.apiKeys.authenticate(bounded.key))).toBe(1009);
    expect(await serviceAccounts.list()).toMatchObject([{ id: service.id, disabled: true }]);
    expect(codeOf(await serviceAccounts.createKey(service.id, { name: "late" }))).toBe(1101);
    expect(codeOf(await serviceAccounts.create({ name: "", roles: [] }))).toBe(2002);
    expect(events).toContainEqual({ kind: "account_created", userId: service.id, roles: ["member", "reader"] });
    expect(events).toContainEqual({ kind: "api_key_created", userId: service.id, keyId: info.id });
  });

  it("people are none, whatever is asked of them", async () => {
    const { auth, userId } = await createServiceFixture();
    for (const id of [userId, "nobody", ""]) {
      expect(codeOf(await auth.serviceAccounts.createKey(id, { name: "key" }))).toBe(3001);
      expect(codeOf(await auth.serviceAccounts.listKeys(id))).toBe(3001);
      expect(codeOf(await auth.serviceAccounts.revokeKey(id, "x"))).toBe(3001);
      expect(codeOf(await auth.serviceAccounts.disable(id))).toBe(3001);
    }
    expect((await auth.serviceAccounts.list({ limit: 10 })).map(({ id }) => id)).not.toContain(userId);
  });

  it("AUTH-M4 a service has no password login, even where its account has a hash", async () => {
    const { auth, users } = createFixture({ mfa: { keys: MFA_KEY } });
    const passwordHash = valueOf(await auth.hashPassword(PASSWORD));
    const account = await users.create({
      ...{ type: "service", email: EMAIL, name: "odd", passwordHash, mustChangePassword: false },
      ...{ roles: ["admin"], orgRoles: [], orgId: undefined, workspaceId: undefined },
    });
    expect(codeOf(await auth.login({ email: EMAIL, password: PASSWORD }))).toBe(1005);
    // Nor by another way that ends at the same desk.
    if (account === undefined) throw new Error("not made");
    const { signIn, settings } = internalsOf("test", auth);
    const state = await settings.store.subjects.read(account.id);
    expect(codeOf(await signIn.complete(account, state, { amr: ["fed"], mfaAt: 1 }, {}))).toBe(1005);
  });
});

describe("bypasses", () => {
  it("AUTH-M4 a service's key in a role that needs a second factor passes with a bypass in force only, until its instant", async () => {
    const { auth, mfa, key, info, service, grant, clock, events, userId } = await createServiceFixture();
    const refused = await auth.apiKeys.authenticate(key);
    expect(refused).toMatchObject({ problem: { code: 1102, status: 403, detail: expect.stringContaining("bypass") as string } });
    const bypass = valueOf(await grant());
    expect(bypass).toMatchObject({ serviceId: service.id, reason: REASON, approvedBy: userId, expiresAt: clock.now() + 90 * DAY_MS });
    const principal = valueOf(await auth.apiKeys.authenticate(key));
    expect(principal.mfaBypass).toEqual({ id: bypass.id, expiresAt: bypass.expiresAt });
    expect(Object.isFrozen(principal) && Object.isFrozen(principal.mfaBypass)).toBe(true);
    clock.advance(90 * DAY_MS - 1);
    expect(codeOf(await auth.apiKeys.authenticate(key))).toBe("ok");
    clock.advance(1);
    expect([codeOf(await auth.apiKeys.authenticate(key)), codeOf(await auth.apiKeys.authenticate(key))]).toEqual([1102, 1102]);
    const about = { control: "CC5-01", bypassId: bypass.id, serviceId: service.id };
    const decided = { ...about, reason: REASON, approvedBy: userId, expiresAt: bypass.expiresAt };
    expect(bypassEvents(events)).toEqual([
      { kind: "mfa_bypass_granted", ...decided },
      { kind: "mfa_bypass_used", ...about, keyId: info.id },
      { kind: "mfa_bypass_used", ...about, keyId: info.id },
      { kind: "mfa_bypass_expired", ...decided },
    ]);
    expect(await mfa.bypass.list()).toEqual([]);
    expect(codeOf(await grant())).toBe("ok");
  });

  it("AUTH-M4 revoked is over at once; one service has one at a time, of fifty parallel grants too", async () => {
    const { auth, mfa, key, grant, events } = await createServiceFixture();
    const results = await Promise.all(Array.from({ length: 50 }, () => grant()));
    expect(results.filter(({ kind }) => kind === "ok")).toHaveLength(1);
    expect(results.filter((result) => codeOf(result) === 4001)).toHaveLength(49);
    const [bypass] = await mfa.bypass.list();
    expect(codeOf(await auth.apiKeys.authenticate(key))).toBe("ok");
    const revoked = await Promise.all(Array.from({ length: 5 }, () => mfa.bypass.revoke(bypass?.id ?? "")));
    expect(revoked.filter(({ kind }) => kind === "ok")).toHaveLength(1);
    expect(codeOf(await auth.apiKeys.authenticate(key))).toBe(1102);
    expect(bypassEvents(events).map(({ kind }) => kind)).toEqual(["mfa_bypass_granted", "mfa_bypass_used", "mfa_bypass_revoked"]);
    expect(codeOf(await mfa.bypass.revoke("unknown"))).toBe(3001);
  });

  it("AUTH-M4 of many requests that find it over, one tells", async () => {
    const { auth, key, grant, clock, events } = await createServiceFixture();
    valueOf(await grant({ expiresAt: clock.now() + 1 }));
    clock.advance(1);
    await Promise.all(Array.from({ length: 50 }, () => auth.apiKeys.authenticate(key)));
    expect(bypassEvents(events).map(({ kind }) => kind)).toEqual(["mfa_bypass_granted", "mfa_bypass_expired"]);
  });

  it("AUTH-M4 is granted to services only, with a reason, an approver and an end within a year", async () => {
    const { mfa, service, userId, clock, grant } = await createServiceFixture();
    const now = clock.now();
    for (const [more, code] of [
      [{ serviceId: userId, approvedBy: "the board" }, 3001],
      [{ serviceId: "nobody" }, 3001],
      [{ serviceId: "" }, 2002],
      [{ reason: "123456789" }, 2002],
      [{ reason: "         a         " }, 2002],
      [{ reason: "x".repeat(501) }, 2002],
      [{ reason: "a reason with\nanother line" }, 2002],
      [{ reason: undefined }, 2002],
      [{ approvedBy: "" }, 2002],
      [{ approvedBy: service.id }, 2002],
      [{ expiresAt: now }, 2002],
      [{ expiresAt: now + 365 * DAY_MS + 1 }, 2002],
      [{ expiresAt: Number.NaN }, 2002],
      [{ expiresAt: Infinity }, 2002],
      [{ expiresAt: now + 0.5 }, 2002],
    ] as const) {
      expect(codeOf(await grant(more)), JSON.stringify(more)).toBe(code);
    }
    expect(await mfa.bypass.list()).toEqual([]);
    expect(codeOf(await grant({ reason: "x".repeat(10), expiresAt: now + 365 * DAY_MS }))).toBe("ok");
  });

  it("AUTH-M4 a person's key in such a role is denied, with the way out; one without the role is not", async () => {
    const { auth, users, userId, enrolled, tokenOf, events } = await createServiceFixture();
    const { login } = await enrolled();
    const { principal } = await tokenOf(login);
    const strong = valueOf(await auth.apiKeys.create(principal, { name: "strong" }));
    const weak = valueOf(await auth.apiKeys.create(principal, { name: "weak", roles: ["member"] }));
    expect(await auth.apiKeys.authenticate(strong.key)).toMatchObject({
      problem: { code: 1102, detail: expect.stringContaining("service account") as string },
    });
    expect(codeOf(await auth.apiKeys.authenticate(weak.key))).toBe("ok");
    await users.update(userId, { orgRoles: ["owner"] });
    expect(codeOf(await auth.apiKeys.authenticate(weak.key))).toBe(1102);
    expect(bypassEvents(events)).toEqual([]);
  });

  it("AUTH-M4 an account that is a person's by now has no bypass of the service that it was", async () => {
    const { auth, key, grant, service } = await createServiceFixture();
    valueOf(await grant());
    const { store, users } = internalsOf("test", auth).settings;
    const account = await users.byId(service.id);
    if (account === undefined) throw new Error("not made");
    const changed = createFixture({ mfa: { keys: MFA_KEY }, store, users: { ...users, byId: () => ({ ...account, type: "user" }) } });
    expect(codeOf(await changed.auth.apiKeys.authenticate(key))).toBe(1102);
  });

  it("AUTH-M4 requireMfa takes it for the proof, in a chain behind authenticate, on stores near and far", async () => {
    for (const far of [false, true]) {
      const { store, users, clock, key, grant } = await createServiceFixture();
      const { auth } = createFixture({ mfa: { keys: MFA_KEY }, clock, users, store: far ? asynchronous(store) : store });
      const chain = createGuardChain([authenticate(auth, { required: true }), requireMfa({ maxAgeMs: 1, clock })]);
      const run = async () => (await chain.run(requestOf({ "x-api-key": key }))).stop;
      expect(await run()).toMatchObject({ problem: { code: 1102 } });
      valueOf(await grant());
      expect(await run()).toBeUndefined();
    }
  });

  it("AUTH-M4 nobody's access token carries one, not even for the id of a service", async () => {
    const { auth, grant, service } = await createServiceFixture();
    valueOf(await grant());
    const { accessToken } = await auth.createTokenPair({ userId: service.id, role: "admin" });
    const request = requestOf({ authorization: `Bearer ${accessToken}` });
    expect(await authenticate(auth, { required: true }).check(request)).toMatchObject({ problem: { code: 1102 } });
    expect(request.facts.get(principalFact)).toBeUndefined();
  });

  it("AUTH-M4 every name that a system token can be made for can be granted one", async () => {
    const { auth, mfa, userId } = await createMfaFixture();
    for (const service of ["billing/worker", "eu:jobs", "0"]) {
      await auth.createSystemToken({ service, audience: "api", roles: ["admin"] });
      expect(codeOf(await mfa.bypass.grant({ serviceId: `system:${service}`, reason: REASON, approvedBy: userId }))).toBe("ok");
    }
  });

  it("AUTH-M4 a system token in a required role is refused at the endpoint until its service has a bypass, which its principal carries", async () => {
    const { auth, mfa, userId } = await createMfaFixture();
    const call = async (roles: readonly string[]) => {
      const { token } = await auth.createSystemToken({ service: "reports", audience: "api", roles });
      const request = requestOf({ authorization: `Bearer ${token}` });
      const verdict = await authenticateSystem(auth, { audience: "api" }).check(request);
      return { verdict, principal: request.facts.get(principalFact) };
    };
    expect(await call(["admin"])).toMatchObject({ verdict: { kind: "deny", problem: { code: 1102 } }, principal: undefined });
    expect(await call(["reader"])).toMatchObject({ verdict: { kind: "allow" }, principal: { type: "system", id: "system:reports" } });
    const { id } = valueOf(await mfa.bypass.grant({ serviceId: "system:reports", reason: REASON, approvedBy: userId }));
    expect(await call(["admin"])).toMatchObject({ verdict: { kind: "allow" }, principal: { mfaBypass: { id } } });
    valueOf(await mfa.bypass.revoke(id));
    expect((await call(["admin"])).verdict.kind).toBe("deny");
  });

  it("AUTH-M4 services that call with system tokens are granted one by name", async () => {
    const { auth, mfa, userId, events } = await createServiceFixture();
    const { programs } = internalsOf("test", auth);
    if (programs === undefined) throw new Error("made without mfa");
    const base = { orgId: undefined, workspaceId: undefined, orgRoles: [], scopes: undefined, authMethod: "system" } as const;
    const reports: SystemPrincipal = { ...base, type: "system", id: "system:reports", audience: "api", roles: ["admin"] };
    expect(codeOf(await programs(reports, reports.id))).toBe(1102);
    expect(codeOf(await programs({ ...reports, roles: [] }, reports.id))).toBe("ok");
    valueOf(await mfa.bypass.grant({ serviceId: "system:reports", reason: REASON, approvedBy: userId }));
    const bypass = valueOf(await programs(reports, reports.id)).mfaBypass;
    expect(bypass).toBeDefined();
    expect(events.at(-1)).toMatchObject({ kind: "mfa_bypass_used", serviceId: "system:reports", keyId: undefined, control: "CC5-01" });
    expect(codeOf(await programs({ ...reports, id: "system:other" }, "system:other"))).toBe(1102);
    const key = { ...base, type: "apiKey", id: "k", keyId: "k", ownerId: "system:reports", roles: ["admin"] } as unknown as ApiKeyPrincipal;
    expect(codeOf(await programs(key, undefined))).toBe(1102);
  });
});
