import { createMemoryStore, type MemoryStore } from "@portcullis/core";
import { AuthError, createUserDirectory } from "@portcullis/auth";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { noteUseAfterMs } from "../src/sessions/session-settings.js";
import { asynchronous, codeOf, createFixture, createFixtureWithAda, EMAIL, OLD_SECRET, PASSWORD, valueOf } from "./auth-fixture.js";

const subject = { userId: "ada", role: "member" };
const credentials = { email: EMAIL, password: PASSWORD };
const NEW_PASSWORD = "a new and longer one";

/** The store, asked directly and behind a network. */
function stores(): { memory: MemoryStore; store: MemoryStore; clock: ReturnType<typeof createManualClock> }[] {
  return [false, true].map((isRemote) => {
    const clock = createManualClock();
    const memory = createMemoryStore({ clock });
    return { memory, store: isRemote ? asynchronous(memory) : memory, clock };
  });
}

describe("a new session", () => {
  it("AUTH-S1 every login and every password change has a session and tokens of its own", async () => {
    const { auth } = await createFixtureWithAda();
    const pairs = [];
    for (let login = 0; login < 3; login += 1) pairs.push(valueOf(await auth.login(credentials)).tokens);
    const token = valueOf(await auth.verifyAccessToken(pairs[0]?.accessToken ?? ""));
    const changed = valueOf(await auth.changePassword(token, { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }));
    for (const member of ["sessionId", "accessToken", "refreshToken"] as const)
      expect(new Set([...pairs, changed].map((pair) => pair[member])).size).toBe(4);
    for (const { accessToken, refreshToken } of pairs)
      expect([codeOf(await auth.verifyAccessToken(accessToken)), codeOf(await auth.refresh(refreshToken))]).toEqual([1004, 1004]);
    expect(codeOf(await auth.verifyAccessToken(changed.accessToken))).toBe("ok");
  });

  it("is not opened for an account that is disabled", async () => {
    const { auth, store } = createFixture();
    await auth.setDisabled("ada", true);
    await expect(auth.createTokenPair(subject)).rejects.toMatchObject({ name: "AuthError", code: "invalid_account" });
    expect(await store.sessions.list("ada")).toEqual([]);
  });

  it.each([
    ["disabled", async (auth: ReturnType<typeof createFixture>["auth"], id: string) => auth.setDisabled(id, true)],
    ["given fewer rights", async (auth: ReturnType<typeof createFixture>["auth"], id: string) => auth.revokeUser(id)],
  ] as const)("AUTH-S6 all sessions of an account end when it is %s", async (_how, end) => {
    for (const { store, clock } of stores()) {
      const { auth, userId } = await createFixtureWithAda({ store, clock });
      const pairs = [await auth.createTokenPair({ ...subject, userId }), await auth.createTokenPair({ ...subject, userId })];
      const bystander = await auth.createTokenPair({ ...subject, userId: "bob" });
      await end(auth, userId);
      for (const { accessToken } of pairs) expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe(1004);
      expect(await store.sessions.list(userId)).toEqual([]);
      expect(codeOf(await auth.verifyAccessToken(bystander.accessToken))).toBe("ok");
    }
  });
});

describe("a full account", () => {
  it("AUTH-S7 parallel logins never exceed the cap; who was evicted is told of once, and its tokens are dead", async () => {
    for (const { memory, store, clock } of stores()) {
      const users = createUserDirectory({ store });
      const { auth, events, counted, userId } = await createFixtureWithAda({ sessions: { max: 3 }, store, clock, users });
      const pairs = await Promise.all(Array.from({ length: 20 }, async () => auth.createTokenPair({ ...subject, userId })));
      const open = (await memory.sessions.list(userId)).map(({ id }) => id);
      expect(open).toHaveLength(3);
      for (const { sessionId, accessToken, refreshToken } of pairs) {
        const isOpen = open.includes(sessionId);
        expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe(isOpen ? "ok" : 1004);
        expect(codeOf(await auth.refresh(refreshToken))).toBe(isOpen ? "ok" : 1004);
        const told = events.filter((event) => event.kind === "session_evicted" && event.sessionId === sessionId);
        expect(told).toHaveLength(isOpen ? 0 : 1);
      }
      expect(counted.filter((name) => name === "auth_revocations_total{session}")).toHaveLength(17);
    }
  });

  it("AUTH-S7 the oldest login gives way, however lately it was used, and nobody else's", async () => {
    const { auth, clock, userId } = await createFixtureWithAda({ sessions: { max: 2 } });
    const others = await auth.createTokenPair({ ...subject, userId: "bob" });
    const first = await auth.createTokenPair({ ...subject, userId });
    clock.advance(1);
    const second = await auth.createTokenPair({ ...subject, userId });
    const used = valueOf(await auth.refresh(first.refreshToken));
    await auth.createTokenPair({ ...subject, userId });
    const verdicts = [used, second, others].map(async ({ accessToken }) => codeOf(await auth.verifyAccessToken(accessToken)));
    expect(await Promise.all(verdicts)).toEqual([1004, "ok", "ok"]);
  });

  it("AUTH-S7 refusing: parallel logins never exceed the cap, the first stay, and a refused login leaves nothing behind", async () => {
    for (const { memory, store, clock } of stores()) {
      const fixture = await createFixtureWithAda({
        ...{ sessions: { max: 3, whenFull: "refuse" }, lockout: { threshold: 100 } },
        ...{ store, clock, users: createUserDirectory({ store }) },
      });
      const results = await Promise.all(Array.from({ length: 12 }, async () => fixture.auth.login(credentials)));
      const open = results.filter((result) => result.kind === "ok");
      expect(open).toHaveLength(3);
      for (const result of results) if (result.kind !== "ok") expect(result).toMatchObject({ problem: { code: 1109, status: 403 } });
      expect(await memory.sessions.list(fixture.userId)).toHaveLength(3);
      for (const result of open) {
        expect(codeOf(await fixture.auth.verifyAccessToken(valueOf(result).tokens.accessToken))).toBe("ok");
      }
      expect(fixture.events.filter(({ kind }) => kind === "session_evicted")).toEqual([]);
      expect(fixture.events.filter(({ kind }) => kind === "login_succeeded")).toHaveLength(3);
      expect(fixture.events.filter(({ kind }) => kind === "session_refused")).toHaveLength(9);
      expect(fixture.counted.filter((name) => name === "auth_tokens_issued_total{refresh}")).toHaveLength(3);
    }
  });

  it("AUTH-S7 refusing: a place is free again after a logout, an expiry, an idle end and a password change", async () => {
    const options = { max: 1, whenFull: "refuse", idleMs: 60_000, accessTtlMs: 60_000, refreshTtlMs: 90_000 } as const;
    const fixture = await createFixtureWithAda({ sessions: options });
    const { auth, clock } = fixture;
    const login = async () => valueOf(await auth.login(credentials)).tokens;
    const full = async () => codeOf(await auth.login(credentials));
    const first = await login();
    expect(await full()).toBe(1109);
    await auth.logout(valueOf(await auth.verifyAccessToken(first.accessToken)));
    const second = await login();
    clock.advance(59_999);
    expect(await full()).toBe(1109);
    valueOf(await auth.refresh(second.refreshToken));
    clock.advance(30_000);
    expect(await full()).toBe(1109);
    clock.advance(1); // 90 s after the login, 30,001 ms after the last use
    await login();
    clock.advance(60_000);
    const fourth = await login();
    const token = valueOf(await auth.verifyAccessToken(fourth.accessToken));
    valueOf(await auth.changePassword(token, { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }));
    expect(codeOf(await auth.login({ ...credentials, password: NEW_PASSWORD }))).toBe(1109);
  });

  it("AUTH-S7 refusing: a program that opens sessions is told by an exception", async () => {
    const { auth, store } = createFixture({ sessions: { max: 1, whenFull: "refuse" } });
    await auth.createTokenPair(subject);
    await expect(auth.createTokenPair(subject)).rejects.toThrow(AuthError);
    await expect(auth.createTokenPair(subject)).rejects.toMatchObject({ code: "too_many_sessions" });
    expect(await store.sessions.list("ada")).toHaveLength(1);
  });

  it.each([{ max: -1 }, { max: 1.5 }, { max: 10_001 }, { whenFull: "deny" as never }, { idleMs: 59_999 }, { idleMs: -1 }])(
    "a wrong option is refused: %o",
    (sessions) => {
      expect(() => createFixture({ sessions })).toThrow(`sessions.${Object.keys(sessions).join()}`);
    },
  );
});

describe("time", () => {
  it("AUTH-S9 a session that lies idle is over at exactly its idle time, access token, refresh token, list and all", async () => {
    for (const { store, clock } of stores()) {
      const idleMs = 900_000;
      const { auth } = await createFixtureWithAda({ sessions: { idleMs }, store, clock });
      const userId = "ada";
      const pair = await auth.createTokenPair({ ...subject, userId });
      const token = valueOf(await auth.verifyAccessToken(pair.accessToken));
      clock.advance(idleMs - 1);
      expect(await store.sessions.list(userId)).toHaveLength(1);
      clock.advance(1);
      // Asked of the store without noting a use, so that it is the idle time that ended it.
      expect(await store.sessions.list(userId)).toEqual([]);
      expect(codeOf(await auth.verifyAccessToken(pair.accessToken))).toBe(1004);
      expect(codeOf(await auth.refresh(pair.refreshToken))).toBe(1004);
      expect(await auth.sessions.list(token)).toEqual([]);
      expect(codeOf(await auth.sessions.revoke(token, pair.sessionId))).toBe(3001);
    }
  });

  it("AUTH-S9 refreshing is use, repeating is not, and no use moves the absolute end", async () => {
    const fixture = await createFixtureWithAda({ sessions: { idleMs: 60_000, refreshTtlMs: 150_000, accessTtlMs: 30_000 } });
    const { auth, clock } = fixture;
    const first = valueOf(await auth.login(credentials)).tokens;
    clock.advance(59_999);
    const second = valueOf(await auth.refresh(first.refreshToken));
    clock.advance(9_999);
    expect(valueOf(await auth.refresh(first.refreshToken)).refreshToken).toBe(second.refreshToken);
    clock.advance(50_000);
    const third = valueOf(await auth.refresh(second.refreshToken));
    expect(third.refreshExpiresAt).toBe(first.refreshExpiresAt);
    clock.advance(30_002);
    expect(codeOf(await auth.refresh(third.refreshToken))).toBe(1002);
    const other = valueOf(await auth.login(credentials)).tokens;
    valueOf(await auth.refresh(other.refreshToken));
    clock.advance(60_000);
    expect(codeOf(await auth.refresh(other.refreshToken))).toBe(1004);
  });

  it("AUTH-S9 a use is noted ten times within the idle time, at most each second, at least each minute, and never without one", () => {
    const noted = [0, 60_000, 100_009, 600_000, 900_000, 31_536_000_000].map((idleMs) => noteUseAfterMs({ sessions: { idleMs } }));
    expect(noted).toEqual([undefined, 6_000, 10_000, 60_000, 60_000, 60_000]);
  });
});

describe("the list of sessions", () => {
  async function withTwo(options: Parameters<typeof createFixtureWithAda>[0] = {}) {
    const fixture = await createFixtureWithAda(options);
    const { auth, clock } = fixture;
    const phone = valueOf(await auth.login(credentials, { ip: "203.0.113.7", userAgent: "Phone/1" })).tokens;
    clock.advance(5_000);
    const laptop = await auth.createTokenPair({ ...subject, userId: fixture.userId }, { amr: ["pwd", "otp"] });
    const bobs = await auth.createTokenPair({ ...subject, userId: "bob" });
    const [phoneToken, token, bobsToken] = await Promise.all(
      [phone, laptop, bobs].map(async ({ accessToken }) => valueOf(await auth.verifyAccessToken(accessToken))),
    );
    if (phoneToken === undefined || token === undefined || bobsToken === undefined) throw new Error("three pairs, three tokens");
    return { ...fixture, phone, laptop, bobs, phoneToken, token, bobsToken };
  }

  it("AUTH-S8 shows when, until when and from where, newest first, which one asks, and no hash", async () => {
    const { auth, clock, phone, laptop, token, phoneToken } = await withTwo({ sessions: { idleMs: 3_600_000 } });
    const now = clock.now();
    clock.advance(1_000);
    valueOf(await auth.refresh(phone.refreshToken));
    const whole = 30 * 86_400_000;
    const list = await auth.sessions.list(token);
    expect(list).toEqual([
      {
        ...{ id: laptop.sessionId, createdAt: now, lastUsedAt: now, expiresAt: now + whole, idleEndsAt: now + 3_600_000 },
        ...{ ip: undefined, userAgent: undefined, amr: ["pwd", "otp"], current: true },
      },
      {
        ...{ id: phone.sessionId, createdAt: now - 5_000, lastUsedAt: now + 1_000, expiresAt: now - 5_000 + whole },
        ...{ idleEndsAt: now + 3_601_000, ip: "203.0.113.7", userAgent: "Phone/1", amr: ["pwd"], current: false },
      },
    ]);
    expect((await auth.sessions.list(phoneToken)).map(({ current }) => current)).toEqual([false, true]);
    expect(Object.isFrozen(list) && Object.isFrozen(list[0]) && Object.isFrozen(list[0]?.amr)).toBe(true);
  });

  it("what a stranger's browser calls itself is cut to a bounded length", async () => {
    const { auth } = await createFixtureWithAda();
    const client = { ip: "1".repeat(5_000), userAgent: "x".repeat(5_000) };
    const { tokens } = valueOf(await auth.login(credentials, client));
    const [session] = await auth.sessions.list(valueOf(await auth.verifyAccessToken(tokens.accessToken)));
    expect([session?.ip?.length, session?.userAgent?.length]).toEqual([256, 256]);
  });

  it("AUTH-S8 ends one of the caller's: its tokens die, the others live, and it is told of", async () => {
    const { auth, events, phone, token, userId, laptop } = await withTwo();
    expect(valueOf(await auth.sessions.revoke(token, phone.sessionId))).toEqual({ sessionId: phone.sessionId });
    expect(codeOf(await auth.verifyAccessToken(phone.accessToken))).toBe(1004);
    expect(codeOf(await auth.refresh(phone.refreshToken))).toBe(1004);
    expect(codeOf(await auth.verifyAccessToken(laptop.accessToken))).toBe("ok");
    expect(events.filter(({ kind }) => kind === "session_revoked")).toEqual([
      { kind: "session_revoked", userId, sessionId: phone.sessionId },
    ]);
    // Its own too: then it is logged out.
    valueOf(await auth.sessions.revoke(token, laptop.sessionId));
    expect(codeOf(await auth.verifyAccessToken(laptop.accessToken))).toBe(1004);
  });

  it("AUTH-S8 somebody else's session, one that is over, and one that never was are the same 404, and nothing ends", async () => {
    const { auth, bobs, phone, token, phoneToken } = await withTwo();
    await auth.logout(phoneToken);
    const ids = [bobs.sessionId, phone.sessionId, "a".repeat(24), "", "\u0000", "../x", "x".repeat(5_000)];
    const answers = await Promise.all(ids.map(async (id) => auth.sessions.revoke(token, id)));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(codeOf(answers[0] ?? answers[1] ?? expect.unreachable())).toBe(3001);
    expect(codeOf(await auth.verifyAccessToken(bobs.accessToken))).toBe("ok");
  });

  it("AUTH-S8 ends all others: the one that asks and other people's stay", async () => {
    const { auth, phone, laptop, bobs, token, userId } = await withTwo();
    const third = await auth.createTokenPair({ ...subject, userId });
    expect(await auth.sessions.revokeOthers(token)).toEqual([phone.sessionId, third.sessionId]);
    const verdicts = [phone, third, laptop, bobs].map(async ({ accessToken }) => codeOf(await auth.verifyAccessToken(accessToken)));
    expect(await Promise.all(verdicts)).toEqual([1004, 1004, "ok", "ok"]);
    expect(await auth.sessions.revokeOthers(token)).toEqual([]);
    expect((await auth.sessions.list(token)).map(({ id }) => id)).toEqual([laptop.sessionId]);
  });
});

describe("logout by refresh token", () => {
  it("AUTH-S10 works when the access token has expired, with redeemed and expired refresh tokens, as often as one likes", async () => {
    const fixture = await createFixtureWithAda();
    const { auth, clock, events, store, userId } = fixture;
    const first = valueOf(await auth.login(credentials)).tokens;
    clock.advance(3_600_000);
    expect(codeOf(await auth.verifyAccessToken(first.accessToken))).toBe(1003);
    const second = valueOf(await auth.refresh(first.refreshToken));
    clock.advance(60_000);
    for (const { refreshToken } of [first, second, first])
      expect(valueOf(await auth.logoutByRefresh(refreshToken))).toEqual({ sessionId: first.sessionId });
    for (const { accessToken } of [first, second]) expect((await auth.verifyAccessToken(accessToken)).kind).toBe("denied");
    expect(codeOf(await auth.refresh(second.refreshToken))).toBe(1004);
    expect(events.filter(({ kind }) => kind === "logout")).toEqual([{ kind: "logout", userId, sessionId: first.sessionId }]);
    expect(events.filter(({ kind }) => kind === "refresh_reused")).toEqual([]);
    expect(await store.sessions.list(userId)).toEqual([]);
    clock.advance(30 * 86_400_000);
    expect(codeOf(await auth.logoutByRefresh(second.refreshToken))).toBe("ok");
  });

  it("AUTH-S10 ends that session only, and what is no refresh token of ours ends none", async () => {
    const fixture = await createFixtureWithAda();
    const { auth, clock, store, userId } = fixture;
    const [one, two] = [valueOf(await auth.login(credentials)).tokens, valueOf(await auth.login(credentials)).tokens];
    const stranger = createFixture({ secrets: OLD_SECRET, store, clock }).auth;
    const foreign = await stranger.createTokenPair({ ...subject, userId });
    for (const text of ["", "a.b.c", one.accessToken, `${one.refreshToken}x`, foreign.refreshToken, "x".repeat(9_000)])
      expect(codeOf(await auth.logoutByRefresh(text))).toBe(1002);
    expect(await store.sessions.list(userId)).toHaveLength(3);
    valueOf(await auth.logoutByRefresh(one.refreshToken));
    expect(codeOf(await auth.verifyAccessToken(one.accessToken))).toBe(1004);
    expect(codeOf(await auth.verifyAccessToken(two.accessToken))).toBe("ok");
  });
});
