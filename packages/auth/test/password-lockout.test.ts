import { clientIp, createApp, createMemoryStore, toFetchHandler } from "@portcullis/core";
import type { ManualClock } from "@portcullis/testkit";
import { authRoutes } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { codeOf, createFixture, createFixtureWithAda, EMAIL, PASSWORD, wrapPort } from "./auth-fixture.js";
import { attempt, counted, createOn, type Fixture, HOUR_MS, LOCKOUT, WRONG } from "./lockout-fixture.js";

/** The clock, with waits that end when they are told to. */
function waiting(clock: ManualClock, until: () => Promise<unknown>): ManualClock {
  const after = (_delayMs: number, callback: () => void): (() => void) => {
    void until().then(callback);
    return () => {};
  };
  return { ...clock, after };
}

const soon = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function computed({ events }: Fixture): number {
  return events.filter((event) => event.kind === "login_failed" && event.reason !== "locked" && event.reason !== "overloaded").length;
}

describe.each(["synchronous", "asynchronous"])("AUTH-L7 parallel logins on a store that answers %s", (manner) => {
  it("with the right password all succeed, however many there are", async () => {
    const fixture = await createOn(manner);
    const results = await Promise.all(Array.from({ length: 20 }, async () => attempt(fixture, PASSWORD)));
    expect(counted(results.map(codeOf))).toEqual({ ok: 20 });
    expect(fixture.events.filter(({ kind }) => kind === "account_locked")).toEqual([]);
  });

  it("with failures before them, too", async () => {
    const fixture = await createOn(manner);
    for (let failed = 0; failed < LOCKOUT.threshold - 1; failed += 1) await attempt(fixture);
    const results = await Promise.all(Array.from({ length: 20 }, async () => attempt(fixture, PASSWORD)));
    expect(counted(results.map(codeOf))).toEqual({ ok: 20 });
  });

  it("with a wrong password no more are computed than may fail, and all others hear of the lock", async () => {
    const fixture = await createOn(manner);
    const results = await Promise.all(Array.from({ length: 100 }, async () => attempt(fixture)));
    expect(counted(results.map(codeOf))).toEqual({ 1005: LOCKOUT.threshold, 1006: 100 - LOCKOUT.threshold });
    expect(computed(fixture)).toBe(LOCKOUT.threshold);
    const refused = results.filter((result) => codeOf(result) === 1006);
    for (const result of refused) expect(result).toMatchObject({ problem: { status: 429, retryAfter: 300 } });
  });

  it("one right among the wrong ones that were reserved frees the rest, and their failures lock nobody afterwards", async () => {
    const fixture = await createOn(manner, { passwords: { concurrency: 1, queueLength: 300 } });
    // Reserved in this order and hashed one by one: the success is second, the attempt that would have locked is third.
    const results = await Promise.all([WRONG, PASSWORD, WRONG, PASSWORD, PASSWORD].map(async (password) => attempt(fixture, password)));
    expect(results.map(codeOf)).toEqual([1005, "ok", 1005, "ok", "ok"]);
    expect(fixture.events.filter(({ kind }) => kind === "account_locked")).toEqual([]);
  });

  it("nobody waits for a guess that ended in a fault", async () => {
    const fixture = await createOn(manner);
    const { clock, store, users } = fixture;
    let isDown = true;
    const subjects = wrapPort(store.subjects, (method, name) => async (...args) => {
      if (isDown && name === "read") throw new Error("down");
      return method(...args);
    });
    const racing = createFixture({ clock: waiting(clock, soon), users, store: { ...store, subjects }, lockout: LOCKOUT });
    const settled = await Promise.allSettled(
      Array.from({ length: 10 }, async () => racing.auth.login({ email: EMAIL, password: PASSWORD })),
    );
    expect(settled.filter(({ status }) => status === "rejected")).toHaveLength(LOCKOUT.threshold);
    for (const result of settled) {
      if (result.status === "fulfilled") expect(result.value).toMatchObject({ problem: { code: 1006, retryAfter: 1 } });
    }
    isDown = false;
    fixture.clock.advance(LOCKOUT.windowMs);
    expect(codeOf(await racing.auth.login({ email: EMAIL, password: PASSWORD }))).toBe("ok");
  });
});

describe("AUTH-L7 attempts that another process computes", () => {
  it("are waited for, a second at most; then the answer is to come again", async () => {
    const fixture = await createOn("synchronous");
    const { clock, store, users } = fixture;
    const first = Promise.all(Array.from({ length: 3 }, async () => attempt(fixture, PASSWORD)));
    await Promise.resolve();
    await Promise.resolve();
    let looks = 0;
    const impatient = createFixture({ clock: waiting(clock, async () => ((looks += 1), soon())), store, users, lockout: LOCKOUT });
    const tooSoon = await Promise.all(Array.from({ length: 20 }, async () => impatient.auth.login({ email: EMAIL, password: PASSWORD })));
    for (const result of tooSoon) expect(result).toMatchObject({ problem: { code: 1006, retryAfter: 1 } });
    expect(looks).toBe(10); // one looks for all
    const patient = createFixture({ clock: waiting(clock, async () => first), store, users, lockout: LOCKOUT });
    const results = await Promise.all(Array.from({ length: 20 }, async () => patient.auth.login({ email: EMAIL, password: PASSWORD })));
    expect(counted([...results, ...(await first)].map(codeOf))).toEqual({ ok: 23 });
  });

  it("AUTH-L3 of guesses in two processes as many are computed as may fail, together", async () => {
    const one = await createOn("asynchronous");
    const two = createFixture({ clock: one.clock, store: one.store, users: one.users, lockout: LOCKOUT });
    const results = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => (index % 2 === 0 ? one : two).auth.login({ email: EMAIL, password: WRONG })),
    );
    expect(results.filter((result) => codeOf(result) === 1005)).toHaveLength(LOCKOUT.threshold);
    expect(computed(one) + computed({ ...one, ...two })).toBe(LOCKOUT.threshold);
  });

  it("a directory that does not answer uses up no attempt", async () => {
    const fixture = await createOn("synchronous");
    let isDown = true;
    const users = {
      ...fixture.users,
      byEmail: (email: string) => (isDown ? Promise.reject(new Error("down")) : fixture.users.byEmail(email)),
    };
    const { auth } = createFixture({ clock: fixture.clock, store: fixture.store, users, lockout: LOCKOUT });
    for (let round = 0; round < 5; round += 1) await expect(auth.login({ email: EMAIL, password: PASSWORD })).rejects.toThrow("down");
    isDown = false;
    expect(codeOf(await auth.login({ email: EMAIL, password: PASSWORD }))).toBe("ok");
  });
});

describe("AUTH-L5 a lock for account and network", () => {
  const lockout = { ...LOCKOUT, scope: "account-and-network", accountThreshold: 7 } as const;
  const HERE = { ip: "192.0.2.1" };

  it("keeps out the network that guessed, and nobody else", async () => {
    const fixture = await createOn("synchronous", { lockout });
    for (let failed = 0; failed < 3; failed += 1) expect(codeOf(await attempt(fixture, WRONG, { ip: "203.0.113.9" }))).toBe(1005);
    expect(await attempt(fixture, PASSWORD, { ip: "203.0.113.9" })).toMatchObject({ problem: { code: 1006, retryAfter: 300 } });
    expect(codeOf(await attempt(fixture, PASSWORD, HERE))).toBe("ok");
  });

  it("many networks together have as many guesses as the account allows, in parallel as well", async () => {
    const fixture = await createOn("asynchronous", { lockout });
    const results = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => attempt(fixture, WRONG, { ip: `198.51.100.${index}` })),
    );
    expect(counted(results.map(codeOf))).toEqual({ 1005: 7, 1006: 53 });
    expect(computed(fixture)).toBe(7);
    expect(codeOf(await attempt(fixture, PASSWORD, HERE))).toBe(1006);
    fixture.clock.advance(LOCKOUT.durationMs);
    expect(codeOf(await attempt(fixture, PASSWORD, HERE))).toBe("ok");
  });

  it("parallel logins from many networks all succeed", async () => {
    const fixture = await createOn("asynchronous", { lockout });
    const results = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => attempt(fixture, PASSWORD, { ip: `198.51.100.${index % 9}` })),
    );
    expect(counted(results.map(codeOf))).toEqual({ ok: 40 });
  });

  it("callers without an address share one", async () => {
    const fixture = await createOn("synchronous", { lockout });
    for (let failed = 0; failed < 3; failed += 1) await attempt(fixture);
    expect(codeOf(await attempt(fixture, PASSWORD, { ip: "not an address" }))).toBe(1006);
    expect(codeOf(await attempt(fixture, PASSWORD, HERE))).toBe("ok");
  });

  it.each([
    ["IPv4-mapped", "192.0.2.1", ["::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:192.0.2.1"]],
    ["case and compression", "2001:db8::a:b", ["2001:DB8::A:B", "2001:0db8:0000:0000:0000:0000:000a:000b", "2001:db8:0:0::a:b"]],
    ["one /64", "2001:db8:1:2::1", ["2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2:8000::", "[2001:db8:1:2::7]:443"]],
  ])("AUTH-L6 an address counts once in every spelling: %s", async (_name, first, others) => {
    const fixture = await createOn("synchronous", { lockout });
    for (const ip of others) expect(codeOf(await attempt(fixture, WRONG, { ip }))).toBe(1005);
    expect(codeOf(await attempt(fixture, PASSWORD, { ip: first }))).toBe(1006);
    expect(codeOf(await attempt(fixture, PASSWORD, { ip: "2001:db8:1:3::1" }))).toBe("ok");
  });

  it("AUTH-L6 over HTTP the address is what trusted proxies say, never what the caller writes in front of it", async () => {
    const fixture = await createOn("synchronous", { lockout });
    const handler = toFetchHandler(
      createApp({ guards: [clientIp({ trustedProxies: ["10.0.0.0/8"] })], routes: authRoutes(fixture.auth) }),
      { ipOf: () => "10.0.0.1" },
    );
    const login = async (password: string, forwarded: string): Promise<number> => {
      const headers = { "content-type": "application/json", "x-forwarded-for": forwarded };
      const body = JSON.stringify({ email: EMAIL, password });
      return (await handler(new Request("http://localhost/auth/login", { method: "POST", headers, body }))).status;
    };
    for (let failed = 0; failed < 3; failed += 1) expect(await login(WRONG, `198.51.100.${failed}, 203.0.113.9`)).toBe(401);
    expect(await login(PASSWORD, "192.0.2.1, 203.0.113.9")).toBe(429);
    expect(await login(PASSWORD, "203.0.113.9, 192.0.2.1")).toBe(200);
  });
});

describe("AUTH-L8 an account that does not exist", () => {
  /** What a login does, in order, without what differs from address to address. */
  async function workOf(email: string): Promise<string[]> {
    const work: string[] = [];
    const memory = createMemoryStore();
    const watched = <Port extends object>(name: string, port: Port): Port =>
      wrapPort(port, (method, call) => (...args) => {
        work.push(`${name}.${call}`);
        return method(...args);
      });
    const store = {
      ...memory,
      counters: watched("counters", memory.counters),
      subjects: watched("subjects", memory.subjects),
      sessions: watched("sessions", memory.sessions),
      tickets: watched("tickets", memory.tickets),
      records: watched("records", memory.records),
    };
    const metrics = {
      counter: () => ({ add: () => {} }),
      gauge: () => ({ set: (_labels: unknown, value: unknown) => void work.push(`queue ${String(value)}`) }),
      histogram: () => ({ observe: () => {} }),
    };
    const fixture = await createFixtureWithAda({ store, lockout: { ...LOCKOUT, deviceTtlMs: HOUR_MS }, metrics });
    const rounds: string[] = [];
    for (let round = 0; round < 5; round += 1) {
      work.length = 0;
      const result = await fixture.auth.login({ email, password: WRONG }, { device: "A".repeat(16) + ".9999999999." + "A".repeat(43) });
      rounds.push(`${codeOf(result)}: ${work.join(" ")}`);
    }
    return rounds;
  }

  it("costs the same calls of the store in the same order as one that does, until it is locked and after", async () => {
    const known = await workOf(EMAIL);
    expect(await workOf("nobody@example.com")).toEqual(known);
    expect(known.at(-1)).toMatch(/^1006/);
  });
});
