// The limiter of @portcullis/rate-limit while its Redis hangs, dies and comes back.
import { openRedisStore } from "@portcullis/store-redis";
import type { Decision, OutagePolicy, RateLimitEvent } from "@portcullis/rate-limit";
import { readFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { connect } from "../../packages/store-redis/test/clients.js";
import { eventually, type OwnRedis, startOwnRedis } from "../../packages/store-redis/test/own-redis.js";
import { describeWith, redisPrefix } from "../../tools/test-services/connect.js";
import { allowedOf, atOnce, burstOf, limiterOn, recording } from "./rate-limit-limiter.js";

const ADA = { phase: "identified", subject: "ada" } as const;
const DEADLINE_MS = 60;
/** So that every check waits for the store. */
const NO_BREAKER = { breaker: { failures: 1_000 } };

describeWith("redis", "a Redis that hangs", () => {
  const unhandled: unknown[] = [];
  const listen = (reason: unknown): void => void unhandled.push(reason);
  let server: OwnRedis;
  let watcher: ReturnType<typeof connect>;
  let isHung = false;

  beforeAll(async () => {
    process.on("unhandledRejection", listen);
    server = await startOwnRedis();
    watcher = connect(server.url);
  });
  afterEach(async () => {
    await wake();
    expect(unhandled).toEqual([]);
  });
  afterAll(async () => {
    process.off("unhandledRejection", listen);
    await server.stop();
  });

  // A busy machine takes its time to stop a process, and what Redis was asked meanwhile it still answers. Its state: proc(5).
  async function hang(): Promise<void> {
    process.kill(server.pid, "SIGSTOP");
    isHung = true;
    await eventually(async () => /\) T /.test(await readFile(`/proc/${server.pid}/stat`, "utf8")));
  }
  async function wake(): Promise<void> {
    if (!isHung) return;
    process.kill(server.pid, "SIGCONT");
    isHung = false;
    await watcher.ping();
  }
  /** @param deadlineMs The store's own: above the limiter's, so that the limiter's decides. */
  function open({ deadlineMs = 5_000 } = {}) {
    const client = recording(connect(server.url));
    return { client, store: openRedisStore(client, { prefix: redisPrefix(), deadlineMs }) };
  }
  async function medianMs(ask: () => Promise<Decision>): Promise<number> {
    const waits: number[] = [];
    for (let call = 0; call < 7; call += 1) {
      const start = performance.now();
      await ask();
      waits.push(performance.now() - start);
    }
    return waits.sort((a, b) => a - b)[3] ?? Infinity;
  }

  it.each([
    ["open", { allowed: true, code: undefined, degraded: "open", decidedBy: "policy" }],
    ["closed", { allowed: false, code: "LIMITER_UNAVAILABLE", degraded: "closed", decidedBy: "policy" }],
    ["local", { allowed: true, code: undefined, degraded: "local", decidedBy: "local" }],
  ] as const)(
    "RL-50 RL-51 RL-52 %s decides within the deadline and 20 ms, and says that it was not the store",
    async (onOutage, expected) => {
      const events: RateLimitEvent[] = [];
      const limiter = limiterOn(open().store, { deadlineMs: DEADLINE_MS, onOutage, ...NO_BREAKER, onEvent: (event) => events.push(event) });
      expect((await limiter.check(ADA)).degraded).toBeUndefined();
      await hang();
      const decisions: Decision[] = [];
      expect(await medianMs(async () => (decisions.push(await limiter.check(ADA)), decisions.at(-1) as Decision))).toBeLessThanOrEqual(
        DEADLINE_MS + 20,
      );
      for (const decision of decisions) expect(decision).toMatchObject({ ...expected, degradedReason: "deadline" });
      expect(decisions[0]?.problem()?.status).toBe(onOutage === "closed" ? 503 : undefined);
      expect(decisions[0]?.headers().some(([name]) => name === "ratelimit")).toBe(onOutage === "local");
      await wake();
      await eventually(async () => (await limiter.check(ADA)).degraded === undefined);
      const told = events.filter(({ type }) => type === "store_unavailable" || type === "store_recovered");
      expect(told.map(({ type }) => type)).toEqual(["store_unavailable", "store_recovered"]);
    },
  );

  it.each<OutagePolicy>(["open", "closed", "local"])("RL-50 %s waits once for a check of several holders", async (onOutage) => {
    const options = {
      organizations: { limit: 1_000 },
      service: { limit: 10_000 },
      operations: { chat: { limit: 1_000, per: "service" as const } },
    };
    const limiter = limiterOn(open().store, { deadlineMs: DEADLINE_MS, onOutage, ...NO_BREAKER, ...options });
    const ask = async () => limiter.check({ ...ADA, organization: "acme", operation: "chat" });
    await ask();
    await hang();
    expect(await medianMs(ask)).toBeLessThanOrEqual(DEADLINE_MS + 20);
  });

  it("RL-50 a busy holder waits once too, while its batch is on its way", async () => {
    const deadlineMs = 300;
    const limiter = limiterOn(open().store, { deadlineMs, ...NO_BREAKER, batches: { fromChecksPerSecond: 1, holdMs: 10 } });
    for (let check = 0; check < 5; check += 1) await limiter.check(ADA);
    await eventually(async () => limiter.status().batchedUnits === 0);
    await hang();
    const start = performance.now();
    expect((await limiter.check(ADA)).degraded).toBe("local");
    expect(performance.now() - start).toBeLessThan(1.9 * deadlineMs);
  });

  it("RL-50 a refusal that has to be given back does not wait for the store that hangs", async () => {
    const { store } = open();
    let calls = 0;
    const consume = async (ask: Parameters<typeof store.limits.consume>[0]) => {
      if ((calls += 1) === 4) await hang();
      return store.limits.consume(ask);
    };
    const limiter = limiterOn(
      { limits: { ...store.limits, consume } },
      { deadlineMs: DEADLINE_MS, onOutage: "closed", service: { limit: 10_000 } },
    );
    await limiter.check(ADA);
    const start = performance.now();
    expect(await limiter.check(ADA)).toMatchObject({ allowed: false, degraded: "closed" });
    // The store itself would wait for 5 s.
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  it("RL-50 what a check was charged before the store hung is given back, also where open allows the rest", async () => {
    const { client, store } = open();
    let isLast = false;
    const consume = async (ask: Parameters<typeof store.limits.consume>[0]) => {
      if (ask.kind === "all" && isLast) await hang();
      return store.limits.consume(ask);
    };
    const options = { ...burstOf(10), service: { limit: 10_000 }, operations: { chat: { maxInFlight: 1, leaseMs: 3_600_000 } } };
    const limiter = limiterOn({ limits: { ...store.limits, consume } }, { deadlineMs: DEADLINE_MS, onOutage: "open", ...options });
    await (await limiter.check({ ...ADA, operation: "chat" })).release();
    isLast = true;
    const decision = await limiter.check({ ...ADA, operation: "chat" });
    expect(decision).toMatchObject({ allowed: true, degraded: "open" });
    expect(limiter.status().caps[0]?.held).toBe(1);
    isLast = false;
    await wake();
    await Promise.all([decision.release(), decision.refund()]);
    await eventually(async () => client.waiting === 0);
    expect(limiter.status().caps[0]?.held).toBe(0);
    const looked = await limiter.peek({ ...ADA, operation: "chat" });
    expect([looked.concurrency?.remaining, looked.limits[0]?.remaining]).toEqual([1, 9]);
  });

  it("RL-50 an answer that comes late charges the fallback no second time", async () => {
    const { client, store } = open();
    const limiter = limiterOn(store, { deadlineMs: DEADLINE_MS, ...burstOf(10) });
    await hang();
    expect(await limiter.check(ADA)).toMatchObject({ degraded: "local", remaining: 9 });
    await wake();
    await eventually(async () => client.waiting === 0);
    await hang();
    expect(await limiter.check(ADA)).toMatchObject({ degraded: "local", remaining: 8 });
    await wake();
    await eventually(async () => client.waiting === 0);
    // What the store charged late stays charged: the callers were served.
    expect(await limiter.peek(ADA)).toMatchObject({ degraded: undefined, remaining: 8 });
  });

  it.each<[OutagePolicy, number]>([
    ["local", 5_000],
    ["closed", 5_000],
    ["local", DEADLINE_MS],
    ["closed", DEADLINE_MS],
    ["local", 2 * DEADLINE_MS],
    ["local", 10],
  ])("RL-50 a place that was taken late is given back (%s, the store's deadline %i ms)", async (onOutage, deadlineMs) => {
    const { client, store } = open({ deadlineMs });
    const operations = { chat: { maxInFlight: 1, leaseMs: 3_600_000 } };
    const limiter = limiterOn(store, { deadlineMs: DEADLINE_MS, onOutage, operations });
    const ask = { phase: "operation", operation: "chat", by: { subject: "ada" } } as const;
    await limiter.peek(ask);
    await hang();
    const decision = await limiter.check(ask);
    expect(decision).toMatchObject({ allowed: onOutage === "local", degraded: onOutage });
    await decision.release();
    // Until the store has given up as well, where it gives up later than the limiter.
    if (deadlineMs < 1_000) await expect(store.ping()).rejects.toMatchObject({ code: "store_unavailable" });
    await wake();
    await eventually(async () => client.waiting === 0);
    await eventually(async () => {
      const looked = await limiter.peek(ask);
      return looked.allowed && looked.degraded === undefined;
    });
  });

  it("RL-53 after so many failures nothing reaches Redis but one probe at a time, and it recovers alone", async () => {
    const { client, store } = open();
    const probeMs = 100;
    const limiter = limiterOn(store, {
      deadlineMs: DEADLINE_MS,
      breaker: { failures: 3, probeMs },
      operations: { chat: { maxInFlight: 5 } },
    });
    await limiter.check(ADA);
    client.clear();
    await hang();
    for (let check = 0; check < 3; check += 1) expect((await limiter.check(ADA)).degradedReason).toBe("deadline");
    expect(limiter.status().breaker).toBe("open");
    expect(client.sent).toHaveLength(3);
    const opened = performance.now();
    let decided = 0;
    await eventually(async () => {
      decided += (await atOnce(50, () => limiter.check({ ...ADA, operation: "chat" }))).length;
      return performance.now() - opened > 5 * probeMs;
    });
    const most = Math.ceil((performance.now() - opened) / probeMs);
    const probes = client.sent.filter(({ operation }) => operation === "consume").length - 3;
    expect(decided).toBeGreaterThan(100);
    expect(probes).toBeGreaterThanOrEqual(2);
    expect(probes).toBeLessThanOrEqual(most);
    // Besides, at most one place is given back for each probe that took one.
    expect(client.waiting).toBeLessThanOrEqual(3 + 2 * most);
    await wake();
    await eventually(async () => (await limiter.check(ADA)).degraded === undefined);
    expect([limiter.status().breaker, client.waiting]).toEqual(["closed", 0]);
  });

  it.each<OutagePolicy>(["local", "open"])(
    "RL-54 a refusal from before the outage stays one under %s, also when it is no longer fresh",
    async (onOutage) => {
      const { store } = open();
      const limiter = limiterOn(store, {
        deadlineMs: DEADLINE_MS,
        onOutage,
        ...burstOf(5),
        denials: { maxAgeMs: 1 },
        breaker: { failures: 1 },
      });
      const other = limiterOn(store, { deadlineMs: 5_000, ...burstOf(5) });
      await atOnce(5, () => other.check(ADA));
      await other.block({ subject: "bob" }, 3_600_000);
      expect((await limiter.check(ADA)).code).toBe("RATE_LIMIT");
      expect((await limiter.check({ ...ADA, subject: "bob" })).code).toBe("BLOCKED");
      await hang();
      for (let check = 0; check < 3; check += 1) {
        expect(await limiter.check(ADA)).toMatchObject({ allowed: false, code: "RATE_LIMIT", degraded: onOutage });
        expect(await limiter.check({ ...ADA, subject: "bob" })).toMatchObject({ allowed: false, code: "BLOCKED", degraded: onOutage });
      }
      expect((await limiter.check({ ...ADA, subject: "carl" })).allowed).toBe(true);
    },
  );

  it("RL-54 a refusal that the store took back before the outage is none during it", async () => {
    const { store } = open();
    const options = { deadlineMs: 5_000, ...burstOf(5) };
    const stale = { denials: { maxAgeMs: 1 }, breaker: { failures: 1 } };
    const other = limiterOn(store, options);
    const limiters = (["open", "local"] as const).map((onOutage) =>
      limiterOn(store, { ...options, ...stale, deadlineMs: DEADLINE_MS, onOutage }),
    );
    await other.block({ subject: "bob" }, 3_600_000);
    await atOnce(5, () => other.check(ADA));
    const [onOpen, onLocal] = limiters;
    expect((await onOpen?.check(ADA))?.code).toBe("RATE_LIMIT");
    for (const limiter of limiters) expect((await limiter.check({ ...ADA, subject: "bob" })).code).toBe("BLOCKED");
    await Promise.all([other.block({ subject: "bob" }, 0), other.reset({ subject: "ada" })]);
    await eventually(async () => (await onOpen?.check(ADA))?.allowed === true);
    for (const limiter of limiters) await eventually(async () => (await limiter.check({ ...ADA, subject: "bob" })).allowed);
    await hang();
    expect(await onOpen?.check(ADA)).toMatchObject({ allowed: true, degraded: "open" });
    expect(await onLocal?.check({ ...ADA, subject: "bob" })).toMatchObject({ allowed: true, degraded: "local" });
  });

  it.each([
    [1, 20],
    [4, 5],
  ])("RL-54 what was used before the outage is used during it: %i instances, %i left of half", async (instances, left) => {
    const limiter = limiterOn(open().store, { deadlineMs: DEADLINE_MS, ...burstOf(40), instances, breaker: { failures: 1 } });
    expect(allowedOf(await atOnce(20, () => limiter.check(ADA)))).toBe(20);
    await hang();
    expect(allowedOf(await atOnce(60, () => limiter.check(ADA)))).toBe(left);
    expect(allowedOf(await atOnce(60, () => limiter.check({ ...ADA, subject: "bob" })))).toBe(40 / instances);
  });

  it("RL-54 places that are in use when the outage begins are in use during it", async () => {
    const operations = { chat: { maxInFlight: 3, leaseMs: 1_000 } };
    const limiter = limiterOn(open().store, { deadlineMs: DEADLINE_MS, operations, breaker: { failures: 1 } });
    const ask = () => limiter.check({ phase: "operation", operation: "chat", by: { subject: "ada" } });
    const [one, other] = await atOnce(2, ask);
    await hang();
    const decisions = await atOnce(4, ask);
    expect([allowedOf(decisions), decisions[1]?.code]).toEqual([1, "CONCURRENCY_LIMIT"]);
    for (const decision of [one, other]) Promise.resolve(decision?.release()).catch(() => {});
    expect(allowedOf(await atOnce(4, ask))).toBe(2);
  });

  it("RL-54 batches that are tried during an outage take nothing from the local share", async () => {
    const { store } = open();
    const options = { ...burstOf(100), batches: { fromChecksPerSecond: 1, share: 0.5 }, breaker: { failures: 1, probeMs: 600_000 } };
    const limiter = limiterOn(store, { deadlineMs: DEADLINE_MS, ...options });
    await hang();
    let allowed = 0;
    for (let check = 0; check < 150; check += 1) allowed += allowedOf([await limiter.check(ADA)]);
    expect(allowed).toBe(100);
  });
});

describeWith("redis", "a Redis that is killed", () => {
  it("RL-53 is used again once it is back, with nothing queued meanwhile", async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", listen);
    const server = await startOwnRedis();
    const connection = connect(server.url, { retryStrategy: () => 20 });
    const client = recording(connection);
    const store = openRedisStore(client, { prefix: redisPrefix(), deadlineMs: 1_000 });
    const limiter = limiterOn(store, {
      deadlineMs: DEADLINE_MS,
      breaker: { failures: 3, probeMs: 50 },
      operations: { chat: { maxInFlight: 5 } },
    });
    const held = await limiter.check({ ...ADA, operation: "chat" });
    await server.stop();
    await eventually(async () => (await limiter.check(ADA)).degraded === "local");
    await eventually(async () => limiter.status().breaker === "open" || (await limiter.check(ADA), false));
    client.clear();
    const decisions = await atOnce(2_000, () => limiter.check({ ...ADA, operation: "chat" }));
    expect(decisions.every(({ degraded }) => degraded === "local")).toBe(true);
    expect(client.sent.length).toBeLessThanOrEqual(2);
    await expect(Promise.resolve(held.release())).rejects.toMatchObject({ code: "store_unavailable" });
    const again = await startOwnRedis(server.port);
    await eventually(async () => (await limiter.check(ADA)).degraded === undefined);
    await eventually(async () => client.waiting === 0);
    expect(unhandled).toEqual([]);
    process.off("unhandledRejection", listen);
    await again.stop();
  });
});
