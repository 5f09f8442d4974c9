import { createMemoryStore, type LimitAsk, type LimitCell, type LimitLease, type LimitResult } from "@portcullis/core";
import { openRedisStore, type RedisClient } from "@portcullis/store-redis";
import { createManualClock } from "@portcullis/testkit";
import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { describeWith, redisPrefix } from "../../../tools/test-services/connect.js";
import { connect } from "./clients.js";

const cell = (id: string, capacity: number, intervalMs: number, cost = 1): LimitCell => ({
  id,
  kind: "bucket",
  capacity,
  intervalMs,
  cost,
});
const of = (id: string, ...cells: LimitCell[]): LimitAsk => ({ kind: "user", id, cells });

const DAY_MS = 86_400_000;
const bucket = fc
  .record({ capacity: fc.integer({ min: 1, max: 20 }), intervalMs: fc.constantFrom(1, 60, 1_000 / 3, 1_000, DAY_MS) })
  .map((rule) => () => ({ kind: "bucket" as const, ...rule }));
const counter = fc.oneof(
  fc
    .record({ capacity: fc.integer({ min: 1, max: 20 }), windowMs: fc.constantFrom(250, 1_000, 1_000 / 3, DAY_MS) })
    .map((rule) => () => ({ kind: "window" as const, ...rule })),
  fc
    .record({ capacity: fc.integer({ min: 1, max: 20 }), periodMs: fc.constantFrom(2_000, DAY_MS) })
    .map(({ capacity, periodMs }) => () => ({
      kind: "calendar" as const,
      capacity,
      boundaries: Array.from({ length: 200 }, (_, index) => Date.UTC(2030, 0, 1) + (index - 1) * periodMs),
    })),
);
const terms = fc.record({ floor: bucket, tier: bucket, operation: counter, quota: counter });
const ids = fc.constantFrom("floor" as const, "tier" as const, "operation" as const, "quota" as const);
const charge = fc.record({
  id: ids,
  cost: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.constantFrom(0, 2, 5, 21, -1, Number.NaN)),
});
const steps = fc.array(
  fc.record({
    waitMs: fc.nat(3_000),
    charges: fc.uniqueArray(charge, { maxLength: 3, selector: ({ id }) => id }),
    lease: fc.option(fc.constantFrom("a", "b", "c", "d"), { nil: undefined }),
    settle: fc.option(fc.constantFrom(1, 2, -1), { nil: undefined }),
    dryRun: fc.boolean(),
    blockMs: fc.option(fc.constantFrom(0, 500), { nil: undefined, freq: 8 }),
  }),
  { maxLength: 40 },
);

/** Frozen cells, the same array for the same question: stores make more of what they are asked again. */
function remembering() {
  const known = new Map<string, readonly LimitCell[]>();
  return (termsById: Record<string, () => object>, charges: readonly { readonly id: string; readonly cost: number }[]) => {
    const question = charges.map(({ id, cost }) => `${id} ${cost}`).join();
    let cells = known.get(question);
    if (cells === undefined) {
      // Terms are those of cells, but for what is added here.
      cells = Object.freeze(charges.map(({ id, cost }) => Object.freeze({ ...termsById[id]?.(), id, cost }) as LimitCell));
      known.set(question, cells);
    }
    return cells;
  };
}

function leaseOf(key: string): LimitLease {
  return { id: "export", capacity: 2, key, ttlMs: 4_000 };
}

function said({ allowed, cells, lease, blockedMs }: LimitResult): unknown {
  return { allowed, lease, isBlocked: blockedMs > 0, cells: cells.map((state) => [state.id, state.allowed, state.remaining]) };
}

describeWith("redis", "limits on Redis", () => {
  it("RL-01 RL-02 answer exactly as the memory store does, whatever is asked and whenever", async () => {
    const client = connect();
    await fc.assert(
      fc.asyncProperty(terms, steps, async (termsById, calls) => {
        const clock = createManualClock();
        // One axis for both stores: windows begin at the same instants.
        const axis = { ...clock, monotonic: () => clock.now() };
        const redis = openRedisStore(client, { prefix: redisPrefix(), clock, deadlineMs: 5_000 }).limits;
        const memory = createMemoryStore({ clock: axis }).limits;
        const cellsOf = remembering();
        for (const { waitMs, charges, lease, settle, dryRun, blockMs } of calls) {
          clock.advance(waitMs);
          const cells = cellsOf(termsById, charges);
          const ask: LimitAsk = { kind: "user", id: "ada", cells, lease: lease === undefined ? undefined : leaseOf(lease), dryRun };
          const [expected, actual] = [memory.consume(ask), await redis.consume(ask)];
          expect(said(actual)).toEqual(said(expected));
          for (const [index, state] of actual.cells.entries()) {
            // Redis keeps whole microseconds and, of a limit that changed, its span to a hundred-thousandth.
            expect(state.resetMs).toBeCloseTo(expected.cells[index]?.resetMs ?? Number.NaN, 1);
            expect(state.retryAfterMs ?? -1).toBeCloseTo(expected.cells[index]?.retryAfterMs ?? -1, 1);
          }
          if (settle !== undefined && expected.allowed) {
            const settled = { ...ask, cells: cells.map((one) => ({ ...one, cost: settle })) };
            memory.settle(settled, expected.at);
            await redis.settle(settled, actual.at);
          }
          if (blockMs !== undefined) {
            memory.block(ask, blockMs);
            await redis.block(ask, blockMs);
          }
        }
      }),
      { numRuns: 120 },
    );
  });

  it("RL-07 keep the share that is used when a limit changes, and gain nothing by changing to and fro", async () => {
    const clock = createManualClock();
    const { limits } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix(), clock });
    const free = cell("tier", 60, 6_000);
    const enterprise = cell("tier", 2_000, 60);
    await limits.consume(of("ada", { ...free, cost: 60 }));
    for (let turn = 0; turn < 5; turn += 1) {
      expect((await limits.consume(of("ada", enterprise))).cells[0]).toMatchObject({ allowed: false, retryAfterMs: 60 });
      expect((await limits.consume(of("ada", free))).cells[0]).toMatchObject({ allowed: false, retryAfterMs: 6_000 });
    }
    await limits.consume(of("ada", enterprise));
    clock.advance(60);
    expect((await limits.consume(of("ada", enterprise))).allowed).toBe(true);
  });

  it("RL-08 keep the share of a limit that is used in part, whichever way it changes", async () => {
    const clock = createManualClock();
    const { limits } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix(), clock });
    await limits.consume(of("ada", cell("tier", 60, 6_000, 15)));
    const left = async (capacity: number, intervalMs: number) =>
      (await limits.consume(of("ada", cell("tier", capacity, intervalMs, 0)))).cells[0]?.remaining;
    expect([await left(2_000, 60), await left(8, 1_000), await left(60, 6_000)]).toEqual([1_500, 6, 45]);
  });

  it("RL-09 charge all limits of a call, or none", async () => {
    const { limits } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix() });
    const asked = [cell("user", 1, 60_000), cell("global", 10, 60_000)];
    const results = await Promise.all(Array.from({ length: 20 }, async () => limits.consume(of("all", ...asked))));
    expect(results.filter(({ allowed }) => allowed)).toHaveLength(1);
    expect((await limits.consume(of("all", cell("global", 10, 60_000, 0)))).cells[0]?.remaining).toBe(9);
  });

  it("deny what is no number, as the memory store does, instead of letting it pass every comparison", async () => {
    const { limits } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix() });
    const memory = createMemoryStore().limits;
    for (const broken of [cell("tier", 5, Number.NaN), cell("tier", Number.NaN, 1_000)]) {
      const [actual, expected] = [await limits.consume(of("ada", broken)), memory.consume(of("ada", broken))];
      expect([actual.allowed, expected.allowed]).toEqual([false, false]);
    }
  });

  it("RL-40 take one round trip for all limits of a call", async () => {
    const client = connect();
    let sent = 0;
    const counting: RedisClient = {
      status: "ready",
      evalsha: (...args) => ((sent += 1), client.evalsha(...args)),
      eval: (...args) => ((sent += 1), client.eval(...args)),
      ping: () => client.ping(),
    };
    const { limits } = openRedisStore(counting, { deadlineMs: 5_000, prefix: redisPrefix() });
    await limits.consume(of("warm", cell("floor", 5, 1_000)));
    sent = 0;
    await limits.consume(of("ada", cell("floor", 5, 1_000), cell("tier", 5, 1_000), cell("op:a", 5, 1_000)));
    expect(sent).toBe(1);
  });

  it("RL-41 go by the server's time: a caller whose clock is an hour ahead gets nothing extra", async () => {
    const { limits } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix() });
    expect((await limits.consume(of("ada", cell("tier", 1, 60_000)))).allowed).toBe(true);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
    try {
      expect((await limits.consume(of("ada", cell("tier", 1, 60_000)))).allowed).toBe(false);
    } finally {
      vi.useRealTimers();
    }
  });

  it("RL-43 a clock that was set back locks out for the time of the capacity at most", async () => {
    const clock = createManualClock();
    const { limits } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix(), clock });
    await limits.consume(of("ada", cell("tier", 3, 1_000, 3)));
    clock.set(clock.now() - 3_600_000);
    expect((await limits.consume(of("ada", cell("tier", 3, 1_000)))).cells[0]).toMatchObject({ allowed: false, retryAfterMs: 1_000 });
    clock.advance(1_000);
    expect((await limits.consume(of("ada", cell("tier", 3, 1_000)))).allowed).toBe(true);
  });

  it("RL-47 store instants and spans exactly, also those that Lua would print in scientific notation", async () => {
    const clock = createManualClock(Date.UTC(2999, 0, 1));
    const { limits, tickets, counters } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix(), clock });
    const year = 365 * 86_400_000;
    await limits.consume(of("ada", cell("tier", 1, year)));
    expect((await limits.consume(of("ada", cell("tier", 1, year)))).cells[0]).toMatchObject({ resetMs: year, retryAfterMs: year });
    const far = 1e15 + 7;
    await tickets.put("far", "value", far);
    clock.advance(far - 1);
    expect(await tickets.peek("far")).toBe("value");
    clock.advance(1);
    expect(await tickets.peek("far")).toBeUndefined();
    const most = Number.MAX_SAFE_INTEGER;
    expect(await counters.add("big", most, { limit: most, windowMs: 60_000 })).toEqual({
      accepted: true,
      value: most,
      remainingMs: 60_000,
    });
  });

  it("RL-42 sweep the places of those who died, also while new ones are taken", async () => {
    const clock = createManualClock();
    const client = connect();
    const prefix = redisPrefix();
    const { limits } = openRedisStore(client, { deadlineMs: 5_000, prefix, clock });
    const cells = Object.freeze([cell("op", 10_000, 10)]);
    // The general script first, then the group's own.
    for (let crash = 0; crash < 200; crash += 1) {
      const lease = { id: "export", capacity: 64, key: `lost-${crash}`, ttlMs: 2_000_000 };
      await limits.consume({ kind: "user", id: "ada", cells: crash < 100 ? [] : cells, lease });
      clock.advance(1_000_000);
    }
    const [set = ""] = (await client.keys(`${prefix}*`)).filter((key) => !key.endsWith("}"));
    expect(await client.zcard(set)).toBeLessThan(20);
  });

  it("RL-65 a group of limits that is asked with a cap of other terms is answered by those", async () => {
    const clock = createManualClock();
    const { limits } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix(), clock });
    const cells = Object.freeze([cell("op", 100, 10)]);
    const take = async (key: string, capacity: number, ttlMs: number) =>
      limits.consume({ kind: "user", id: "ada", cells, lease: { id: "export", capacity, key, ttlMs } });
    for (const key of ["a", "b"]) expect((await take(key, 3, 1_000)).allowed).toBe(true); // the second makes the group's script
    expect((await take("c", 2, 1_000)).lease).toEqual({ allowed: false, remaining: 0 });
    expect((await take("c", 4, 50)).lease).toEqual({ allowed: true, remaining: 1 });
    expect((await take("d", 3, 1_000)).lease).toEqual({ allowed: false, remaining: 0 });
    clock.advance(50);
    expect((await take("d", 3, 1_000)).lease).toEqual({ allowed: true, remaining: 0 });
  });

  it("forget what is full again: the string holds limits in use only", async () => {
    const clock = createManualClock();
    const client = connect();
    const prefix = redisPrefix();
    const { limits } = openRedisStore(client, { deadlineMs: 5_000, prefix, clock });
    for (let operation = 0; operation < 50; operation += 1) await limits.consume(of("ada", cell(`op:${operation}`, 2, 10)));
    expect(await client.strlen(`${prefix}rl:u:{ada}`)).toBe(1 + 50 * 14);
    clock.advance(20);
    await limits.consume(of("ada", cell("op:0", 2, 10)));
    expect(await client.strlen(`${prefix}rl:u:{ada}`)).toBe(1 + 14);
    await limits.settle(of("ada", cell("op:0", 2, 10)), 0);
    expect(await client.exists(`${prefix}rl:u:{ada}`)).toBe(0);
  });
});
