import { createMemoryStore, type MemoryStore } from "@portcullis/core";
import { AuthError, createUserDirectory } from "@portcullis/auth";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { noteUseAfterMs } from "../src/sessions/session-settings.js";
import { asynchronous, codeOf, createFixture, createFixtureWithAda, EMAIL, PASSWORD, valueOf, wrapPort } from "./auth-fixture.js";

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

  it("of a disabled account takes nobody's place", async () => {
    const { auth, store, events } = createFixture({ sessions: { max: 1 } });
    const { sessionId } = await auth.createTokenPair(subject);
    await store.subjects.setDisabled("ada", true);
    await expect(auth.createTokenPair(subject)).rejects.toMatchObject({ code: "invalid_account" });
    expect((await store.sessions.list("ada")).map(({ id }) => id)).toEqual([sessionId]);
    expect(events).toEqual([]);
  });

  it.each([
    { title: "disabled", end: async (store: MemoryStore, id: string) => store.subjects.setDisabled(id, true), code: 1004 },
    { title: "logged out everywhere", end: async (store: MemoryStore, id: string) => store.subjects.bump(id, "tokenVersion"), code: 1004 },
    {
      title: "given a new password",
      end: async (store: MemoryStore, id: string) => store.subjects.bump(id, "passwordVersion"),
      code: 1004,
    },
    { title: "given more rights", end: async (store: MemoryStore, id: string) => store.subjects.bump(id, "claimsVersion"), code: "ok" },
  ])("is not left behind when the account is $title while it opens: $code", async ({ end, code }) => {
    const fixture = await createFixtureWithAda();
    const { store, users, clock, userId } = fixture;
    const sessions = wrapPort(store.sessions, (method, name) => async (...args) => {
      if (name === "create") await end(store, userId);
      return method(...args);
    });
    const { auth } = createFixture({ store: { ...store, sessions }, users, clock });
    expect(codeOf(await auth.login(credentials))).toBe(code);
    expect(await store.sessions.list(userId)).toHaveLength(code === "ok" ? 1 : 0);
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
