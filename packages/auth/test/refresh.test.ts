import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { codeOf, createFixture, createFixtureWithAda, OLD_SECRET, PASSWORD, valueOf } from "./auth-fixture.js";
import { beside, claimsOf, forged, GRACE_MS, login } from "./refresh-scene.js";

describe("refresh", () => {
  it("gives the next pair of the same session, and both old and new access tokens hold", async () => {
    const fixture = await createFixtureWithAda();
    const first = await login(fixture);
    const second = valueOf(await fixture.auth.refresh(first.refreshToken));
    expect(second.sessionId).toBe(first.sessionId);
    for (const { accessToken } of [first, second]) expect(codeOf(await fixture.auth.verifyAccessToken(accessToken))).toBe("ok");
    expect(valueOf(await fixture.auth.refresh(second.refreshToken)).sessionId).toBe(first.sessionId);
    expect(fixture.events.filter(({ kind }) => kind === "token_refreshed")).toHaveLength(2);
  });

  it("AUTH-R1 the store holds hashes of refresh ids, and nothing that refreshes", async () => {
    const fixture = await createFixtureWithAda();
    const first = await login(fixture);
    const second = valueOf(await fixture.auth.refresh(first.refreshToken));
    const session = await fixture.store.sessions.find(first.sessionId);
    expect(session).toMatchObject({ subjectId: fixture.userId, createdAt: fixture.clock.now() });
    for (const hash of [session?.refreshHash, session?.previousHash]) expect(hash).toMatch(/^[\w-]{43}$/);
    const stored = JSON.stringify([session, fixture.events, fixture.counted]);
    for (const { refreshToken } of [first, second]) {
      expect(stored).not.toContain(claimsOf(refreshToken).jti);
      expect(stored).not.toContain(refreshToken.split(".")[2]);
    }
  });

  it("AUTH-R3 within the grace a token is answered with the same successor, byte for byte, and a fresh access token", async () => {
    const fixture = await createFixtureWithAda();
    const first = await login(fixture);
    fixture.clock.advance(1_234);
    const next = valueOf(await fixture.auth.refresh(first.refreshToken));
    expect(claimsOf(next.refreshToken).iat).toBe(Math.floor(fixture.clock.now() / 1000));
    for (const ms of [1, 998, 5_000, GRACE_MS - 6_000]) {
      fixture.clock.advance(ms);
      const again = valueOf(await fixture.auth.refresh(first.refreshToken));
      expect(again.refreshToken).toBe(next.refreshToken);
      expect(again.refreshExpiresAt).toBe(next.refreshExpiresAt);
      expect(claimsOf(again.accessToken).jti).not.toBe(claimsOf(next.accessToken).jti);
      expect(again.issuedAt).toBe(Math.floor(fixture.clock.now() / 1000) * 1000);
      expect(codeOf(await fixture.auth.verifyAccessToken(again.accessToken))).toBe("ok");
    }
    expect(fixture.events.filter(({ kind }) => kind === "token_refreshed")).toHaveLength(1);
    expect(fixture.events.filter(({ kind }) => kind === "refresh_repeated")).toHaveLength(4);
    expect(codeOf(await fixture.auth.refresh(next.refreshToken))).toBe("ok");
  });

  it.each([
    { graceMs: undefined, lastMs: 9_999 },
    { graceMs: 1, lastMs: 0 },
    { graceMs: 60_000, lastMs: 59_999 },
  ])("AUTH-R4 a replay at exactly the grace of $graceMs ms is reuse, one before it is not", async ({ graceMs, lastMs }) => {
    for (const [waitMs, code] of [
      [lastMs, "ok"],
      [lastMs + 1, 1008],
    ] as const) {
      const fixture = await createFixtureWithAda(graceMs === undefined ? {} : { sessions: { refreshGraceMs: graceMs } });
      const { refreshToken } = await login(fixture);
      valueOf(await fixture.auth.refresh(refreshToken));
      fixture.clock.advance(waitMs);
      expect(codeOf(await fixture.auth.refresh(refreshToken))).toBe(code);
    }
  });

  it("AUTH-R4 a replay after the grace is refused, the session and its access tokens die, other sessions live", async () => {
    const fixture = await createFixtureWithAda();
    const stolen = await login(fixture);
    const other = await login(fixture);
    const next = valueOf(await fixture.auth.refresh(stolen.refreshToken));
    fixture.clock.advance(GRACE_MS);
    expect(codeOf(await fixture.auth.refresh(stolen.refreshToken))).toBe(1008);
    expect(codeOf(await fixture.auth.verifyAccessToken(next.accessToken))).toBe(1004);
    expect(codeOf(await fixture.auth.verifyAccessToken(stolen.accessToken))).toBe(1004);
    expect(codeOf(await fixture.auth.refresh(next.refreshToken))).toBe(1004);
    expect(codeOf(await fixture.auth.refresh(stolen.refreshToken))).toBe(1004);
    expect(codeOf(await fixture.auth.verifyAccessToken(other.accessToken))).toBe("ok");
    expect(codeOf(await fixture.auth.refresh(other.refreshToken))).toBe("ok");
    const reused = fixture.events.filter(({ kind }) => kind === "refresh_reused");
    expect(reused).toEqual([{ kind: "refresh_reused", userId: fixture.userId, sessionId: stolen.sessionId }]);
    expect(fixture.counted.filter((counted) => counted === "auth_revocations_total{family}")).toHaveLength(1);
  });

  it("AUTH-R4 a theft is acted upon even while the accounts cannot be read", async () => {
    const fixture = await createFixtureWithAda();
    const stolen = await login(fixture);
    const next = valueOf(await fixture.auth.refresh(stolen.refreshToken));
    fixture.clock.advance(GRACE_MS);
    const users = { ...fixture.users, byId: () => Promise.reject(new Error("no directory")) };
    expect(codeOf(await beside(fixture, { users }).refresh(stolen.refreshToken))).toBe(1008);
    expect(codeOf(await fixture.auth.verifyAccessToken(next.accessToken))).toBe(1004);
  });

  it("AUTH-R4 a replay inside the grace gives a thief nothing of his own: who comes second is found out", async () => {
    const fixture = await createFixtureWithAda();
    const first = await login(fixture);
    const users = valueOf(await fixture.auth.refresh(first.refreshToken));
    const thiefs = valueOf(await fixture.auth.refresh(first.refreshToken));
    expect(thiefs.refreshToken).toBe(users.refreshToken);
    fixture.clock.advance(3_600_000);
    const next = valueOf(await fixture.auth.refresh(thiefs.refreshToken));
    fixture.clock.advance(GRACE_MS);
    expect(codeOf(await fixture.auth.refresh(users.refreshToken))).toBe(1008);
    for (const { accessToken } of [next, users, thiefs]) expect((await fixture.auth.verifyAccessToken(accessToken)).kind).toBe("denied");
  });

  it("AUTH-R5 once the successor was redeemed, its parent and all before are reuse, inside the grace too", async () => {
    const fixture = await createFixtureWithAda();
    for (const generation of [0, 1]) {
      const chain = [await login(fixture)];
      for (let step = 0; step < 3; step += 1) chain.push(valueOf(await fixture.auth.refresh(chain.at(-1)?.refreshToken ?? "")));
      expect(codeOf(await fixture.auth.refresh(chain[generation]?.refreshToken ?? ""))).toBe(1008);
      for (const { refreshToken } of chain) expect(codeOf(await fixture.auth.refresh(refreshToken))).toBe(1004);
    }
  });

  it("AUTH-R11 without a grace every second use closes the session, in the same millisecond too", async () => {
    const fixture = await createFixtureWithAda({ sessions: { refreshGraceMs: 0 } });
    const first = await login(fixture);
    const next = valueOf(await fixture.auth.refresh(first.refreshToken));
    expect(codeOf(await fixture.auth.refresh(first.refreshToken))).toBe(1008);
    expect(codeOf(await fixture.auth.refresh(next.refreshToken))).toBe(1004);
  });

  it.each([-1, 60_001, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "10"])("AUTH-R11 a grace of %s is refused", (refreshGraceMs) => {
    expect(() => createFixture({ sessions: { refreshGraceMs: refreshGraceMs as number } })).toThrow("sessions.refreshGraceMs");
  });

  it("a clock that is set back does not stretch the grace beyond itself, and a step of NTP closes nothing", async () => {
    for (const [jumpMs, code] of [
      [-50, "ok"],
      [1 - GRACE_MS, "ok"],
      [-GRACE_MS, 1008],
      [-3_000_000, 1008],
      [GRACE_MS, 1008],
    ] as const) {
      const fixture = await createFixtureWithAda();
      fixture.clock.advance(3_600_000);
      const { refreshToken } = await login(fixture);
      fixture.clock.advance(3_000_000);
      valueOf(await fixture.auth.refresh(refreshToken));
      fixture.clock.set(fixture.clock.now() + jumpMs);
      expect(codeOf(await fixture.auth.refresh(refreshToken)), String(jumpMs)).toBe(code);
    }
  });

  it("AUTH-R3 the same successor comes from processes whose clocks differ: the store's says when it was made", async () => {
    const fixture = await createFixtureWithAda();
    const [behind, ahead] = [-20_000, 20_000].map((ms) => {
      const clock = createManualClock(fixture.clock.now() + ms);
      return createFixture({ store: fixture.store, users: fixture.users, clock }).auth;
    });
    const { refreshToken } = await login(fixture);
    const answers = [await behind?.refresh(refreshToken), await ahead?.refresh(refreshToken), await fixture.auth.refresh(refreshToken)];
    const pairs = answers.map((answer) => valueOf(answer ?? expect.unreachable()));
    expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1);
    expect(claimsOf(pairs[0]?.refreshToken ?? "").iat).toBe(Math.floor(fixture.clock.now() / 1000));
    expect(codeOf(await fixture.auth.refresh(pairs[0]?.refreshToken ?? ""))).toBe("ok");
  });

  it("AUTH-R6 what the account says now goes into the new tokens, repeated ones included; how it was proven stays", async () => {
    const fixture = await createFixtureWithAda();
    const mfaAt = fixture.clock.now() - 5_000;
    const first = await fixture.auth.createTokenPair({ userId: fixture.userId, role: "admin" }, { amr: ["pwd", "otp"], mfaAt });
    const changes = { roles: ["viewer"], orgRoles: ["clerk"], orgId: "org-2", scopedDepartments: ["legal"], personas: ["buyer"] };
    valueOf(await fixture.auth.refresh(first.refreshToken));
    await fixture.users.update(fixture.userId, { ...changes, mustChangePassword: true });
    fixture.clock.advance(3_000);
    const repeated = valueOf(await fixture.auth.refresh(first.refreshToken));
    const redeemed = valueOf(await fixture.auth.refresh(repeated.refreshToken));
    for (const { accessToken } of [repeated, redeemed]) {
      const { principal, amr } = valueOf(await fixture.auth.verifyAccessToken(accessToken));
      expect(principal).toMatchObject({ ...changes, mustChangePassword: true, mfaAt });
      expect(amr).toEqual(["pwd", "otp"]);
    }
  });

  it("AUTH-R6 a raised claims version ends no session: the next access token has it", async () => {
    const fixture = await createFixtureWithAda();
    const first = await login(fixture);
    await fixture.store.subjects.bump(fixture.userId, "claimsVersion");
    expect(codeOf(await fixture.auth.verifyAccessToken(first.accessToken))).toBe(1003);
    const next = valueOf(await fixture.auth.refresh(first.refreshToken));
    expect(codeOf(await fixture.auth.verifyAccessToken(next.accessToken))).toBe("ok");
  });

  it.each(["next", "repeated"])("AUTH-R6 a disabled, revoked or deleted account, or a changed password, ends it (%s)", async (turn) => {
    const fixture = await createFixtureWithAda();
    const endings: ((userId: string) => Promise<unknown>)[] = [
      async (userId) => fixture.store.subjects.setDisabled(userId, true),
      async (userId) => fixture.store.subjects.bump(userId, "tokenVersion"),
      async (userId) => fixture.store.subjects.bump(userId, "passwordVersion"),
      async (userId) => fixture.store.records.remove("auth-users", userId),
    ];
    for (const [index, end] of endings.entries()) {
      const account = valueOf(
        await fixture.auth.createAccount({ email: `user-${index}@example.com`, password: PASSWORD, roles: ["member"] }),
      );
      const { refreshToken } = await fixture.auth.createTokenPair({ userId: account.id, role: "member" });
      if (turn === "repeated") valueOf(await fixture.auth.refresh(refreshToken));
      await end(account.id);
      expect(codeOf(await fixture.auth.refresh(refreshToken)), String(index)).toBe(1004);
    }
  });

  it("AUTH-R6 AUTH-S6 the sessions of an account that is gone end with the first refresh of one of them", async () => {
    const fixture = await createFixtureWithAda();
    const [one, two] = [await login(fixture), await login(fixture)];
    await fixture.store.records.remove("auth-users", fixture.userId);
    expect(codeOf(await fixture.auth.refresh(one.refreshToken))).toBe(1004);
    for (const { accessToken } of [one, two]) expect(codeOf(await fixture.auth.verifyAccessToken(accessToken))).toBe(1004);
    expect(await fixture.store.sessions.list(fixture.userId)).toEqual([]);
    expect(fixture.events).toContainEqual({ kind: "session_revoked", userId: fixture.userId, sessionId: two.sessionId });
  });

  it("AUTH-R6 a service account is not refreshed: it has API keys", async () => {
    const { auth, users } = createFixture();
    const robot = await users.create({
      type: "service",
      email: "robot@example.com",
      name: undefined,
      passwordHash: undefined,
      mustChangePassword: false,
      roles: [],
      orgRoles: [],
      orgId: undefined,
      workspaceId: undefined,
    });
    const { refreshToken } = await auth.createTokenPair({ userId: robot?.id ?? "", role: [] });
    expect(codeOf(await auth.refresh(refreshToken))).toBe(1004);
  });

  it("AUTH-R7 no chain of refreshes outlives the login's 30 days", async () => {
    const fixture = await createFixtureWithAda({ sessions: { accessTtlMs: 86_400_000 } });
    let pair = await login(fixture);
    const { refreshExpiresAt } = pair;
    for (let day = 0; day < 29; day += 1) {
      fixture.clock.advance(86_400_000);
      pair = valueOf(await fixture.auth.refresh(pair.refreshToken));
      expect(pair.refreshExpiresAt).toBe(refreshExpiresAt);
    }
    fixture.clock.advance(86_400_000 - 1);
    const last = valueOf(await fixture.auth.refresh(pair.refreshToken));
    expect(last.accessExpiresAt).toBe(refreshExpiresAt);
    expect(codeOf(await fixture.auth.verifyAccessToken(last.accessToken))).toBe("ok");
    fixture.clock.advance(1);
    // Not even as a repetition, though the grace has not passed.
    for (const { refreshToken } of [last, pair]) expect(codeOf(await fixture.auth.refresh(refreshToken))).toBe(1002);
    expect((await fixture.auth.verifyAccessToken(last.accessToken)).kind).toBe("denied");
  });

  it("AUTH-R9 two refreshes in the same second are told apart", async () => {
    const fixture = await createFixtureWithAda();
    const first = await login(fixture);
    const second = valueOf(await fixture.auth.refresh(first.refreshToken));
    const third = valueOf(await fixture.auth.refresh(second.refreshToken));
    expect(new Set([first, second, third].map(({ refreshToken }) => refreshToken)).size).toBe(3);
    expect(new Set([first, second, third].map(({ accessToken }) => accessToken)).size).toBe(3);
    expect(codeOf(await fixture.auth.refresh(second.refreshToken))).toBe("ok"); // the parent of the third, inside the grace
    expect(codeOf(await fixture.auth.refresh(first.refreshToken))).toBe(1008);
  });

  it("a token of one session rotates no other, nor does one that names another's subject", async () => {
    const fixture = await createFixtureWithAda();
    const [a, b] = [await login(fixture), await login(fixture)];
    const bob = valueOf(await fixture.auth.createAccount({ email: "bob@example.com", password: PASSWORD, roles: ["member"] }));
    const bobs = await fixture.auth.createTokenPair({ userId: bob.id, role: "member" });
    valueOf(await fixture.auth.refresh(a.refreshToken));
    expect(await fixture.store.sessions.find(b.sessionId)).toMatchObject({ previousHash: undefined });
    expect(codeOf(await fixture.auth.refresh(forged(bobs.refreshToken, { sub: fixture.userId })))).toBe(1004);
    expect(codeOf(await fixture.auth.refresh(forged(bobs.refreshToken, { sid: b.sessionId })))).toBe(1004);
    for (const { refreshToken } of [b, bobs]) expect(codeOf(await fixture.auth.refresh(refreshToken))).toBe("ok");
    // Whoever can sign still has to know an id of the session, and guessing one closes it.
    const guess = forged(b.refreshToken, { jti: "a".repeat(24) });
    expect(codeOf(await fixture.auth.refresh(guess))).toBe(1008);
  });

  it("what is no refresh token is refused, and closes nothing", async () => {
    const fixture = await createFixtureWithAda();
    const pair = await login(fixture);
    const wrong = ["", "a.b.c", "x".repeat(9_000), pair.accessToken, `${pair.refreshToken}x`, forged(pair.refreshToken, {}, OLD_SECRET)];
    for (const token of wrong) expect(codeOf(await fixture.auth.refresh(token))).toBe(1002);
    expect(codeOf(await fixture.auth.refresh(pair.refreshToken))).toBe("ok");
  });
});
