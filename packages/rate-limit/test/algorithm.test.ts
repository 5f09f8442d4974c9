import { createMemoryStore } from "@portcullis/core";
import { createRateLimiter, RateLimitError } from "@portcullis/rate-limit";
import { createManualClock } from "@portcullis/testkit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limiterWith, now, WIDE } from "./limiter.js";

const ADA = { phase: "identified", subject: "ada" } as const;
const oneTier = (rule: { limit: number; periodMs?: number; burst?: number }) => ({ tiers: { free: rule } });

// The table of throttled/rate_test.go, whose limit is 1 a second with a burst of 5; Infinity: never.
const VECTORS: readonly { at: number; cost: number; remaining: number; reset: number; retry: number }[] = [
  { at: 0, cost: 6, remaining: 5, reset: 0, retry: Infinity },
  { at: 0, cost: 1, remaining: 4, reset: 1_000, retry: 0 },
  { at: 0, cost: 1, remaining: 3, reset: 2_000, retry: 0 },
  { at: 0, cost: 1, remaining: 2, reset: 3_000, retry: 0 },
  { at: 0, cost: 1, remaining: 1, reset: 4_000, retry: 0 },
  { at: 0, cost: 1, remaining: 0, reset: 5_000, retry: 0 },
  { at: 0, cost: 1, remaining: 0, reset: 5_000, retry: 1_000 },
  { at: 3_000, cost: 1, remaining: 2, reset: 3_000, retry: 0 },
  { at: 3_100, cost: 1, remaining: 1, reset: 3_900, retry: 0 },
  { at: 4_000, cost: 1, remaining: 1, reset: 4_000, retry: 0 },
  { at: 8_000, cost: 1, remaining: 4, reset: 1_000, retry: 0 },
  { at: 9_500, cost: 1, remaining: 4, reset: 1_000, retry: 0 },
  { at: 9_500, cost: 0, remaining: 4, reset: 1_000, retry: 0 },
  { at: 9_500, cost: 2, remaining: 2, reset: 3_000, retry: 0 },
  { at: 9_500, cost: 5, remaining: 2, reset: 3_000, retry: 3_000 },
];

/** `npm run soak` takes its time. */
const SEQUENCES = process.env["PORTCULLIS_SOAK"] === "true" ? 100_000 : 2_000;

describe("the bucket", () => {
  it("RL-01 agrees with every row of the published GCRA table", () => {
    const { limiter, clock } = limiterWith(oneTier({ limit: 1, periodMs: 1_000, burst: 5 }));
    const start = clock.monotonic();
    for (const { at, cost, remaining, reset, retry } of VECTORS) {
      clock.advance(start + at - clock.monotonic());
      const decision = now(limiter.check({ ...ADA, cost }));
      const row = [decision.allowed, decision.remaining, decision.resetMs, decision.retryAfterMs ?? Infinity];
      expect(row).toEqual([retry === 0, remaining, reset, retry]);
    }
  });

  it("RL-02 never admits more than the capacity and the refill, in any window of any arrivals", () => {
    const arrivals = fc.array(fc.record({ waitMs: fc.nat(400), cost: fc.integer({ min: 1, max: 4 }) }), { maxLength: 60 });
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 50 }), (calls, burst, limit) => {
        const { limiter, clock } = limiterWith(oneTier({ limit, periodMs: 1_000, burst }));
        const admitted: { at: number; cost: number }[] = [];
        for (const { waitMs, cost } of calls) {
          clock.advance(waitMs);
          if (now(limiter.check({ ...ADA, cost })).allowed) admitted.push({ at: clock.monotonic(), cost });
        }
        for (const [first, { at: from }] of admitted.entries()) {
          let sum = 0;
          for (const { at, cost } of admitted.slice(first)) {
            sum += cost;
            expect(sum).toBeLessThanOrEqual(burst + (limit * (at - from)) / 1_000 + 1);
          }
        }
      }),
      { numRuns: SEQUENCES },
    );
  });

  it("RL-03 a burst on both sides of any instant gets the capacity and the refill, not twice the limit", () => {
    const { limiter, clock } = limiterWith(oneTier({ limit: 20, periodMs: 2_000, burst: 20 }));
    const burst = () => Array.from({ length: 40 }, () => now(limiter.check(ADA))).filter(({ allowed }) => allowed).length;
    clock.advance(1_999);
    const before = burst();
    clock.advance(2);
    expect(before + burst()).toBe(20);
  });

  it("RL-04 a denied call changes nothing", () => {
    const { limiter } = limiterWith(oneTier({ limit: 10, burst: 10 }));
    const costs = [8, 5, 1, 1, 1];
    expect(costs.map((cost) => now(limiter.check({ ...ADA, cost })).allowed)).toEqual([true, false, true, true, false]);
  });

  it("RL-05 a cost above the capacity never passes, says so, and leaves no debt", () => {
    const { limiter } = limiterWith(oneTier({ limit: 10, burst: 10 }));
    const decision = now(limiter.check({ ...ADA, cost: 11 }));
    expect(decision).toMatchObject({ allowed: false, code: "COST_EXCEEDS_CAPACITY", retryAfterMs: undefined });
    expect(decision.problem()).toMatchObject({ status: 429, code: 5004, retryable: false });
    expect(decision.problem()).not.toHaveProperty("retryAfter");
    expect(now(limiter.check({ ...ADA, cost: 10 })).allowed).toBe(true);
  });

  it("RL-05 a cost of 0 only looks", () => {
    const { limiter } = limiterWith(oneTier({ limit: 10, burst: 1 }));
    expect(now(limiter.check({ ...ADA, cost: 0 }))).toMatchObject({ allowed: true, remaining: 1 });
    expect(now(limiter.check(ADA)).allowed).toBe(true);
    expect(now(limiter.check({ ...ADA, cost: 0 }))).toMatchObject({ allowed: true, remaining: 0 });
  });

  it.each([-1, Number.NaN, 1.5, 2 ** 53, Infinity])("RL-05 a cost of %d is refused before anything is charged", (cost) => {
    const { limiter } = limiterWith();
    expect(() => limiter.check({ ...ADA, cost })).toThrow(RateLimitError);
    expect(() => limiter.check({ ...ADA, cost })).toThrow(expect.objectContaining({ code: "invalid_cost" }));
    expect(now(limiter.peek(ADA)).remaining).toBe(60);
  });

  it("RL-06 a refund restores exactly what was charged, once", () => {
    const { limiter } = limiterWith(oneTier({ limit: 10, burst: 10 }));
    now(limiter.check({ ...ADA, cost: 4 }));
    const decision = now(limiter.check({ ...ADA, cost: 5 }));
    expect(decision.remaining).toBe(1);
    now(decision.refund());
    now(decision.refund());
    expect(now(limiter.peek(ADA)).remaining).toBe(6);
  });

  it("RL-06 a refund of what is no cost throws and gives nothing back; the right one still counts", () => {
    const { limiter } = limiterWith({ tiers: { free: { limit: 1, burst: 10 } } });
    const decision = now(limiter.check({ ...ADA, cost: 5 }));
    for (const wrong of [-1, 1.5, Number.NaN]) expect(() => decision.refund(wrong)).toThrow(RateLimitError);
    expect(now(limiter.peek(ADA)).remaining).toBe(5);
    now(decision.refund());
    expect(now(limiter.peek(ADA)).remaining).toBe(10);
  });

  it("RL-10 when several limits refuse, the one to wait for longest is told, though more of it is left", () => {
    const { limiter } = limiterWith({
      tiers: { free: { limit: 1, burst: 1 } },
      operations: { bulk: { limit: 1, periodMs: 3_600_000, burst: 10 } },
    });
    const bulk = { ...ADA, operation: "bulk", cost: 6 } as const;
    now(limiter.check(bulk));
    const denied = now(limiter.check(bulk));
    expect(denied).toMatchObject({ policy: "bulk", remaining: 4, retryAfterMs: 2 * 3_600_000, violated: ["authenticated", "bulk"] });
    expect(denied.problem()?.retryAfter).toBe(7_200);
  });

  it("RL-06 a refund never fills a limit above its capacity, and is nothing after a full refill", () => {
    const { limiter, clock } = limiterWith(oneTier({ limit: 10, burst: 10 }));
    const decision = now(limiter.check({ ...ADA, cost: 5 }));
    clock.advance(3_600_000);
    now(decision.refund());
    expect(now(limiter.peek(ADA)).remaining).toBe(10);
    expect(now(limiter.check({ ...ADA, cost: 10 })).allowed).toBe(true);
    expect(now(limiter.check(ADA)).allowed).toBe(false);
  });

  it("RL-06 part of a cost can be given back, more than it was cannot, and a denial has nothing to give back", () => {
    const { limiter } = limiterWith(oneTier({ limit: 10, burst: 10 }));
    const cheaper = now(limiter.check({ ...ADA, cost: 6 }));
    now(cheaper.refund(4));
    expect(now(limiter.peek(ADA)).remaining).toBe(8);
    now(now(limiter.check({ ...ADA, cost: 3 })).refund(1_000));
    expect(now(limiter.peek(ADA)).remaining).toBe(8);
    now(now(limiter.check({ ...ADA, cost: 9 })).refund());
    expect(now(limiter.peek(ADA)).remaining).toBe(8);
    expect(() => now(limiter.check(ADA)).refund(-1)).toThrow(RateLimitError);
  });

  it("RL-33 a limit of one in a year holds for the year", () => {
    const year = 365 * 86_400_000;
    const { limiter, clock } = limiterWith(oneTier({ limit: 1, periodMs: year, burst: 1 }));
    const isAllowed = () => now(limiter.check(ADA)).allowed;
    expect([isAllowed(), isAllowed()]).toEqual([true, false]);
    clock.advance(year - 1);
    expect(isAllowed()).toBe(false);
    clock.advance(1);
    expect(isAllowed()).toBe(true);
  });

  it("RL-33 a window of 250 ms refills", () => {
    const { limiter, clock } = limiterWith(oneTier({ limit: 1, periodMs: 250, burst: 1 }));
    now(limiter.check(ADA));
    clock.advance(249);
    expect(now(limiter.check(ADA))).toMatchObject({ allowed: false, retryAfterMs: 1 });
    clock.advance(1);
    expect(now(limiter.check(ADA)).allowed).toBe(true);
  });

  it("RL-34 a step of the wall clock changes no decision", () => {
    const { limiter, clock } = limiterWith(oneTier({ limit: 1, burst: 1 }));
    now(limiter.check(ADA));
    for (const step of [3_600_000, -3_600_000]) {
      clock.set(clock.now() + step);
      expect(now(limiter.check(ADA))).toMatchObject({ allowed: false, retryAfterMs: 60_000 });
    }
  });

  it("RL-71 obeying retryAfterMs succeeds, and half of it does not", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 50 }), (limit, burst) => {
        const { limiter, clock } = limiterWith({ ...oneTier({ limit, burst }), floor: { limit: 6_000, burst: 12_000 } });
        now(limiter.check({ ...ADA, cost: burst }));
        const { retryAfterMs = 0 } = now(limiter.check(ADA));
        clock.advance(retryAfterMs / 2);
        expect(now(limiter.check(ADA)).allowed).toBe(false);
        clock.advance(retryAfterMs / 2);
        expect(now(limiter.check(ADA)).allowed).toBe(true);
      }),
    );
  });
});

describe("a check", () => {
  it("answers without a promise on a synchronous store", () => {
    const limiter = createRateLimiter({ ...WIDE, store: createMemoryStore({ clock: createManualClock() }) });
    expect(limiter.check({ phase: "floor", ipKey: "192.0.2.1" })).not.toBeInstanceOf(Promise);
    expect(limiter.peek({ phase: "floor", ipKey: "192.0.2.1" })).not.toBeInstanceOf(Promise);
  });

  it("is a value that nobody can change", () => {
    const { limiter } = limiterWith();
    const decision = now(limiter.check(ADA));
    for (const name of ["allowed", "code", "remaining", "degraded", "limits"] as const) {
      expect(Reflect.set(decision, name, "changed")).toBe(false);
      expect(decision[name]).not.toBe("changed");
    }
    for (const part of [decision.limits, decision.limits[0], decision.violated]) expect(Object.isFrozen(part)).toBe(true);
  });

  it("peek says what check would say, and charges nothing", () => {
    const { limiter } = limiterWith(oneTier({ limit: 10, burst: 10 }));
    now(limiter.check({ ...ADA, cost: 8 }));
    expect(now(limiter.peek({ ...ADA, cost: 3 }))).toMatchObject({ allowed: false, remaining: 2, retryAfterMs: 6_000 });
    expect(now(limiter.peek({ ...ADA, cost: 2 }))).toMatchObject({ allowed: true, remaining: 2 });
    expect(now(limiter.check({ ...ADA, cost: 2 })).allowed).toBe(true);
  });

  it("reset fills every limit of its holder, and of nobody else", () => {
    const { limiter } = limiterWith({ ...oneTier({ limit: 1, burst: 1 }), operations: { export: { limit: 1, burst: 1 } } });
    for (const subject of ["ada", "bob"]) now(limiter.check({ phase: "identified", subject, operation: "export" }));
    now(limiter.reset({ subject: "ada" }));
    const isAllowed = (subject: string) => now(limiter.check({ phase: "identified", subject, operation: "export" })).allowed;
    expect([isAllowed("ada"), isAllowed("bob")]).toEqual([true, false]);
  });

  it("of 100 at once, exactly as many pass as fit", async () => {
    const { limiter } = limiterWith(oneTier({ limit: 10, burst: 7 }));
    const decisions = await Promise.all(Array.from({ length: 100 }, async () => limiter.check(ADA)));
    expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(7);
  });
});

describe("a limit that changes", () => {
  const as = (tier: "free" | "enterprise", cost = 1) => ({ ...ADA, tier, cost });

  it("RL-07 an exhausted subject that moves to a higher tier is served within one of its intervals", () => {
    const { limiter, clock } = limiterWith();
    now(limiter.check(as("free", 60)));
    expect(now(limiter.check(as("enterprise")))).toMatchObject({ allowed: false, retryAfterMs: 60 });
    clock.advance(60);
    expect(now(limiter.check(as("enterprise"))).allowed).toBe(true);
  });

  it("RL-07 changing to and fro wins nothing", () => {
    const { limiter } = limiterWith();
    now(limiter.check(as("free", 60)));
    const passed = Array.from({ length: 50 }, () => [now(limiter.check(as("enterprise"))), now(limiter.check(as("free")))]).flat();
    expect(passed.some(({ allowed }) => allowed)).toBe(false);
  });

  it("RL-08 a new configuration keeps the share that is used", () => {
    const clock = createManualClock();
    const store = createMemoryStore({ clock });
    const remainingOf = (burst: number, cost: number) => {
      const limiter = createRateLimiter({ ...WIDE, ...oneTier({ limit: 10, burst }), store, clock });
      return now(limiter.check({ ...ADA, cost })).remaining;
    };
    expect([remainingOf(10, 5), remainingOf(100, 0), remainingOf(4, 0), remainingOf(4, 2), remainingOf(100, 0)]).toEqual([5, 50, 2, 0, 0]);
  });
});
