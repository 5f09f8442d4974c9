import { createMemoryStore } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { asynchronous, codeOf, createFixture, createFixtureWithAda, EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";

async function login(fixture: Awaited<ReturnType<typeof createFixtureWithAda>>) {
  return valueOf(await fixture.auth.login({ email: EMAIL, password: PASSWORD })).tokens;
}

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

  it("AUTH-R1 the store holds a hash of the refresh id, and nothing that refreshes", async () => {
    const fixture = await createFixtureWithAda();
    const { refreshToken, sessionId } = await login(fixture);
    const session = await fixture.store.sessions.find(sessionId);
    const { jti } = JSON.parse(Buffer.from(refreshToken.split(".")[1] ?? "", "base64url").toString()) as { jti: string };
    expect(session?.subjectId).toBe(fixture.userId);
    expect(session?.refreshHash).toMatch(/^[\w-]{43}$/);
    expect(JSON.stringify(session)).not.toContain(jti);
  });

  it("AUTH-R4 a replay is refused, the session and its access tokens die, other sessions live", async () => {
    const fixture = await createFixtureWithAda();
    const stolen = await login(fixture);
    const other = await login(fixture);
    const next = valueOf(await fixture.auth.refresh(stolen.refreshToken));
    expect(codeOf(await fixture.auth.refresh(stolen.refreshToken))).toBe(1008);
    expect(codeOf(await fixture.auth.verifyAccessToken(next.accessToken))).toBe(1004);
    expect(codeOf(await fixture.auth.verifyAccessToken(stolen.accessToken))).toBe(1004);
    expect(codeOf(await fixture.auth.refresh(next.refreshToken))).toBe(1004);
    expect(codeOf(await fixture.auth.verifyAccessToken(other.accessToken))).toBe("ok");
    expect(codeOf(await fixture.auth.refresh(other.refreshToken))).toBe("ok");
    expect(fixture.events).toContainEqual({ kind: "refresh_reused", userId: fixture.userId, sessionId: stolen.sessionId });
    expect(fixture.counted).toContain("auth_revocations_total{family}");
  });

  it("AUTH-R5 the parent of a redeemed successor is a replay", async () => {
    const fixture = await createFixtureWithAda();
    const first = await login(fixture);
    const second = valueOf(await fixture.auth.refresh(first.refreshToken));
    const third = valueOf(await fixture.auth.refresh(second.refreshToken));
    expect(codeOf(await fixture.auth.refresh(first.refreshToken))).toBe(1008);
    expect(codeOf(await fixture.auth.refresh(third.refreshToken))).toBe(1004);
  });

  it.each(["synchronous", "asynchronous"])(
    "AUTH-R2 AUTH-R3 AUTH-R11 of 50 parallel refreshes one is answered and the session dies (%s store)",
    async (manner) => {
      const clock = createManualClock();
      const memory = createMemoryStore({ clock });
      const fixture = await createFixtureWithAda({ store: manner === "synchronous" ? memory : asynchronous(memory) });
      const { refreshToken, sessionId } = await login(fixture);
      const results = await Promise.all(Array.from({ length: 50 }, async () => fixture.auth.refresh(refreshToken)));
      const winners = results.filter(({ kind }) => kind === "ok");
      expect(winners).toHaveLength(1);
      for (const result of results) if (result.kind === "denied") expect([1004, 1008]).toContain(result.problem.code);
      // Strict: nobody can tell the 49 from a thief, so what the winner got is ended as well.
      expect(await memory.sessions.find(sessionId)).toBeUndefined();
      for (const result of winners) expect(codeOf(await fixture.auth.verifyAccessToken(valueOf(result).accessToken))).toBe(1004);
    },
  );

  it("AUTH-R6 what the account says now goes into the new tokens", async () => {
    const fixture = await createFixtureWithAda();
    const first = await login(fixture);
    await fixture.users.update(fixture.userId, { roles: ["viewer"], orgId: "org-2" });
    const second = valueOf(await fixture.auth.refresh(first.refreshToken));
    const { principal } = valueOf(await fixture.auth.verifyAccessToken(second.accessToken));
    expect(principal).toMatchObject({ roles: ["viewer"], orgId: "org-2" });
  });

  it("AUTH-R6 a disabled, revoked or deleted account, or a changed password, ends it", async () => {
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
      await end(account.id);
      expect(codeOf(await fixture.auth.refresh(refreshToken)), String(index)).toBe(1004);
    }
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
    const last = await fixture.auth.refresh(pair.refreshToken);
    if (last.kind === "ok") pair = last.value;
    fixture.clock.advance(1);
    expect(codeOf(await fixture.auth.refresh(pair.refreshToken))).toBe(1002);
    expect((await fixture.auth.verifyAccessToken(pair.accessToken)).kind).toBe("denied");
  });

  it("AUTH-R8 whatever a refresh racing with a logout mints is dead once the logout returned", async () => {
    for (const manner of ["synchronous", "asynchronous"]) {
      const memory = createMemoryStore({ clock: createManualClock() });
      const fixture = await createFixtureWithAda({ store: manner === "synchronous" ? memory : asynchronous(memory) });
      for (let round = 0; round < 10; round += 1) {
        const pair = await fixture.auth.createTokenPair({ userId: fixture.userId, role: "member" });
        const token = valueOf(await fixture.auth.verifyAccessToken(pair.accessToken));
        const delayed = async (): Promise<void> => {
          for (let tick = 0; tick < round; tick += 1) await Promise.resolve();
          await fixture.auth.logout(token);
        };
        const [refreshed] = await Promise.all([fixture.auth.refresh(pair.refreshToken), delayed()]);
        if (refreshed.kind === "denied") expect(refreshed.problem.code).toBe(1004);
        else expect(codeOf(await fixture.auth.verifyAccessToken(refreshed.value.accessToken))).toBe(1004);
      }
    }
  });

  it("AUTH-R9 two refreshes in the same second are told apart", async () => {
    const fixture = await createFixtureWithAda();
    const first = await login(fixture);
    const second = valueOf(await fixture.auth.refresh(first.refreshToken));
    expect(second.refreshToken).not.toBe(first.refreshToken);
    expect(second.accessToken).not.toBe(first.accessToken);
  });

  it("a refresh token of another subject's session, or of none, is refused", async () => {
    const { auth } = createFixture();
    for (const token of ["", "a.b.c", "x".repeat(9_000)]) expect(codeOf(await auth.refresh(token))).toBe(1002);
  });
});
