import { createGuardChain, createMemoryStore, type Limits, type Metrics, StoreUnavailable } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { flakyStore, limiterWith, now } from "./limiter.js";
import { requestOf, userOf } from "./request.js";

const ADA = { phase: "identified", subject: "ada" } as const;

function onFlakyStore(options: Parameters<typeof limiterWith>[0] = {}) {
  const clock = createManualClock();
  const store = flakyStore(createMemoryStore({ clock }).limits);
  return { ...limiterWith({ ...options, store, clock }), store, clock };
}

describe("while the store does not answer", () => {
  it("RL-51 closed refuses with 503, never 429", async () => {
    const { store, limiter } = onFlakyStore({ onOutage: "closed" });
    store.isDown = true;
    const run = await createGuardChain([limiter.limitFloor()]).run(requestOf());
    expect(run.stop).toMatchObject({ kind: "deny", problem: { status: 503, code: 8003, retryAfter: 1 } });
    expect(await limiter.check(ADA)).toMatchObject({ allowed: false, code: "LIMITER_UNAVAILABLE", degraded: "closed", violated: [] });
  });

  it("RL-51 open allows, and says nothing of what is left", async () => {
    const { store, limiter } = onFlakyStore({ onOutage: "open" });
    store.isDown = true;
    const decision = await limiter.check(ADA);
    expect(decision).toMatchObject({ allowed: true, degraded: "open", limits: [] });
    expect([decision.headers(), decision.problem()]).toEqual([[], undefined]);
    await decision.refund();
  });

  it("RL-51 local limits in this process, each of the instances its part", async () => {
    const { store, limiter, clock } = onFlakyStore({ instances: 4, tiers: { free: { limit: 60, burst: 40 } } });
    store.isDown = true;
    const decisions = await Promise.all(Array.from({ length: 100 }, async () => limiter.check(ADA)));
    expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(10);
    clock.advance(4_000);
    const later = await Promise.all(Array.from({ length: 10 }, async () => limiter.check(ADA)));
    expect(later.filter(({ allowed }) => allowed)).toHaveLength(1);
  });

  it("RL-65 an outage begins with the places that this process holds, and with none that it gave back", async () => {
    const { store, limiter } = onFlakyStore({ operations: { ask: { limit: 100, maxInFlight: 3 } } });
    const ask = { ...ADA, operation: "ask" } as const;
    const held = await Promise.all([limiter.check(ask), limiter.check(ask), limiter.check(ask)]);
    await held[0].release();
    store.isDown = true;
    const during = await Promise.all([limiter.check(ask), limiter.check(ask)]);
    expect(during.map(({ allowed, code, degraded }) => [allowed, code, degraded])).toEqual([
      [true, undefined, "local"],
      [false, "CONCURRENCY_LIMIT", "local"],
    ]);
    await expect((async () => held[1].release())()).rejects.toThrow(StoreUnavailable); // there it ends by itself, here at once
    expect((await limiter.check(ask)).allowed).toBe(true);
    expect((await limiter.check(ask)).code).toBe("CONCURRENCY_LIMIT");
  });

  it("a batch that cannot be given back fails nobody, also where the store throws at once", async () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock });
    let givenBack = 0;
    const settle = () => {
      givenBack += 1;
      throw new StoreUnavailable("limits.settle");
    };
    const batches = { fromChecksPerSecond: 1, share: 0.5, holdMs: 100 };
    const { limiter } = limiterWith({
      store: { limits: { ...limits, settle } },
      clock,
      batches,
      tiers: { free: { limit: 60, burst: 40 } },
    });
    expect((await limiter.check(ADA)).allowed).toBe(true);
    expect(limiter.status().batchedUnits).toBeGreaterThan(0);
    clock.advance(100); // runs the timer
    expect([givenBack, limiter.status().batchedUnits]).toEqual([1, 0]);
  });

  it("local is the default, and takes a cost above its part for the whole of it", async () => {
    const { store, limiter } = onFlakyStore({ instances: 10, tiers: { free: { limit: 60, burst: 40 } } });
    store.isDown = true;
    expect(await limiter.check({ ...ADA, cost: 40 })).toMatchObject({ allowed: true, remaining: 0, degraded: "local" });
    expect(await limiter.check({ ...ADA, cost: 41 })).toMatchObject({ allowed: false, code: "COST_EXCEEDS_CAPACITY" });
  });

  it("RL-52 what this process answers promises no policy: it enforces its part of one", async () => {
    const { store, limiter } = onFlakyStore({ instances: 4, tiers: { free: { limit: 60, burst: 20 } } });
    store.isDown = true;
    expect((await limiter.check(ADA)).headers()).toEqual([["ratelimit", '"authenticated";r=4;t=4']]);
  });

  it("RL-51 peek looks at this instance's part too", async () => {
    const { store, limiter } = onFlakyStore({ instances: 4, tiers: { free: { limit: 60, burst: 8 } } });
    store.isDown = true;
    expect(await limiter.peek(ADA)).toMatchObject({ allowed: true, remaining: 2 });
    for (const remaining of [1, 0]) {
      expect(await limiter.check(ADA)).toMatchObject({ allowed: true, remaining });
      expect((await limiter.peek(ADA)).remaining).toBe(remaining);
    }
    const [looked, checked] = [await limiter.peek(ADA), await limiter.check(ADA)];
    expect([looked.allowed, looked.retryAfterMs]).toEqual([checked.allowed, checked.retryAfterMs]);
    expect(checked.allowed).toBe(false);
  });

  it("RL-52 an answer that the store gave is not degraded, and one that it did not give is", async () => {
    const { store, limiter } = onFlakyStore();
    expect((await limiter.check(ADA)).degraded).toBeUndefined();
    store.isDown = true;
    expect((await limiter.check(ADA)).degraded).toBe("local");
    expect((await limiter.peek(ADA)).degraded).toBe("local");
    store.isDown = false;
    expect((await limiter.check(ADA)).degraded).toBeUndefined();
  });

  it("says so once, and once when it is over", async () => {
    const { store, limiter, events } = onFlakyStore();
    store.isDown = true;
    await limiter.check(ADA);
    await limiter.check(ADA);
    store.isDown = false;
    await limiter.check(ADA);
    await limiter.check(ADA);
    expect(events).toEqual([
      { type: "store_unavailable", outage: "local", error: expect.any(StoreUnavailable) },
      { type: "store_recovered" },
    ]);
  });

  it("a refund goes where the charge went", async () => {
    const { store, limiter } = onFlakyStore({ tiers: { free: { limit: 1, burst: 10 } } });
    const stored = await limiter.check({ ...ADA, cost: 4 });
    store.isDown = true;
    const local = await limiter.check({ ...ADA, cost: 7 });
    await expect(stored.refund()).rejects.toThrow(StoreUnavailable);
    store.isDown = false;
    expect((await limiter.peek(ADA)).remaining).toBe(6);
    store.isDown = true;
    // 4 were used when the store was last heard, so 7 did not fit; nothing was charged, and nothing is given back.
    expect(local.allowed).toBe(false);
    const fitting = await limiter.check({ ...ADA, cost: 5 });
    expect([fitting.degraded, (await limiter.peek(ADA)).remaining]).toEqual(["local", 1]);
    await fitting.refund();
    expect((await limiter.peek(ADA)).remaining).toBe(6);
  });

  it("a store that throws at once is an outage as well", () => {
    const limits: Limits = {
      ...createMemoryStore().limits,
      consume: () => {
        throw new StoreUnavailable("limits.consume");
      },
    };
    const { limiter } = limiterWith({ store: { limits } });
    expect(limiter.check(ADA)).toMatchObject({ allowed: true, degraded: "local" });
  });

  it("any other exception is a fault: the request fails closed under every policy", async () => {
    for (const onOutage of ["open", "closed", "local"] as const) {
      const limits: Limits = { ...createMemoryStore().limits, consume: () => Promise.reject(new TypeError("broken store")) };
      const { limiter } = limiterWith({ store: { limits }, onOutage });
      const run = await createGuardChain([limiter.limitFloor()]).run(requestOf());
      expect(run.stop).toMatchObject({ kind: "deny", problem: { status: 500 } });
    }
  });

  it("reset fills the local limits too", async () => {
    const { store, limiter } = onFlakyStore({ tiers: { free: { limit: 1, burst: 1 } } });
    store.isDown = true;
    await limiter.check(ADA);
    store.isDown = false;
    await limiter.reset({ subject: "ada" });
    store.isDown = true;
    expect(await limiter.check(ADA)).toMatchObject({ allowed: true, degraded: "local" });
  });
});

describe("an observer that throws", () => {
  it("changes no decision, keeps no place and hangs no check", async () => {
    const clock = createManualClock();
    const store = flakyStore(createMemoryStore({ clock }).limits);
    const onEvent = () => {
      throw new Error("the log is down");
    };
    const silent = { ...store.limits, consume: () => new Promise<never>(() => {}) };
    const { limiter } = limiterWith({ store: { limits: silent }, clock, onEvent, onOutage: "closed" });
    const late = [limiter.check(ADA), limiter.check(ADA)].map(async (one) => one);
    clock.advance(100);
    for (const decision of await Promise.all(late))
      expect(decision).toMatchObject({ code: "LIMITER_UNAVAILABLE", degradedReason: "deadline" });
    const denied = limiterWith({ store, clock, onEvent, tiers: { free: { limit: 1, burst: 1 } } }).limiter;
    await denied.check(ADA);
    expect((await denied.check(ADA)).code).toBe("RATE_LIMIT");
  });
});

describe("the metrics", () => {
  function recordingMetrics(): { metrics: Metrics; series: Map<string, number> } {
    const series = new Map<string, number>();
    const add = (name: string, labels: object = {}, amount = 1) => {
      const key = [name, ...Object.values(labels)].join(" ");
      series.set(key, (series.get(key) ?? 0) + amount);
    };
    const metrics: Metrics = {
      counter: ({ name }) => ({ add: (labels, amount) => add(name, labels, amount) }),
      gauge: () => ({ set: () => {} }),
      histogram: ({ name }) => ({ observe: (_value, labels) => add(name, labels) }),
    };
    return { metrics, series };
  }

  it("count every limit by outcome, store errors, unknown tiers and the time taken", async () => {
    const { metrics, series } = recordingMetrics();
    const { store, limiter } = onFlakyStore({ metrics, tiers: { free: { limit: 1, burst: 1 } } });
    await limiter.check({ ...ADA, tier: "gold" });
    await limiter.check(ADA);
    await limiter.check(ADA);
    await limiter.check({ phase: "floor", ipKey: "192.0.2.1" });
    store.isDown = true;
    await limiter.check({ ...ADA, subject: "bob" });
    expect(Object.fromEntries(series)).toEqual({
      "rate_limit_checks_total authenticated allowed": 2,
      "rate_limit_checks_total authenticated denied": 2,
      "rate_limit_checks_total floor allowed": 1,
      "rate_limit_store_errors_total local": 1,
      "rate_limit_degraded_total local store_failed": 1,
      rate_limit_denial_cache_hits_total: 1,
      rate_limit_unknown_tiers_total: 1,
      rate_limit_check_seconds: 5,
    });
  });

  it("RL-80 have as many series after 10,000 users as after one", () => {
    const { metrics, series } = recordingMetrics();
    const { limiter } = limiterWith({ metrics });
    const guard = limiter.limitAuthenticated();
    for (let user = 0; user < 10_000; user += 1) now(guard.check(requestOf({ principal: userOf(`user-${user}`) })));
    expect(series.size).toBe(2);
  });

  it("a refusal is an event that names the holder, for audit", () => {
    const { limiter, events } = limiterWith({ tiers: { free: { limit: 1, burst: 1 } } });
    const guard = limiter.limitAuthenticated();
    for (const _ of [1, 2]) now(guard.check(requestOf({ principal: userOf("ada") })));
    expect(events).toEqual([{ type: "denied", phase: "identified", key: "user:ada", violated: ["authenticated"] }]);
  });
});
