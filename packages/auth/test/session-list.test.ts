// What people see and end of their sessions.
import { describe, expect, it } from "vitest";
import { codeOf, createFixture, createFixtureWithAda, EMAIL, OLD_SECRET, PASSWORD, valueOf } from "./auth-fixture.js";

const subject = { userId: "ada", role: "member" };
const credentials = { email: EMAIL, password: PASSWORD };

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
