import { createMemoryStore } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it, onTestFinished } from "vitest";
import type { AuthEvent } from "@portcullis/auth";
import { asynchronous, codeOf, createFixture, createFixtureWithAda, EMAIL, PASSWORD, valueOf, wrapPort } from "./auth-fixture.js";

const WRONG = "wrong horse battery";

function failures(events: readonly AuthEvent[]): string[] {
  return events.flatMap((event) => (event.kind === "login_failed" ? event.reason : []));
}

describe("login", () => {
  it("gives tokens that carry the account, whatever the spelling of the address", async () => {
    const { auth, userId, events } = await createFixtureWithAda();
    const { tokens, account } = valueOf(await auth.login({ email: "  ＡDA@Example.COM ", password: PASSWORD }));
    expect(account.id).toBe(userId);
    expect(valueOf(await auth.verifyAccessToken(tokens.accessToken)).principal).toEqual({
      type: "user",
      id: userId,
      email: EMAIL,
      orgId: "org-1",
      workspaceId: undefined,
      roles: ["admin", "member"],
      orgRoles: [],
      scopes: undefined,
      authMethod: "token",
      sessionId: tokens.sessionId,
      tokenVersion: 1,
      mfaAt: undefined,
      mustChangePassword: false,
    });
    expect(events).toContainEqual({ kind: "login_succeeded", userId, sessionId: tokens.sessionId });
  });

  it("AUTH-S1 every login has its own session and tokens", async () => {
    const { auth } = await createFixtureWithAda();
    const logins = await Promise.all([1, 2, 3].map(async () => valueOf(await auth.login({ email: EMAIL, password: PASSWORD })).tokens));
    for (const part of ["sessionId", "accessToken", "refreshToken"] as const)
      expect(new Set(logins.map((tokens) => tokens[part])).size).toBe(3);
  });

  it("one answer for every cause; the events tell them apart", async () => {
    const { auth, users, store, events, userId } = await createFixtureWithAda();
    const base = { name: undefined, mustChangePassword: false, roles: [], orgRoles: [], orgId: undefined, workspaceId: undefined };
    const { passwordHash } = (await users.byId(userId)) ?? {};
    await users.create({ ...base, type: "service", email: "robot@example.com", passwordHash });
    await users.create({ ...base, type: "user", email: "oauth@example.com", passwordHash: undefined });
    await users.create({ ...base, type: "user", email: "huge@example.com", passwordHash: passwordHash?.replace("m=19456", "m=1048576") });
    await users.create({ ...base, type: "user", email: "bcrypt@example.com", passwordHash: "$2b$10$abcdefghijklmnopqrstuv" });
    const off = await users.create({ ...base, type: "user", email: "off@example.com", passwordHash });
    await store.subjects.setDisabled(off?.id ?? "", true);
    const attempts = [
      { email: EMAIL, password: WRONG },
      { email: "nobody@example.com", password: PASSWORD },
      ...["robot", "oauth", "huge", "bcrypt", "off"].map((name) => ({ email: `${name}@example.com`, password: PASSWORD })),
      { email: "no address", password: PASSWORD },
      { email: EMAIL, password: "" },
      { email: EMAIL, password: "x".repeat(1025) },
    ];
    const answers = [];
    for (const attempt of attempts) answers.push(await auth.login(attempt));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(codeOf(answers[0] ?? { kind: "ok", value: 0 })).toBe(1005);
    expect(failures(events)).toEqual([
      "wrong_password",
      "unknown_account",
      "not_a_password_account",
      "not_a_password_account",
      "unusable_hash",
      "unusable_hash",
      "disabled",
      "wrong_password",
      "wrong_password",
      "wrong_password",
    ]);
  });

  it("a listener whose promise rejects ends neither the login nor the process", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    onTestFinished(() => void process.off("unhandledRejection", note));
    const onEvent = (): unknown => Promise.reject(new Error("the audit log does not answer"));
    const { auth } = await createFixtureWithAda({ onEvent });
    expect(codeOf(await auth.login({ email: EMAIL, password: WRONG }))).toBe(1005);
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  });

  it("a login that began with the old password does not survive its change", async () => {
    const fixture = await createFixtureWithAda();
    const { auth, users, store, userId } = fixture;
    // The change happens while the old password is being hashed: after the account was read, before its state is.
    let changed = false;
    const racing = createFixture({
      store,
      clock: fixture.clock,
      users: {
        ...users,
        async byEmail(email) {
          const account = await users.byEmail(email);
          if (!changed && account !== undefined) {
            changed = true;
            const hash = valueOf(await auth.hashPassword("another good password"));
            await users.updatePassword(userId, { expectedHash: account.passwordHash, passwordHash: hash, mustChangePassword: false });
            await store.subjects.bump(userId, "passwordVersion");
          }
          return account;
        },
      },
    });
    expect(codeOf(await racing.auth.login({ email: EMAIL, password: PASSWORD }))).toBe(1005);
    expect(codeOf(await racing.auth.login({ email: EMAIL, password: "another good password" }))).toBe("ok");
  });

  it("AUTH-P a weaker stored hash is replaced at login, and nobody is logged out by it", async () => {
    const before = await createFixtureWithAda();
    const { tokens } = valueOf(await before.auth.login({ email: EMAIL, password: PASSWORD }));
    const after = createFixture({ store: before.store, users: before.users, clock: before.clock, passwords: { iterations: 3 } });
    expect(codeOf(await after.auth.login({ email: EMAIL, password: PASSWORD }))).toBe("ok");
    expect((await before.users.byId(before.userId))?.passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,t=3,p=1\$/);
    expect(after.events.map(({ kind }) => kind)).toEqual(["password_rehashed", "login_succeeded"]);
    expect(codeOf(await after.auth.verifyAccessToken(tokens.accessToken))).toBe("ok");
    expect(codeOf(await after.auth.login({ email: EMAIL, password: PASSWORD }))).toBe("ok");
    expect(after.events.filter(({ kind }) => kind === "password_rehashed")).toHaveLength(1);
  });
});

describe("lockout", () => {
  const lockout = { threshold: 3, windowMs: 60_000, durationMs: 300_000 };
  const attempt = async (fixture: Awaited<ReturnType<typeof createFixtureWithAda>>, password = WRONG, email = EMAIL) =>
    fixture.auth.login({ email, password });

  it("AUTH-L1 AUTH-L4 n-1 failures do not lock, n do, also for the right password, until the duration is over", async () => {
    const fixture = await createFixtureWithAda({ lockout });
    for (let failed = 0; failed < 2; failed += 1) expect(codeOf(await attempt(fixture))).toBe(1005);
    expect(codeOf(await attempt(fixture, PASSWORD))).toBe("ok");
    for (let failed = 0; failed < 3; failed += 1) expect(codeOf(await attempt(fixture))).toBe(1005);
    expect(await attempt(fixture, PASSWORD)).toMatchObject({ kind: "denied", problem: { code: 1006, status: 429, retryAfter: 300 } });
    fixture.clock.advance(300_000 - 1);
    expect(await attempt(fixture, PASSWORD)).toMatchObject({ problem: { code: 1006, retryAfter: 1 } });
    fixture.clock.advance(1);
    expect(codeOf(await attempt(fixture, PASSWORD))).toBe("ok");
    expect(fixture.events.filter(({ kind }) => kind === "account_locked")).toHaveLength(1);
    expect(fixture.counted).toContain("auth_lockouts_total{}");
  });

  it("AUTH-P what is too long to be a password is refused unhashed and counts for nothing", async () => {
    const fixture = await createFixtureWithAda({ lockout: { threshold: 1 } });
    for (let round = 0; round < 3; round += 1) expect(codeOf(await attempt(fixture, "x".repeat(1025)))).toBe(1005);
    expect(codeOf(await attempt(fixture, PASSWORD))).toBe("ok");
  });

  it("AUTH-L1 failures add up within the window only", async () => {
    const fixture = await createFixtureWithAda({ lockout });
    for (let failed = 0; failed < 2; failed += 1) await attempt(fixture);
    fixture.clock.advance(60_000);
    for (let failed = 0; failed < 2; failed += 1) expect(codeOf(await attempt(fixture))).toBe(1005);
    expect(codeOf(await attempt(fixture, PASSWORD))).toBe("ok");
  });

  it("AUTH-L1 the last ms of the window still counts, a first failure after it begins another", async () => {
    const fixture = await createFixtureWithAda({ lockout });
    for (let failed = 0; failed < 2; failed += 1) await attempt(fixture);
    fixture.clock.advance(60_000 - 1);
    expect(codeOf(await attempt(fixture))).toBe(1005);
    expect(codeOf(await attempt(fixture, PASSWORD))).toBe(1006);
  });

  it("AUTH-L1 after a lock the count starts afresh", async () => {
    const fixture = await createFixtureWithAda({ lockout: { threshold: 2, windowMs: 600_000, durationMs: 1000 } });
    for (let round = 0; round < 3; round += 1) {
      for (let failed = 0; failed < 2; failed += 1) expect(codeOf(await attempt(fixture))).toBe(1005);
      expect(codeOf(await attempt(fixture, PASSWORD))).toBe(1006);
      fixture.clock.advance(1000);
    }
    expect(codeOf(await attempt(fixture, PASSWORD))).toBe("ok");
  });

  it("AUTH-L2 accounts that do not exist lock the same, with the same answers", async () => {
    const fixture = await createFixtureWithAda({ lockout });
    for (let round = 0; round < 5; round += 1) {
      expect(await attempt(fixture, WRONG, "nobody@example.com")).toEqual(await attempt(fixture));
    }
    expect(codeOf(await attempt(fixture, WRONG, "NOBODY@example.com"))).toBe(1006);
  });

  it("AUTH-L2 counters and events name no address", async () => {
    const keys: string[] = [];
    const memory = createMemoryStore();
    const counters = wrapPort(memory.counters, (method) => (key, ...rest) => {
      keys.push(String(key));
      return method(key, ...rest);
    });
    const fixture = await createFixtureWithAda({ store: { ...memory, counters } });
    await attempt(fixture, WRONG, "Nobody@Example.com");
    expect(keys.length).toBeGreaterThan(0);
    for (const text of [...keys, JSON.stringify(fixture.events)]) expect(text.toLowerCase()).not.toContain("nobody");
  });

  it.each(["synchronous", "asynchronous"])(
    "AUTH-L3 of 100 parallel guesses exactly as many are computed as may fail (%s store)",
    async (manner) => {
      const clock = createManualClock();
      const memory = createMemoryStore({ clock });
      const fixture = await createFixtureWithAda({
        lockout,
        clock,
        store: manner === "synchronous" ? memory : asynchronous(memory),
        passwords: { queueLength: 200 },
      });
      const answers = await Promise.all(Array.from({ length: 100 }, async () => attempt(fixture)));
      expect(failures(fixture.events).filter((reason) => reason === "wrong_password")).toHaveLength(3);
      expect(answers.filter((answer) => codeOf(answer) === 1005)).toHaveLength(3);
      expect(answers.filter((answer) => codeOf(answer) === 1006)).toHaveLength(97);
      expect(codeOf(await attempt(fixture, PASSWORD))).toBe(1006);
    },
  );

  it("a lock set between looking and reserving is seen", async () => {
    const clock = createManualClock();
    const memory = createMemoryStore({ clock });
    let interleave: (() => Promise<void>) | undefined;
    const counters = {
      ...memory.counters,
      async add(...args: Parameters<typeof memory.counters.add>) {
        const run = interleave;
        interleave = undefined;
        await run?.();
        return memory.counters.add(...args);
      },
    };
    const fixture = await createFixtureWithAda({ lockout, clock, store: { ...memory, counters } });
    for (let failed = 0; failed < 2; failed += 1) await attempt(fixture);
    interleave = async () => void (await attempt(fixture)); // the third failure: locks and resets the count
    expect(codeOf(await attempt(fixture, PASSWORD))).toBe(1006);
  });

  it("a full hash queue sheds with 503 and uses up no attempt", async () => {
    const fixture = await createFixtureWithAda({ lockout, passwords: { concurrency: 1, queueLength: 1 } });
    const answers = await Promise.all(Array.from({ length: 20 }, async () => attempt(fixture)));
    expect(answers.filter((answer) => codeOf(answer) === 1005)).toHaveLength(2);
    expect(answers.filter((answer) => codeOf(answer) === 8002)).toHaveLength(18);
    expect(answers.find((answer) => codeOf(answer) === 8002)).toMatchObject({ problem: { status: 503, retryAfter: 1 } });
    expect(codeOf(await attempt(fixture, PASSWORD))).toBe("ok");
    expect(failures(fixture.events).filter((reason) => reason === "overloaded")).toHaveLength(18);
  });
});
