// What holds for several limiters on one Redis whatever happens and whenever, on a manual clock.
import { type Clock, createMemoryStore, type Limits, type StoreWith } from "@portcullis/core";
import { createManualClock, type ManualClock } from "@portcullis/testkit";
import { openRedisStore } from "@portcullis/store-redis";
import type { Decision, RateLimiter } from "@portcullis/rate-limit";
import fc from "fast-check";
import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import { connect } from "../../packages/store-redis/test/clients.js";
import { describeWith, redisPrefix } from "../../tools/test-services/connect.js";
import { allowedOf, atOnce, limiterOn } from "./rate-limit-limiter.js";

const PATIENT = { deadlineMs: 10_000 };
const ADA = { phase: "identified", subject: "ada" } as const;
const CHAT = { phase: "operation", operation: "chat", by: { subject: "ada" } } as const;

/** A process's clock: it goes with the others, but its timers stand still while the process is stopped, and run late when it goes on. */
function processClock(clock: ManualClock): Clock & { stop(): void; goOn(): void } {
  let isStopped = false;
  const late: (() => void)[] = [];
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (delayMs, callback) => clock.after(delayMs, () => (isStopped ? void late.push(callback) : callback())),
    stop: () => void (isStopped = true),
    goOn(): void {
      isStopped = false;
      for (const callback of late.splice(0)) callback();
    },
  };
}

/** The memory store as one that is far away: every answer is a promise. */
function remoteStore(clock: Clock): StoreWith<"limits"> {
  const { limits } = createMemoryStore({ clock });
  return {
    limits: {
      consume: async (ask) => limits.consume(ask),
      settle: async (ask, at) => limits.settle(ask, at),
      renew: async (holder, lease) => limits.renew(holder, lease),
      block: async (holder, ms) => limits.block(holder, ms),
      reset: async (holder) => limits.reset(holder),
    } satisfies Limits,
  };
}

/** How far beyond capacity and refill admissions went, in whatever window: at most 0 by the law. */
function excessOf(admitted: readonly { at: number; units: number }[], capacity: number, intervalMs: number): number {
  let [debt, last, most] = [0, admitted[0]?.at ?? 0, 0];
  for (const { at, units } of admitted) {
    debt = Math.max(0, debt - (at - last) / intervalMs) + units;
    last = at;
    most = Math.max(most, debt);
  }
  return most - capacity;
}

const HOLD_MS = 250;
const arrivals = fc.record({
  burst: fc.integer({ min: 4, max: 80 }),
  intervalMs: fc.constantFrom(5, 40, 1_000),
  share: fc.constantFrom(0.05, 0.2, 0.5),
  steps: fc.array(
    fc.record({
      who: fc.nat(3),
      times: fc.integer({ min: 1, max: 40 }),
      cost: fc.constantFrom(1, 1, 1, 2),
      waitMs: fc.constantFrom(0, 1, 60, 249, 250, 251, 1_000, 5_000),
    }),
    { minLength: 5, maxLength: 40 },
  ),
  isStopped: fc.boolean(),
});

/** Runs arrivals at four processes; the first may be stopped for a while, and go on with what it held. */
async function excess(
  store: (clock: ManualClock) => StoreWith<"limits">,
  given: typeof arrivals extends fc.Arbitrary<infer T> ? T : never,
): Promise<number> {
  const { burst, intervalMs, share, steps, isStopped } = given;
  const clock = createManualClock();
  const shared = store(clock);
  const clocks = Array.from({ length: 4 }, () => processClock(clock));
  const tiers = { free: { limit: 1, periodMs: intervalMs, burst } };
  const batches = { fromChecksPerSecond: 2, share, holdMs: HOLD_MS };
  const limiters = clocks.map((own) =>
    limiterOn(shared, {
      ...PATIENT,
      floor: { limit: 1e9, burst: 1e9, periodMs: 1_000 },
      unauthenticated: { limit: 1 },
      clock: own,
      tiers,
      batches,
    }),
  );
  const admitted: { at: number; units: number }[] = [];
  for (const [index, { who, times, cost, waitMs }] of steps.entries()) {
    if (isStopped && index === Math.floor(steps.length / 2)) clocks[0]?.stop();
    if (isStopped && index === steps.length - 2) clocks[0]?.goOn();
    clock.advance(waitMs);
    const decisions = await atOnce(times, () => (limiters[who] as RateLimiter).check({ ...ADA, cost })); // who <= 3
    for (const { allowed } of decisions) if (allowed) admitted.push({ at: clock.now(), units: cost });
    await setImmediate();
  }
  // What a batch holds was charged up to so long before it is spent: so much may have come back meanwhile.
  return excessOf(admitted, burst, intervalMs) - HOLD_MS / intervalMs - 1;
}

it("RL-02 four processes with batches and remembered refusals stay within capacity and refill, and the time that a batch is held", async () => {
  await fc.assert(
    fc.asyncProperty(arrivals, async (given) => {
      expect(await excess(remoteStore, given)).toBeLessThanOrEqual(0);
    }),
    { numRuns: 400 },
  );
});

it("RL-54 a remembered refusal is one that the store would have given, whatever the cost and whoever else asks", async () => {
  const step = fc.record({
    who: fc.nat(1),
    cost: fc.integer({ min: 0, max: 6 }),
    operation: fc.constantFrom(undefined, "bucket" as const, "window" as const),
    waitMs: fc.nat(400),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), async (steps) => {
      const clock = createManualClock();
      const store = remoteStore(clock);
      const options = {
        ...{ ...PATIENT, clock, tiers: { free: { limit: 10, periodMs: 1_000, burst: 12 } } },
        operations: { bucket: { limit: 5, periodMs: 1_000, burst: 6 }, window: { kind: "window" as const, limit: 6, periodMs: 1_000 } },
      };
      const limiters = [limiterOn(store, options), limiterOn(store, options)];
      const plain = limiterOn(store, { ...options, denials: false });
      for (const { who, cost, operation, waitMs } of steps) {
        clock.advance(waitMs);
        const ask = { ...ADA, cost, ...(operation === undefined ? {} : { operation }) };
        const expected = await plain.peek(ask);
        const actual = await (limiters[who] as (typeof limiters)[number]).check(ask); // who <= 1
        expect([actual.allowed, actual.code]).toEqual([expected.allowed, expected.code]);
        if (actual.allowed) continue;
        // What was used since is not remembered: others may refuse as well now, and longer.
        expect(actual.violated.filter((name) => !expected.violated.includes(name))).toEqual([]);
        expect(actual.retryAfterMs ?? Infinity).toBeLessThanOrEqual((expected.retryAfterMs ?? Infinity) + 0.1);
      }
    }),
    { numRuns: 300 },
  );
});

describeWith("redis", "limiters on Redis, whatever happens", () => {
  it("RL-02 four processes with batches and remembered refusals stay within the bound on Redis too", async () => {
    const client = connect();
    const open = (clock: Clock) => openRedisStore(client, { prefix: redisPrefix(), clock, ...PATIENT });
    await fc.assert(
      fc.asyncProperty(arrivals, async (given) => {
        expect(await excess(open, given)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 25 },
    );
  });

  it("RL-02 a process that was stopped neither spends nor gives back what has come back by itself meanwhile", async () => {
    const clock = createManualClock();
    const store = openRedisStore(connect(), { prefix: redisPrefix(), clock, ...PATIENT });
    const own = processClock(clock);
    const tiers = { free: { limit: 1, periodMs: 1_000, burst: 20 } };
    const stopped = limiterOn(store, { ...PATIENT, clock: own, tiers, batches: { fromChecksPerSecond: 1, share: 0.5, holdMs: HOLD_MS } });
    const other = limiterOn(store, { ...PATIENT, clock, tiers, denials: false });
    expect((await stopped.check(ADA)).decidedBy).toBe("batch");
    expect(stopped.status().batchedUnits).toBe(9);
    own.stop();
    clock.advance(3_600_000);
    expect(allowedOf(await atOnce(30, () => other.check(ADA)))).toBe(20);
    // It goes on with a check, before its timers run.
    expect((await stopped.check(ADA)).allowed).toBe(false);
    own.goOn();
    await setImmediate();
    expect([stopped.status().batchedUnits, (await other.check(ADA)).allowed]).toEqual([0, false]);
  });

  it("RL-02 a reset makes nothing of a batch that is held or on its way: it is neither spent nor given back", async () => {
    const clock = createManualClock();
    const store = openRedisStore(connect(), { prefix: redisPrefix(), ...PATIENT });
    const tiers = { free: { limit: 1, periodMs: 3_600_000, burst: 20 } };
    const batches = { fromChecksPerSecond: 1, share: 0.5, holdMs: HOLD_MS };
    const holder = limiterOn(store, { ...PATIENT, clock, tiers, batches });
    const other = limiterOn(store, { ...PATIENT, clock, tiers, denials: false });
    for (const isOnItsWay of [true, false]) {
      const asked = holder.check(ADA);
      if (!isOnItsWay) await asked;
      await holder.reset({ subject: "ada" });
      expect((await asked).allowed).toBe(true);
      expect(allowedOf(await atOnce(30, () => other.check(ADA)))).toBe(20);
      expect((await holder.check(ADA)).allowed).toBe(false);
      clock.advance(HOLD_MS);
      await other.peek(ADA);
      expect((await other.check(ADA)).allowed).toBe(false);
      clock.advance(2_000);
      await other.reset({ subject: "ada" });
    }
  });

  it("RL-65 never are more places in use than there are, and all come back, whoever takes, gives back, crashes or waits", async () => {
    const client = connect();
    const leaseMs = 1_000;
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ act: fc.constant("take" as const), who: fc.nat(2), times: fc.integer({ min: 1, max: 3 }) }) },
      { weight: 3, arbitrary: fc.record({ act: fc.constant("release" as const), who: fc.nat(2), times: fc.integer({ min: 1, max: 3 }) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          act: fc.constant("wait" as const),
          who: fc.constantFrom(1, 333, 334, 999, 1_000, 3_500),
          times: fc.constant(1),
        }),
      },
      { weight: 1, arbitrary: fc.record({ act: fc.constant("crash" as const), who: fc.nat(2), times: fc.constant(1) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 40 }), async (maxInFlight, steps) => {
        const clock = createManualClock();
        const prefix = redisPrefix();
        const store = openRedisStore(client, { prefix, clock, ...PATIENT });
        const start = () => {
          const own = processClock(clock);
          return {
            own,
            held: [] as Decision[],
            limiter: limiterOn(store, { ...PATIENT, clock: own, operations: { chat: { maxInFlight, leaseMs } } }),
          };
        };
        const processes = [start(), start(), start()];
        const inUse = () => processes.reduce((sum, { held }) => sum + held.length, 0);
        for (const { act, who, times } of steps) {
          if (act === "wait") clock.advance(who);
          const one = processes[who];
          if (act === "crash" && one !== undefined) {
            one.own.stop();
            processes[who] = start();
          } else if (act === "take" && one !== undefined) {
            one.held.push(...(await atOnce(times, () => one.limiter.check(CHAT))).filter(({ allowed }) => allowed));
          } else if (act === "release" && one !== undefined) {
            // Twice: the second time is nobody else's place.
            for (const decision of one.held.splice(0, times)) await Promise.all([decision.release(), decision.release()]);
          }
          expect(inUse()).toBeLessThanOrEqual(maxInFlight);
          const { concurrency } = await (processes[0] as ReturnType<typeof start>).limiter.peek(CHAT); // three
          // Places of the living are never fewer in the store than in use; a crashed process may still have some.
          expect(maxInFlight - (concurrency?.remaining ?? Number.NaN)).toBeGreaterThanOrEqual(inUse());
        }
        for (const { held } of processes) for (const decision of held) await decision.release();
        clock.advance(leaseMs);
        expect((await (processes[0] as ReturnType<typeof start>).limiter.peek(CHAT)).concurrency?.remaining).toBe(maxInFlight);
      }),
      { numRuns: 60 },
    );
  }, 30_000);

  it("RL-63 giving back a place whose lease is over, or giving it back again, frees nobody else's", async () => {
    const clock = createManualClock();
    const store = openRedisStore(connect(), { prefix: redisPrefix(), clock, ...PATIENT });
    const processes = [processClock(clock), processClock(clock)] as const;
    const operations = { chat: { maxInFlight: 1, leaseMs: 1_000 } };
    const [stopped, other] = processes.map((own) => limiterOn(store, { ...PATIENT, clock: own, operations })) as [RateLimiter, RateLimiter];
    const lost = await stopped.check(CHAT);
    processes[0].stop();
    clock.advance(1_000);
    const taken = await other.check(CHAT);
    expect([lost.allowed, taken.allowed]).toEqual([true, true]);
    await lost.release();
    await lost.release();
    expect((await stopped.check(CHAT)).code).toBe("CONCURRENCY_LIMIT");
    await taken.release();
    await taken.release();
    const again = await stopped.check(CHAT);
    await taken.release();
    expect([again.allowed, (await other.check(CHAT)).allowed]).toEqual([true, false]);
    expect((await other.peek(CHAT)).concurrency?.remaining).toBe(0);
    await again.release();
    expect((await other.peek(CHAT)).concurrency?.remaining).toBe(1);
  });
});
