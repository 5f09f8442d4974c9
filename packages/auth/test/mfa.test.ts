import { authenticate, type AuthEvent, requireMfa, requireMfaForRoles } from "@portcullis/auth";
import { ConfigurationError, principalFact, resolvedPrincipalFact } from "@portcullis/core";
import { describe, expect, it } from "vitest";
import { codeOf, createFixture, EMAIL, PASSWORD, PEPPER, requestOf, SECRET, valueOf } from "./auth-fixture.js";
import { codeAt, createMfaFixture, MFA_KEY, wrongCodeAt } from "./mfa-fixture.js";

const kindsOf = (events: readonly AuthEvent[]): string[] => events.map(({ kind }) => kind);
const verdictCode = (verdict: unknown): number | "allow" => {
  const { kind, problem } = verdict as { kind: string; problem?: { code: number } };
  return kind === "allow" ? "allow" : (problem?.code ?? 0);
};

describe("without the option mfa", () => {
  it("nothing changes: an administrator logs in with a password", async () => {
    const { auth } = createFixture();
    valueOf(await auth.createAccount({ email: EMAIL, password: PASSWORD, roles: ["admin"] }));
    const { tokens } = valueOf(await auth.login({ email: EMAIL, password: PASSWORD }));
    expect(auth.mfa).toBeUndefined();
    const guard = authenticate(auth, { required: true });
    expect(verdictCode(await guard.check(requestOf({ authorization: `Bearer ${tokens.accessToken}` })))).toBe("allow");
    expect(() => requireMfaForRoles(auth)).toThrow(ConfigurationError);
  });
});

describe("options", () => {
  it("keys are secrets of their own, and what is wrong is refused where the auth is made", () => {
    for (const keys of [SECRET, PEPPER, "short", "", [], [MFA_KEY, MFA_KEY], [MFA_KEY, SECRET], undefined]) {
      expect(() => createFixture({ mfa: { keys: keys as string } }), String(keys)).toThrow(ConfigurationError);
    }
    for (const wrong of [
      { issuerName: "a:b" },
      { issuerName: "" },
      { issuerName: " a" },
      { issuerName: "a\nb" },
      { issuerName: "x".repeat(65) },
      { requiredRoles: "admin" },
      { requiredRoles: [""] },
      { requiredRoles: [1] },
      { pendingTtlMs: 999 },
      { pendingTtlMs: 900_001 },
      { enrolmentTtlMs: 0 },
      { recentMs: 1.5 },
      { lockout: { threshold: 0 } },
    ]) {
      expect(() => createFixture({ mfa: { keys: MFA_KEY, ...(wrong as object) } }), JSON.stringify(wrong)).toThrow(ConfigurationError);
    }
    expect(() => createFixture({ mfa: null as never })).toThrow(ConfigurationError);
  });
});

describe("logging in", () => {
  it("AUTH-M1 an administrator without a second factor gets only a token for enrolling one", async () => {
    const { auth, mfa, clock, events } = await createMfaFixture();
    const login = await auth.login({ email: EMAIL, password: PASSWORD });
    if (login.kind !== "mfa_required") throw new Error(login.kind);
    expect(login.challenge).toEqual({ token: expect.any(String) as string, expiresAt: clock.now() + 300_000, enrolled: false });
    const { token: pendingToken } = login.challenge;
    expect(codeOf(await mfa.verify({ pendingToken }, "123456"))).toBe(1015);
    const enrolment = valueOf(await mfa.enroll({ pendingToken }));
    expect(enrolment.secret).toMatch(/^[A-Z2-7]{32}$/);
    expect(new Set(enrolment.backupCodes).size).toBe(10);
    for (const code of enrolment.backupCodes) expect(code).toMatch(/^[A-Z2-7]{5}-[A-Z2-7]{5}$/);
    expect(codeOf(await mfa.verify({ pendingToken }, wrongCodeAt(enrolment.secret, clock.now())))).toBe(1014);
    // Nor do backup codes confirm: that the authenticator has the secret is what has to be shown.
    expect(codeOf(await mfa.verify({ pendingToken }, enrolment.backupCodes[0] ?? ""))).toBe(1014);
    const { tokens, account } = valueOf(await mfa.verify({ pendingToken }, codeAt(enrolment.secret, clock.now())));
    expect(account.email).toBe(EMAIL);
    const verified = valueOf(await auth.verifyAccessToken(tokens.accessToken));
    expect(verified).toMatchObject({ amr: ["pwd", "otp", "mfa"], principal: { mfaAt: clock.now(), roles: ["admin", "member"] } });
    expect(kindsOf(events)).toEqual([
      "account_created",
      "mfa_challenged",
      "mfa_enrolment_started",
      "mfa_failed",
      "mfa_failed",
      "logout_all",
      "mfa_enrolled",
      "mfa_verified",
      "login_succeeded",
    ]);
  });

  it("AUTH-M1 AUTH-M3 the pending token opens nothing else, however often and wherever it is shown", async () => {
    const { auth, mfa, pending, clock } = await createMfaFixture();
    const pendingToken = await pending();
    const guard = authenticate(auth, { required: false, mfa: "allow" });
    const bearer = requestOf({ authorization: `Bearer ${pendingToken}` });
    for (let round = 0; round < 3; round += 1) {
      expect(codeOf(await auth.verifyAccessToken(pendingToken))).toBe(1002);
      expect(codeOf(await auth.refresh(pendingToken))).toBe(1002);
      expect(verdictCode(await guard.check(bearer))).toBe(1002);
      expect(bearer.facts.get(principalFact)).toBeUndefined();
    }
    const { secret } = valueOf(await mfa.enroll({ pendingToken }));
    const { tokens } = valueOf(await mfa.verify({ pendingToken }, codeAt(secret, clock.now())));
    // Nor do other kinds stand in for it, and having been exchanged raises it to nothing.
    expect(codeOf(await auth.verifyAccessToken(pendingToken))).toBe(1002);
    for (const other of [tokens.accessToken, tokens.refreshToken, "", "a.b.c", `${pendingToken}x`]) {
      expect(codeOf(await mfa.enroll({ pendingToken: other }))).toBe(1002);
      expect(codeOf(await mfa.verify({ pendingToken: other }, "123456"))).toBe(1002);
    }
  });

  it("an account with a second factor is asked for it whatever its roles; one without, and without need, is not", async () => {
    const { auth, mfa, clock, tokenOf } = await createMfaFixture({}, ["member"]);
    const first = valueOf(await auth.login({ email: EMAIL, password: PASSWORD }));
    const { secret } = valueOf(await mfa.enroll(await tokenOf(first)));
    valueOf(await mfa.verify(await tokenOf(first), codeAt(secret, clock.now())));
    const second = await auth.login({ email: EMAIL, password: PASSWORD });
    expect(second).toMatchObject({ kind: "mfa_required", challenge: { enrolled: true } });
  });

  it("a role within an organisation counts like any other", async () => {
    const { auth } = createFixture({ mfa: { keys: MFA_KEY } });
    valueOf(await auth.createAccount({ email: EMAIL, password: PASSWORD, roles: [], orgRoles: ["owner"], orgId: "org-1" }));
    expect((await auth.login({ email: EMAIL, password: PASSWORD })).kind).toBe("mfa_required");
  });

  it("AUTH-M1 a pending login ends at its instant, once, and with whatever ends the account's tokens", async () => {
    const { auth, mfa, pending, enrolled, clock, userId } = await createMfaFixture();
    const { enrolment } = await enrolled();
    const code = (): string => codeAt(enrolment.secret, clock.now());

    const late = await pending();
    clock.advance(299_999);
    expect(codeOf(await mfa.enroll({ pendingToken: late }))).toBe(1010);
    clock.advance(1);
    expect(codeOf(await mfa.enroll({ pendingToken: late }))).toBe(1002);
    expect(codeOf(await mfa.verify({ pendingToken: late }, code()))).toBe(1002);

    const once = await pending();
    valueOf(await mfa.verify({ pendingToken: once }, code()));
    clock.advance(30_000);
    expect(codeOf(await mfa.verify({ pendingToken: once }, code()))).toBe(1002);

    const revoked = await pending();
    await auth.revokeUser(userId);
    expect(codeOf(await mfa.verify({ pendingToken: revoked }, code()))).toBe(1004);
    const disabled = await pending();
    await auth.setDisabled(userId, true);
    expect(codeOf(await mfa.verify({ pendingToken: disabled }, code()))).toBe(1004);
    await auth.setDisabled(userId, false);

    const changed = await pending();
    const { tokens } = valueOf(await mfa.verify({ pendingToken: await pending() }, code()));
    const token = valueOf(await auth.verifyAccessToken(tokens.accessToken));
    valueOf(await auth.changePassword(token, { currentPassword: PASSWORD, newPassword: "another horse battery" }));
    clock.advance(30_000);
    expect(codeOf(await mfa.verify({ pendingToken: changed }, code()))).toBe(1004);
  });

  it("the session has the account as it is when the code is right, and keeps the proof over refreshes", async () => {
    const { auth, mfa, users, pending, enrolled, clock, userId } = await createMfaFixture();
    const { enrolment } = await enrolled();
    const pendingToken = await pending();
    await users.update(userId, { roles: ["owner"] });
    const provedAt = clock.now();
    const { tokens } = valueOf(await mfa.verify({ pendingToken }, codeAt(enrolment.secret, provedAt)));
    expect(valueOf(await auth.verifyAccessToken(tokens.accessToken)).principal.roles).toEqual(["owner"]);
    clock.advance(1_000_000);
    const next = valueOf(await auth.refresh(tokens.refreshToken));
    expect(valueOf(await auth.verifyAccessToken(next.accessToken))).toMatchObject({
      amr: ["pwd", "otp", "mfa"],
      principal: { mfaAt: provedAt },
    });
  });

  it("a session that a cap refuses leaves the pending login good", async () => {
    const { auth, mfa, pending, enrolled, clock, tokenOf } = await createMfaFixture({ sessions: { max: 1, whenFull: "refuse" } });
    const { enrolment, login } = await enrolled();
    const pendingToken = await pending();
    expect(codeOf(await mfa.verify({ pendingToken }, codeAt(enrolment.secret, clock.now())))).toBe(1109);
    await auth.logout(await tokenOf(login));
    clock.advance(30_000);
    expect(codeOf(await mfa.verify({ pendingToken }, codeAt(enrolment.secret, clock.now())))).toBe("ok");
  });
});

describe("each request", () => {
  it("AUTH-M2 a session without the proof is denied in a role that needs it, however it came to be", async () => {
    const { auth } = await createMfaFixture();
    const guard = authenticate(auth, { required: true });
    for (const role of ["admin", "owner", ["member", "owner"]]) {
      const { accessToken } = await auth.createTokenPair({ userId: "ada", role });
      expect(verdictCode(await guard.check(requestOf({ authorization: `Bearer ${accessToken}` })))).toBe(1102);
    }
    const org = await auth.createTokenPair({ userId: "ada", role: "member", orgRoles: ["admin"] });
    const request = requestOf({ authorization: `Bearer ${org.accessToken}` });
    expect(verdictCode(await guard.check(request))).toBe(1102);
    expect(request.facts.get(principalFact)).toBeUndefined();
    // A guard that lets in who has yet to prove it does not speak for those behind it.
    expect(verdictCode(await authenticate(auth, { required: false, mfa: "allow" }).check(request))).toBe("allow");
    expect(verdictCode(await guard.check(request))).toBe(1102);
    for (const pair of [
      await auth.createTokenPair({ userId: "ada", role: "member" }),
      await auth.createTokenPair({ userId: "ada", role: "admin" }, { mfaAt: 1 }),
    ]) {
      expect(verdictCode(await guard.check(requestOf({ authorization: `Bearer ${pair.accessToken}` })))).toBe("allow");
    }
  });

  it("AUTH-M2 who is made an administrator is denied from the next token on, until the factor is proven", async () => {
    const { auth, mfa, users, clock, userId, tokenOf } = await createMfaFixture({}, ["member"]);
    const login = valueOf(await auth.login({ email: EMAIL, password: PASSWORD }));
    const guard = authenticate(auth, { required: true });
    const check = async (token: string) => verdictCode(await guard.check(requestOf({ authorization: `Bearer ${token}` })));
    expect(await check(login.tokens.accessToken)).toBe("allow");
    await users.update(userId, { roles: ["admin"] });
    const raised = valueOf(await auth.refresh(login.tokens.refreshToken));
    expect(await check(raised.accessToken)).toBe(1102);
    const token = await tokenOf({ ...login, tokens: raised });
    const { secret } = valueOf(await mfa.enroll(token));
    const proved = valueOf(await mfa.verify(token, codeAt(secret, clock.now())));
    expect(await check(proved.tokens.accessToken)).toBe("allow");
  });

  it("AUTH-M2 requireMfaForRoles goes by the roles that a store says they have now", async () => {
    const { auth } = await createMfaFixture();
    const guard = requireMfaForRoles(auth);
    for (const [mfaAt, roles, expected] of [
      [undefined, ["member"], "allow"],
      [undefined, ["admin"], 1102],
      [1_000, ["admin"], "allow"],
    ] as const) {
      const { accessToken } = await auth.createTokenPair({ userId: "ada", role: "member" }, mfaAt === undefined ? {} : { mfaAt });
      const request = requestOf({ authorization: `Bearer ${accessToken}` });
      await authenticate(auth, { required: true }).check(request);
      const principal = request.facts.get(principalFact);
      if (principal === undefined) throw new Error("nobody");
      request.facts.set(resolvedPrincipalFact, { ...principal, roles });
      expect(verdictCode(await guard.check(request))).toBe(expected);
    }
    expect(verdictCode(await guard.check(requestOf()))).toBe("allow");
  });

  it("AUTH-M2 an identity that a trusted caller vouches for has proved nothing", async () => {
    const { auth } = await createMfaFixture();
    const { accessToken } = await auth.createTokenPair({ userId: "ada", role: "admin" }, { mfaAt: 1 });
    const { principal } = valueOf(await auth.verifyAccessToken(accessToken));
    const request = requestOf();
    request.facts.set(principalFact, { ...principal, via: "gateway", authMethod: "forwarded" });
    expect(verdictCode(await authenticate(auth, { required: true }).check(request))).toBe(1102);
    expect(verdictCode(await requireMfa().check(request))).toBe(1010);
  });
});
