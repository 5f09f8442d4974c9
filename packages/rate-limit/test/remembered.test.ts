import { createMemoryStore, type LimitAsk, type Limits } from "@portcullis/core";
import { createManualClock, type ManualClock } from "@portcullis/testkit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RateLimiterOptions } from "@portcullis/rate-limit";
import { flakyStore, limiterWith } from "./limiter.js";

const ADA = { phase: "identified", subject: "ada" } as const;
const MINUTELY = (limit: number) => ({ tiers: { free: { limit, burst: limit, periodMs: 60_000 } } });

/** Two limiters on one store that answers later, as two processes on Redis are. */
function twoProcesses(options: Partial<RateLimiterOptions> = {}) {
  const clock = createManualClock();
  const store = flakyStore(createMemoryStore({ clock }).limits);
  const one = limiterWith({ store, clock, ...options }).limiter;
  const other = limiterWith({ store, clock, ...options }).limiter;
  return { clock, store, one, other };
}

describe("a refusal that is remembered", () => {
  it("is repeated at once and without asking, as long as it must hold", async () => {
    const { clock, store, one } = twoProcesses(MINUTELY(60));
    await one.check({ ...ADA, cost: 60 });
    expect(await one.check(ADA)).toMatchObject({ allowed: false, decidedBy: "store", retryAfterMs: 1_000 });
    const asked = store.asked;
    clock.advance(400);
    const again = one.check(ADA);
    expect(again).not.toBeInstanceOf(Promise);
    expect(again).toMatchObject({
      allowed: false,
      decidedBy: "denials",
      code: "RATE_LIMIT",
      retryAfterMs: 600,
      violated: ["authenticated"],
      remaining: 0,
    });
    expect(store.asked).toBe(asked);
    clock.advance(600);
    expect((await one.check(ADA)).allowed).toBe(true);
  });

  it("is asked for anew once it could be out of date: what another process gave back shows", async () => {
    const { clock, one, other } = twoProcesses(MINUTELY(1));
    const charged = await other.check(ADA);
    expect((await one.check(ADA)).allowed).toBe(false);
    await charged.refund();
    expect(await one.check(ADA)).toMatchObject({ allowed: false, decidedBy: "denials" });
    clock.advance(1_000);
    expect(await one.check(ADA)).toMatchObject({ allowed: true, decidedBy: "store" });
  });

  it("RL-06 is forgotten by a refund, a reset and a block of this process", async () => {
    const { one } = twoProcesses(MINUTELY(1));
    const charged = await one.check(ADA);
    await one.check(ADA);
    await charged.refund();
    expect((await one.check(ADA)).allowed).toBe(true);
    await one.check(ADA);
    await one.reset({ subject: "ada" });
    await one.block({ subject: "ada" }, 5_000);
    expect(await one.check(ADA)).toMatchObject({ code: "BLOCKED", decidedBy: "store" });
    expect(await one.check(ADA)).toMatchObject({ code: "BLOCKED", decidedBy: "denials", retryAfterMs: 5_000 });
    await one.block({ subject: "ada" }, 0);
    expect((await one.check(ADA)).allowed).toBe(true);
  });

  it("of a bucket tells of other costs, too; of what it does not know the store is asked", async () => {
    const { store, one } = twoProcesses({ ...MINUTELY(10), operations: { export: { limit: 1 } } });
    await one.check({ ...ADA, cost: 8 });
    expect((await one.check({ ...ADA, cost: 5 })).allowed).toBe(false);
    const asked = store.asked;
    expect(await one.check({ ...ADA, cost: 4 })).toMatchObject({ allowed: false, decidedBy: "denials", retryAfterMs: 12_000 });
    expect(await one.check({ ...ADA, cost: 9 })).toMatchObject({ allowed: false, decidedBy: "denials", retryAfterMs: 42_000 });
    expect(store.asked).toBe(asked);
    // 11 never fits, which is another answer; 2 fits; the operation was never asked.
    expect((await one.check({ ...ADA, cost: 11 })).code).toBe("COST_EXCEEDS_CAPACITY");
    expect((await one.check({ ...ADA, cost: 2 })).allowed).toBe(true);
    expect((await one.check({ ...ADA, operation: "export" })).decidedBy).toBe("store");
  });

  it("RL-07 says nothing of another tier", async () => {
    const { one } = twoProcesses({ tiers: { free: { limit: 10, burst: 10 }, enterprise: { limit: 1_000, burst: 1_000 } } });
    await one.check({ ...ADA, cost: 10 });
    expect((await one.check(ADA)).allowed).toBe(false);
    expect(await one.check({ ...ADA, tier: "enterprise" })).toMatchObject({ decidedBy: "store" });
  });

  it("takes bounded memory, and none on request", async () => {
    const bounded = twoProcesses({ ...MINUTELY(1), denials: { maxEntries: 10 } });
    for (let user = 0; user < 100; user += 1) {
      for (const _ of [1, 2]) await bounded.one.check({ phase: "identified", subject: `user-${user}` });
    }
    expect(bounded.one.status().rememberedDenials).toBe(10);
    const none = twoProcesses({ ...MINUTELY(1), denials: false });
    for (const _ of [1, 2, 3]) await none.one.check(ADA);
    expect(none.store.asked).toBe(3);
  });

  it("is sound: it never refuses what the store would have allowed at that instant, nobody having given anything back", async () => {
    const step = fc.record({ waitMs: fc.nat(3_000), cost: fc.integer({ min: 1, max: 6 }), which: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50 }), fc.integer({ min: 3, max: 12 }), async (steps, limit) => {
        const { clock, one, other } = twoProcesses(MINUTELY(limit));
        for (const { waitMs, cost, which } of steps) {
          clock.advance(waitMs);
          const truth = await (which ? one : other).peek({ ...ADA, cost });
          const decision = await (which ? one : other).check({ ...ADA, cost });
          expect(decision.allowed).toBe(truth.allowed);
          // Others may have used more since: the wait that is told is the least.
          expect(decision.retryAfterMs ?? 0).toBeLessThanOrEqual((truth.retryAfterMs ?? 0) + 1e-6);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("batches of busy holders", () => {
  const BUSY = {
    ...MINUTELY(6_000),
    floor: { limit: 6_000, burst: 12_000 },
    batches: { fromChecksPerSecond: 10, share: 0.05, holdMs: 250 },
  };

  it("serve most checks without asking the store", async () => {
    const { store, one } = twoProcesses(BUSY);
    const decidedBy = new Map<string, number>();
    for (let call = 0; call < 500; call += 1) {
      const decision = await one.check(ADA);
      expect(decision.allowed).toBe(true);
      decidedBy.set(decision.decidedBy, (decidedBy.get(decision.decidedBy) ?? 0) + 1);
    }
    expect(store.asked).toBeLessThan(20);
    expect(decidedBy.get("batch")).toBeGreaterThan(480);
  });

  it("tell what is left as the store would", async () => {
    const { one } = twoProcesses(BUSY);
    const remaining: number[] = [];
    for (let call = 0; call < 30; call += 1) remaining.push((await one.check(ADA)).remaining);
    expect(remaining).toEqual(Array.from({ length: 30 }, (_, call) => 5_999 - call));
  });

  it("give back what was not spent in time", async () => {
    const { clock, one, other } = twoProcesses(BUSY);
    for (let call = 0; call < 20; call += 1) await one.check(ADA);
    expect((await other.peek(ADA)).remaining).toBe(6_000 - 9 - 300);
    expect(one.status().batchedUnits).toBe(300 - 11);
    clock.advance(250);
    await Promise.resolve();
    expect(one.status().batchedUnits).toBe(0);
    expect((await other.peek(ADA)).remaining).toBe(6_000);
  });

  it("leave who is not busy, places in flight and quotas to the store", async () => {
    const { store, one } = twoProcesses({ ...BUSY, operations: { export: { limit: 600, maxInFlight: 600 } } });
    for (let call = 0; call < 9; call += 1) await one.check(ADA);
    for (let call = 0; call < 30; call += 1) await one.check({ phase: "operation", operation: "export", by: { subject: "ada" } });
    expect(store.asked).toBe(39);
  });

  it("RL-02 however many processes hold some, never admit more than the capacity and the refill", async () => {
    const step = fc.record({ waitMs: fc.nat(120), by: fc.nat(3), calls: fc.integer({ min: 1, max: 12 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 40, max: 120 }), async (steps, burst) => {
        const clock = createManualClock();
        const store = flakyStore(createMemoryStore({ clock }).limits);
        const options = { tiers: { free: { limit: 600, burst } }, batches: { fromChecksPerSecond: 3, share: 0.2, holdMs: 100 } };
        const limiters = Array.from({ length: 4 }, () => limiterWith({ store, clock, ...options }).limiter);
        const start = clock.monotonic();
        let admitted = 0;
        for (const { waitMs, by, calls } of steps) {
          clock.advance(waitMs);
          const decisions = await Promise.all(Array.from({ length: calls }, async () => limiters[by]?.check(ADA)));
          admitted += decisions.filter((decision) => decision?.allowed).length;
          expect(admitted).toBeLessThanOrEqual(burst + (600 * (clock.monotonic() - start)) / 60_000 + 1);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("a store that does not answer in time", () => {
  /** Answers when the test says so. */
  function silentStore(clock: ManualClock) {
    const { limits } = createMemoryStore({ clock });
    const waiting: (() => void)[] = [];
    const asks: LimitAsk[] = [];
    const consume: Limits["consume"] = (ask) => {
      asks.push(ask);
      return new Promise((resolve) => waiting.push(() => resolve(limits.consume(ask))));
    };
    return { limits: { ...limits, consume }, asks, answer: () => waiting.splice(0).forEach((speak) => speak()), inner: limits };
  }

  it.each([
    ["closed", { allowed: false, code: "LIMITER_UNAVAILABLE", degraded: "closed" }],
    ["open", { allowed: true, degraded: "open" }],
    ["local", { allowed: true, degraded: "local" }],
  ] as const)("RL-50 is an outage at the deadline: %s", async (onOutage, expected) => {
    const clock = createManualClock();
    const store = silentStore(clock);
    const { limiter } = limiterWith({ store, clock, onOutage, deadlineMs: 100 });
    const decision = limiter.check(ADA);
    clock.advance(99);
    clock.advance(1);
    expect(await decision).toMatchObject({ ...expected, degradedReason: "deadline" });
  });

  it("RL-50 a late reply changes nothing: the fallback was charged once, and a late place is given back", async () => {
    const clock = createManualClock();
    const store = silentStore(clock);
    const { limiter } = limiterWith({ store, clock, ...MINUTELY(10), operations: { export: { maxInFlight: 1 } } });
    const ask = { ...ADA, operation: "export" } as const;
    const decision = limiter.check(ask);
    clock.advance(100);
    expect(await decision).toMatchObject({ allowed: true, degraded: "local", remaining: 9 });
    store.answer();
    await Promise.resolve();
    await Promise.resolve();
    expect(store.inner.usage().leases).toBe(0);
  });

  it("RL-53 after five in a row it is left alone, but for one try a second; an answer to the try ends it", async () => {
    const clock = createManualClock();
    const store = silentStore(clock);
    const { limiter, events } = limiterWith({ store, clock, breaker: { failures: 5, probeMs: 1_000 } });
    const late = Array.from({ length: 5 }, async () => limiter.check(ADA));
    clock.advance(100);
    await Promise.all(late);
    expect(limiter.status().breaker).toBe("open");
    // Now nobody waits: every check is answered at once.
    for (let call = 0; call < 50; call += 1)
      expect(limiter.check(ADA)).toMatchObject({ degraded: "local", degradedReason: "breaker_open" });
    expect(store.asks).toHaveLength(5);
    clock.advance(1_000);
    const tries = [limiter.check(ADA), limiter.check(ADA)].map(async (one) => one);
    expect([store.asks.length, limiter.status().breaker]).toEqual([6, "half_open"]);
    clock.advance(100);
    expect((await Promise.all(tries)).map(({ degradedReason }) => degradedReason)).toEqual(["deadline", "breaker_open"]);
    clock.advance(1_000);
    const last = limiter.check(ADA);
    store.answer();
    expect(await last).toMatchObject({ decidedBy: "store", degraded: undefined });
    expect(limiter.status().breaker).toBe("closed");
    expect(events.map(({ type }) => type)).toEqual(["store_unavailable", "store_recovered"]);
  });

  it("RL-51 while the breaker is open the policy decides without a wait", async () => {
    const clock = createManualClock();
    const store = flakyStore(createMemoryStore({ clock }).limits);
    const { limiter } = limiterWith({ store, clock, onOutage: "closed", breaker: { failures: 1 } });
    store.isDown = true;
    await limiter.check(ADA);
    const refused = await limiter.check(ADA);
    expect(refused).toMatchObject({ allowed: false, code: "LIMITER_UNAVAILABLE", degradedReason: "breaker_open" });
    expect(refused.problem()).toMatchObject({ status: 503, code: 8003, type: expect.stringContaining("#temporary-reduced-capacity") });
  });

  it("RL-54 what was refused before the outage stays refused, by its own wait", async () => {
    const clock = createManualClock();
    const store = flakyStore(createMemoryStore({ clock }).limits);
    const { limiter } = limiterWith({ store, clock, ...MINUTELY(6) });
    await limiter.check({ ...ADA, cost: 6 });
    await limiter.check(ADA);
    store.isDown = true;
    clock.advance(5_000);
    expect(await limiter.check(ADA)).toMatchObject({ allowed: false, degraded: "local", retryAfterMs: 5_000 });
    clock.advance(5_000);
    expect(await limiter.check(ADA)).toMatchObject({ allowed: true, degraded: "local" });
  });

  it("RL-51 the limits of this process do not start full: the share that was used is used", async () => {
    const clock = createManualClock();
    const store = flakyStore(createMemoryStore({ clock }).limits);
    const quota = { kind: "calendar" as const, limit: 40, period: "day" as const };
    const { limiter } = limiterWith({ store, clock, instances: 4, tiers: { free: { limit: 60, burst: 40, ceiling: quota } } });
    await limiter.check({ ...ADA, cost: 20 });
    store.isDown = true;
    const decisions = [];
    for (let call = 0; call < 10; call += 1) decisions.push(await limiter.check(ADA));
    expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(5);
    expect(decisions.at(-1)?.violated).toEqual(["authenticated", "authenticated.ceiling"]);
  });
});
