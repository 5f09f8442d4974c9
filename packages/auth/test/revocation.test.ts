import { createMemoryStore, StoreUnavailable } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { asynchronous, codeOf, createFixture, createFixtureWithAda, EMAIL, PASSWORD, valueOf, withDeadPort } from "./auth-fixture.js";

const subject = { userId: "ada", role: "member" };

describe("token version", () => {
  it("AUTH-J13 a bump ends every token issued before it, at once, remembered ones too", async () => {
    const { auth, store, counted } = createFixture();
    const before = await auth.createTokenPair(subject);
    expect(codeOf(await auth.verifyAccessToken(before.accessToken))).toBe("ok");
    await store.subjects.bump("ada", "tokenVersion");
    expect(codeOf(await auth.verifyAccessToken(before.accessToken))).toBe(1004);
    const after = await auth.createTokenPair(subject);
    expect(valueOf(await auth.verifyAccessToken(after.accessToken)).principal.tokenVersion).toBe(2);
    expect(counted).toContain("auth_failures_total{token_version}");
  });

  it("AUTH-J13 a version that was never issued is refused and reported", async () => {
    const ahead = createFixture();
    await ahead.store.subjects.bump("ada", "tokenVersion");
    const { accessToken } = await ahead.auth.createTokenPair(subject);
    const restored = createFixture();
    expect(codeOf(await restored.auth.verifyAccessToken(accessToken))).toBe(1002);
    expect(restored.events).toEqual([{ kind: "token_version_ahead", userId: "ada", tokenVersion: 2, currentVersion: 1 }]);
  });

  it("AUTH-J13 parallel logout-alls each add one", async () => {
    for (const store of [createMemoryStore(), asynchronous(createMemoryStore())]) {
      const { auth } = createFixture({ store });
      const results = await Promise.all(Array.from({ length: 100 }, async () => auth.revokeUser("ada")));
      expect(new Set(results.map(({ tokenVersion }) => tokenVersion)).size).toBe(100);
      expect((await store.subjects.read("ada")).tokenVersion).toBe(101);
    }
  });
});

describe("logout", () => {
  it("ends the session and the token; others stay; twice is harmless", async () => {
    const { auth, events } = createFixture();
    const [one, two] = [await auth.createTokenPair(subject), await auth.createTokenPair(subject)];
    const token = valueOf(await auth.verifyAccessToken(one.accessToken));
    await auth.logout(token);
    await auth.logout(token);
    expect(codeOf(await auth.verifyAccessToken(one.accessToken))).toBe(1004);
    expect(codeOf(await auth.refresh(one.refreshToken))).toBe(1004);
    expect(codeOf(await auth.verifyAccessToken(two.accessToken))).toBe("ok");
    expect(events).toContainEqual({ kind: "logout", userId: "ada", sessionId: one.sessionId });
  });

  it("AUTH-J14 the token is on the blacklist until it would have expired, and with it alone it is refused", async () => {
    const { auth, store, clock } = createFixture();
    const { accessToken, accessExpiresAt } = await auth.createTokenPair(subject);
    const token = valueOf(await auth.verifyAccessToken(accessToken));
    expect(await store.tickets.put(`auth:revoked:${token.tokenId}`, "1", 3_600_000)).toBe(true);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe(1004);
    await store.tickets.take(`auth:revoked:${token.tokenId}`);
    await auth.logout(token);
    clock.advance(accessExpiresAt - clock.now());
    expect(await store.tickets.peek(`auth:revoked:${token.tokenId}`)).toBe("1");
    clock.advance(60_000);
    expect(await store.tickets.peek(`auth:revoked:${token.tokenId}`)).toBeUndefined();
  });

  it("AUTH-J14 a blacklist that is full fails the logout and forgets nothing", async () => {
    const clock = createManualClock();
    const { auth } = createFixture({ clock, store: createMemoryStore({ clock, maxTickets: 1 }) });
    const tokens = await Promise.all([auth.createTokenPair(subject), auth.createTokenPair(subject)]);
    const [first, second] = await Promise.all(tokens.map(async ({ accessToken }) => valueOf(await auth.verifyAccessToken(accessToken))));
    if (first === undefined || second === undefined) return expect.unreachable();
    await auth.logout(first);
    await expect(auth.logout(second)).rejects.toThrow(StoreUnavailable);
    expect(codeOf(await auth.verifyAccessToken(tokens[0].accessToken))).toBe(1004);
  });
});

describe("logout-all", () => {
  it("bumps, ends all sessions, blacklists the current token, three times a minute", async () => {
    const { auth, store, clock, events } = createFixture();
    const other = await auth.createTokenPair(subject);
    for (const tokenVersion of [2, 3, 4]) {
      const { accessToken } = await auth.createTokenPair(subject);
      const token = valueOf(await auth.verifyAccessToken(accessToken));
      const result = valueOf(await auth.logoutAll(token));
      expect(result).toEqual({ tokenVersion, sessionsEnded: tokenVersion === 2 ? 2 : 1 });
      expect(await store.tickets.peek(`auth:revoked:${token.tokenId}`)).toBe("1");
      expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe(1004);
    }
    expect(codeOf(await auth.verifyAccessToken(other.accessToken))).toBe(1004);
    const fourth = await auth.createTokenPair(subject);
    const token = valueOf(await auth.verifyAccessToken(fourth.accessToken));
    const refused = await auth.logoutAll(token);
    expect(refused).toMatchObject({ kind: "denied", problem: { code: 5002, retryAfter: 60 } });
    expect(codeOf(await auth.verifyAccessToken(fourth.accessToken))).toBe("ok");
    clock.advance(60_000);
    expect(valueOf(await auth.logoutAll(token)).tokenVersion).toBe(5);
    expect(events.filter(({ kind }) => kind === "logout_all")).toHaveLength(4);
  });
});

describe("a disabled account", () => {
  it("AUTH-S6 loses tokens, sessions, logins and API keys at once; enabling revives no session", async () => {
    const { auth, userId, store } = await createFixtureWithAda();
    const { tokens } = valueOf(await auth.login({ email: EMAIL, password: PASSWORD }));
    const { principal } = valueOf(await auth.verifyAccessToken(tokens.accessToken));
    const { key } = valueOf(await auth.apiKeys.create(principal, { name: "ci" }));
    await auth.setDisabled(userId, true);
    expect(codeOf(await auth.verifyAccessToken(tokens.accessToken))).toBe(1004);
    expect(codeOf(await auth.refresh(tokens.refreshToken))).toBe(1004);
    expect(codeOf(await auth.login({ email: EMAIL, password: PASSWORD }))).toBe(1005);
    expect(codeOf(await auth.apiKeys.authenticate(key))).toBe(1009);
    await auth.setDisabled(userId, false);
    expect(codeOf(await auth.verifyAccessToken(tokens.accessToken))).toBe(1004);
    expect(codeOf(await auth.login({ email: EMAIL, password: PASSWORD }))).toBe("ok");
    expect(codeOf(await auth.apiKeys.authenticate(key))).toBe("ok");
    // Not by the sessions alone: what a login that began before was just opening dies as well.
    expect(await store.subjects.read(userId)).toEqual({ disabled: false, claimsVersion: 1, tokenVersion: 2, passwordVersion: 1 });
  });

  it("the flag alone refuses a token, and disabling leaves no session open", async () => {
    const { auth, store } = createFixture();
    const { accessToken } = await auth.createTokenPair(subject);
    await store.subjects.setDisabled("ada", true);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe(1004);
    await store.subjects.setDisabled("ada", false);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    await auth.setDisabled("ada", true);
    expect(await store.sessions.list("ada")).toEqual([]);
  });
});

describe("sessions", () => {
  it("AUTH-S7 parallel logins never exceed the cap, and an evicted session's access token dies", async () => {
    for (const asynchronously of [false, true]) {
      const memory = createMemoryStore();
      const { auth, events } = createFixture({ sessions: { max: 3 }, store: asynchronously ? asynchronous(memory) : memory });
      const pairs = await Promise.all(Array.from({ length: 20 }, async () => auth.createTokenPair(subject)));
      expect(await memory.sessions.list("ada")).toHaveLength(3);
      const verdicts = await Promise.all(pairs.map(async ({ accessToken }) => codeOf(await auth.verifyAccessToken(accessToken))));
      expect(verdicts.filter((verdict) => verdict === "ok")).toHaveLength(3);
      expect(events.filter(({ kind }) => kind === "session_evicted")).toHaveLength(17);
    }
  });
});

describe("AUTH-G1 a store that does not answer is a fault, never a pass", () => {
  for (const manner of ["throws", "rejects"] as const) {
    it.each(["subjects", "tickets", "sessions"] as const)(`${manner}: %s`, async (port) => {
      const fixture = createFixture();
      const { accessToken } = await fixture.auth.createTokenPair(subject);
      const { auth } = createFixture({ store: withDeadPort(fixture.store, port, manner), clock: fixture.clock });
      await expect(Promise.resolve().then(async () => auth.verifyAccessToken(accessToken))).rejects.toThrow(StoreUnavailable);
      const { auth: remote } = createFixture({ store: withDeadPort(asynchronous(fixture.store), port, manner), clock: fixture.clock });
      await expect(Promise.resolve().then(async () => remote.verifyAccessToken(accessToken))).rejects.toThrow(StoreUnavailable);
    });
    it.each(["counters", "subjects", "sessions"] as const)(`${manner} at login: %s`, async (port) => {
      const fixture = await createFixtureWithAda();
      const { auth } = createFixture({ store: withDeadPort(fixture.store, port, manner), users: fixture.users, clock: fixture.clock });
      await expect(auth.login({ email: EMAIL, password: PASSWORD })).rejects.toThrow(StoreUnavailable);
    });
    it.each(["subjects", "sessions"] as const)(`${manner} at refresh: %s`, async (port) => {
      const fixture = await createFixtureWithAda();
      const { refreshToken } = await fixture.auth.createTokenPair({ userId: fixture.userId, role: "member" });
      const { auth } = createFixture({ store: withDeadPort(fixture.store, port, manner), users: fixture.users, clock: fixture.clock });
      await expect(auth.refresh(refreshToken)).rejects.toThrow(StoreUnavailable);
      expect(codeOf(await fixture.auth.refresh(refreshToken))).toBe("ok");
    });
    it.each(["apiKeys", "subjects"] as const)(`${manner} at an API key: %s`, async (port) => {
      const fixture = await createFixtureWithAda();
      const { accessToken } = await fixture.auth.createTokenPair({ userId: fixture.userId, role: "member" });
      const { principal } = valueOf(await fixture.auth.verifyAccessToken(accessToken));
      const { key } = valueOf(await fixture.auth.apiKeys.create(principal, { name: "ci" }));
      const { auth } = createFixture({ store: withDeadPort(fixture.store, port, manner), users: fixture.users, clock: fixture.clock });
      await expect(auth.apiKeys.authenticate(key)).rejects.toThrow(StoreUnavailable);
    });
  }
  it("logout-all that loses the store half way has ended the tokens already", async () => {
    const fixture = createFixture();
    const { accessToken } = await fixture.auth.createTokenPair(subject);
    const { auth } = createFixture({ store: withDeadPort(fixture.store, "sessions", "rejects") });
    await expect(auth.revokeUser("ada")).rejects.toThrow(StoreUnavailable);
    expect(codeOf(await fixture.auth.verifyAccessToken(accessToken))).toBe(1004);
  });
});
