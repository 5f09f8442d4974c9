import { createMemoryStore, type LimitCell } from "@portcullis/core";
import { openRedisStore, type RedisClient } from "@portcullis/store-redis";
import { createManualClock } from "@portcullis/testkit";
import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { describeWith, redisPrefix } from "../../../tools/test-services/connect.js";
import { connect } from "./clients.js";

const cell = (id: string, capacity: number, intervalMs: number, cost = 1): LimitCell => ({ id, capacity, intervalMs, cost });

describeWith("redis", "limits on Redis", () => {
  it("RL-02 answer exactly as the memory store does, whatever is asked and whenever", async () => {
    const client = connect();
    const rule = fc.record({ capacity: fc.integer({ min: 1, max: 20 }), intervalMs: fc.constantFrom(1, 60, 1_000 / 3, 1_000, 86_400_000) });
    const rules = fc.record({ floor: rule, tier: rule, operation: rule });
    const ids = fc.constantFrom("floor" as const, "tier" as const, "operation" as const);
    const charge = fc.record({ id: ids, cost: fc.constantFrom(0, 1, 2, 5, 21, -1, 0.5, Number.NaN) });
    const charges = fc.uniqueArray(charge, { minLength: 1, maxLength: 3, selector: ({ id }) => id });
    const steps = fc.array(fc.record({ waitMs: fc.nat(3_000), charges, refund: fc.boolean() }), { maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(rules, steps, async (rulesById, calls) => {
        const clock = createManualClock();
        const redis = openRedisStore(client, { prefix: redisPrefix(), clock, deadlineMs: 5_000 }).limits;
        const memory = createMemoryStore({ clock }).limits;
        for (const { waitMs, charges: asks, refund } of calls) {
          clock.advance(waitMs);
          const asked = asks.map(({ id, cost }) => ({ id, cost, ...rulesById[id] }));
          const expected = await memory.consume("ada", asked);
          const actual = await redis.consume("ada", asked);
          expect(actual.allowed).toBe(expected.allowed);
          for (const [index, state] of actual.cells.entries()) {
            const other = expected.cells[index];
            expect([state.id, state.allowed, state.remaining]).toEqual([other?.id, other?.allowed, other?.remaining]);
            // The two axes have different origins, so instants round differently in the last bits.
            expect(state.resetMs).toBeCloseTo(other?.resetMs ?? Number.NaN, 1);
          }
          if (refund && expected.allowed) {
            await memory.refund("ada", asked);
            await redis.refund("ada", asked);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("RL-07 keep the share that is used when a limit changes, and gain nothing by changing to and fro", async () => {
    const clock = createManualClock();
    const { limits } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix(), clock });
    const free = cell("tier", 60, 6_000);
    const enterprise = cell("tier", 2_000, 60);
    await limits.consume("ada", [{ ...free, cost: 60 }]);
    for (let turn = 0; turn < 5; turn += 1) {
      expect((await limits.consume("ada", [enterprise])).cells[0]).toMatchObject({ allowed: false, retryAfterMs: 60 });
      expect((await limits.consume("ada", [free])).cells[0]).toMatchObject({ allowed: false, retryAfterMs: 6_000 });
    }
    await limits.consume("ada", [enterprise]);
    clock.advance(60);
    expect((await limits.consume("ada", [enterprise])).allowed).toBe(true);
  });

  it("RL-08 keep the share of a limit that is used in part, whichever way it changes", async () => {
    const clock = createManualClock();
    const { limits } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix(), clock });
    await limits.consume("ada", [cell("tier", 60, 6_000, 15)]);
    const left = async (capacity: number, intervalMs: number) =>
      (await limits.consume("ada", [cell("tier", capacity, intervalMs, 0)])).cells[0]?.remaining;
    expect([await left(2_000, 60), await left(8, 1_000), await left(60, 6_000)]).toEqual([1_500, 6, 45]);
  });

  it("RL-09 charge all limits of a call, or none", async () => {
    const { limits } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix() });
    const asked = [cell("user", 1, 60_000), cell("global", 10, 60_000)];
    const results = await Promise.all(Array.from({ length: 20 }, async () => limits.consume("all", asked)));
    expect(results.filter(({ allowed }) => allowed)).toHaveLength(1);
    expect((await limits.consume("all", [cell("global", 10, 60_000, 0)])).cells[0]?.remaining).toBe(9);
  });

  it("deny what is no number, as the memory store does, instead of letting it pass every comparison", async () => {
    const { limits } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix() });
    const memory = createMemoryStore().limits;
    for (const broken of [cell("tier", 5, Number.NaN), cell("tier", Number.NaN, 1_000)]) {
      const [actual, expected] = [await limits.consume("ada", [broken]), await memory.consume("ada", [broken])];
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
    await limits.consume("warm", [cell("floor", 5, 1_000)]);
    sent = 0;
    await limits.consume("ada", [cell("floor", 5, 1_000), cell("tier", 5, 1_000), cell("op:a", 5, 1_000)]);
    expect(sent).toBe(1);
  });

  it("RL-41 go by the server's time: a caller whose clock is an hour ahead gets nothing extra", async () => {
    const { limits } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix() });
    expect((await limits.consume("ada", [cell("tier", 1, 60_000)])).allowed).toBe(true);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
    try {
      expect((await limits.consume("ada", [cell("tier", 1, 60_000)])).allowed).toBe(false);
    } finally {
      vi.useRealTimers();
    }
  });

  it("RL-43 a clock that was set back locks out for the time of the capacity at most", async () => {
    const clock = createManualClock();
    const { limits } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix(), clock });
    await limits.consume("ada", [cell("tier", 3, 1_000, 3)]);
    clock.set(clock.now() - 3_600_000);
    expect((await limits.consume("ada", [cell("tier", 3, 1_000)])).cells[0]).toMatchObject({ allowed: false, retryAfterMs: 1_000 });
    clock.advance(1_000);
    expect((await limits.consume("ada", [cell("tier", 3, 1_000)])).allowed).toBe(true);
  });

  it("RL-47 store instants and spans exactly, also those that Lua would print in scientific notation", async () => {
    const clock = createManualClock(Date.UTC(2999, 0, 1));
    const { limits, tickets, counters } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix(), clock });
    const year = 365 * 86_400_000;
    await limits.consume("ada", [cell("tier", 1, year)]);
    expect((await limits.consume("ada", [cell("tier", 1, year)])).cells[0]).toMatchObject({ resetMs: year, retryAfterMs: year });
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

  it("forget what is full again: the string holds limits in use only", async () => {
    const clock = createManualClock();
    const client = connect();
    const prefix = redisPrefix();
    const { limits } = openRedisStore(client, { deadlineMs: 5_000, prefix, clock });
    for (let operation = 0; operation < 50; operation += 1) await limits.consume("ada", [cell(`op:${operation}`, 2, 10)]);
    expect(await client.strlen(`${prefix}limit:{ada}`)).toBe(1 + 50 * 24);
    clock.advance(20);
    await limits.consume("ada", [cell("op:0", 2, 10)]);
    expect(await client.strlen(`${prefix}limit:{ada}`)).toBe(1 + 24);
    await limits.refund("ada", [cell("op:0", 2, 10)]);
    expect(await client.exists(`${prefix}limit:{ada}`)).toBe(0);
  });
});
