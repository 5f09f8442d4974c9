import { inspect } from "node:util";
import { createGuardChain, createMemoryStore, defineProblem, type Metrics } from "@portcullis/core";
import { explain, lintRateLimits, limitPresets, RateLimited, type RateLimiterOptions, withRateLimit } from "@portcullis/rate-limit";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { flakyStore, limiterWith, now, WIDE } from "./limiter.js";
import { requestOf, userOf } from "./request.js";

const ADA = { phase: "identified", subject: "ada" } as const;
const ONE = { tiers: { free: { limit: 1, burst: 1 } } };

describe("limits on trial", () => {
  it("are counted and told of, and refuse nobody", () => {
    const outcomes: string[] = [];
    const metrics: Metrics = {
      counter: ({ name }) => ({
        add: (labels) => void (name.includes("shadow") && outcomes.push(`${labels?.["policy"]} ${labels?.["outcome"]}`)),
      }),
      gauge: () => ({ set: () => {} }),
      histogram: () => ({ observe: () => {} }),
    };
    const shadow = { tiers: ONE.tiers, operations: { export: { limit: 2, burst: 2 } } };
    const { limiter, events } = limiterWith({ metrics, shadow, operations: { export: { limit: 100 } } });
    const decisions = [1, 2, 3].map(() => now(limiter.check({ ...ADA, operation: "export" })));
    expect(decisions.every(({ allowed }) => allowed)).toBe(true);
    expect(outcomes).toEqual([
      ...["authenticated allowed", "export allowed"],
      ...["authenticated denied", "export allowed"],
      ...["authenticated denied", "export allowed"],
    ]);
    expect(events).toEqual(
      [1, 2].map(() => ({ type: "shadow_denied", phase: "identified", key: "user:ada", violated: ["authenticated"] })),
    );
    expect(decisions[2]?.headers()[1]?.[1]).toBe('"authenticated";r=57;t=18, "export";r=197;t=2');
  });

  it("charge nothing real, and see only what the real limits allowed", () => {
    const { limiter, events } = limiterWith({ ...ONE, shadow: { tiers: { free: { limit: 5, burst: 5 } }, floor: { limit: 1, burst: 1 } } });
    for (const _ of [1, 2, 3]) now(limiter.check(ADA));
    expect(events.map(({ type }) => type)).toEqual(["denied", "denied"]);
    for (const _ of [1, 2]) now(limiter.check({ phase: "floor", ipKey: "192.0.2.1" }));
    expect(events.at(-1)).toEqual({ type: "shadow_denied", phase: "floor", key: "ip:192.0.2.1", violated: ["floor"] });
  });

  it("cannot fail a request", async () => {
    const clock = createManualClock();
    const store = flakyStore(createMemoryStore({ clock }).limits);
    const { limiter } = limiterWith({ store, clock, shadow: { tiers: ONE.tiers, unauthenticated: { limit: 1 } } });
    store.isDown = true;
    expect((await limiter.check(ADA)).allowed).toBe(true);
    expect((await limiter.check({ phase: "anonymous", ipKey: "192.0.2.1" })).allowed).toBe(true);
  });

  it("are checked at construction, under their own names", () => {
    expect(() => limiterWith({ shadow: { tiers: { free: { limit: 0 } } } })).toThrow(/shadow.tiers.free.limit/);
  });
});

describe("explain", () => {
  it("says what was asked, what is left, how long to wait, and who decided", () => {
    const { limiter } = limiterWith({ ...ONE, operations: { export: { limit: 10, burst: 10, maxInFlight: 2 } } });
    now(limiter.check({ ...ADA, operation: "export" }));
    expect(explain(now(limiter.check({ ...ADA, operation: "export" })))).toEqual([
      "Refused: RATE_LIMIT, by authenticated.",
      "The same check can pass in 60000 ms.",
      "authenticated: 0 of 1 left, one more every 60000 ms, full in 60000 ms, refuses for 60000 ms.",
      "export: 9 of 10 left, one more every 6000 ms, full in 6000 ms.",
      "export.inflight: 1 of 2 places left.",
      "Decided by the store.",
    ]);
  });

  it("has a sentence for every way to decide", async () => {
    const clock = createManualClock();
    const store = flakyStore(createMemoryStore({ clock }).limits);
    const last = (decision: Parameters<typeof explain>[0]) => explain(decision).at(-1);
    const { limiter } = limiterWith({ ...ONE, store, clock, deny: { subjects: ["mallory"] } });
    await limiter.check(ADA);
    await limiter.check(ADA);
    expect(last(await limiter.check(ADA))).toContain("remembers");
    expect(last(await limiter.check({ ...ADA, subject: "mallory" }))).toContain("by a list");
    store.isDown = true;
    expect(last(await limiter.check({ ...ADA, subject: "bob" }))).toBe(
      "The store was not heard (store_failed): decided by the limits of this process.",
    );
    const open = limiterWith({ store, clock, onOutage: "open" }).limiter;
    expect(last(await open.check(ADA))).toBe('The store was not heard (store_failed): decided by the policy "open".');
    expect(explain(await limiter.check({ ...ADA, subject: "bob", cost: 2 }))).toContain("Waiting does not help.");
  });

  it("a decision in a log shows what it says", () => {
    const { limiter } = limiterWith();
    const decision = now(limiter.check(ADA));
    expect(JSON.parse(JSON.stringify(decision))).toMatchObject({ allowed: true, remaining: 59, limits: [{ name: "authenticated" }] });
    expect(inspect(decision)).toContain("remaining: 59");
  });
});

describe("the linter", () => {
  const SOUND = {
    floor: { limit: 3_000, burst: 6_000 },
    unauthenticated: { limit: 10 },
    tiers: limitPresets.tiers,
    defaultTier: "free",
  } as const;
  const codes = (options: Partial<RateLimiterOptions>) =>
    lintRateLimits({ ...SOUND, ...options }).map(({ code, option }) => [code, option]);

  it("finds nothing in the presets", () => {
    expect(codes({ allow: { addresses: ["10.0.0.0/8", "fd00::/8"] } })).toEqual([]);
  });

  it.each<[Partial<RateLimiterOptions>, string, string]>([
    [{ operations: { ping: { limit: 100_000 } } }, "operation_above_floor", "operations.ping"],
    [{ tiers: { free: { limit: 10, burst: 100 }, paid: { limit: 20, burst: 20 } } }, "tier_order", "tiers.paid"],
    [{ tiers: { free: { limit: 10, burst: 1_000 } } }, "burst_of_hours", "tiers.free"],
    [{ operations: { all: { limit: 1_000_000, periodMs: 1_000, burst: 5_000 } } }, "huge_sustained_rate", "operations.all"],
    [{ unauthenticated: { kind: "window", limit: 10 } }, "askew_window", "unauthenticated"],
    [{ unauthenticated: { limit: 20 } }, "anonymous_above_tier", "unauthenticated"],
    [{ onOutage: "open" }, "open_outage", "onOutage"],
    [{ instances: 4, store: createMemoryStore() }, "unshared_store", "store"],
    [{ exclude: ["/"] }, "wide_exclusion", "exclude"],
    [{ allow: { addresses: ["8.0.0.0/7", "10.0.0.0/8", "192.0.2.1"] } }, "allowed_everywhere", "allow.addresses[0]"],
  ])("%o is worth a look", (options, code, option) => {
    expect(codes(options)).toContainEqual([code, option]);
  });

  it("says what can happen and what to do", () => {
    for (const finding of lintRateLimits({ ...SOUND, onOutage: "open", exclude: ["/"] })) {
      expect(finding.message.length).toBeGreaterThan(20);
      expect(finding.fix.length).toBeGreaterThan(10);
    }
  });

  it.each<[object, RegExp]>([
    [{ onOutage: "opn" }, /onOutage/],
    [{ exclude: ["health/"] }, /exclude/],
    [{ allow: { addresses: ["nonsense"] } }, /allow.addresses/],
    [{ operation: {} }, /"operation"/],
  ])("throws where a limiter would: %o", (wrong, message) => {
    expect(() => lintRateLimits({ ...SOUND, ...wrong })).toThrow(message);
  });

  it("throws where a limiter would", () => {
    expect(() => lintRateLimits({ ...SOUND, defaultTier: "gold" })).toThrow(/defaultTier/);
  });
});

describe("withRateLimit", () => {
  const make = () => {
    const { limiter } = limiterWith({ operations: { sum: { limit: 2, burst: 2, maxInFlight: 1 } } });
    const checkOf = (subject: string) => ({ phase: "operation", operation: "sum", by: { subject } }) as const;
    return { limiter, checkOf };
  };

  it("runs what is allowed, and throws the decision for what is not", async () => {
    const { limiter, checkOf } = make();
    let runs = 0;
    const sum = withRateLimit(limiter, checkOf, (_subject: string, a: number, b: number) => ((runs += 1), a + b));
    expect([await sum("ada", 1, 2), await sum("ada", 3, 4)]).toEqual([3, 7]);
    const refusal: unknown = await sum("ada", 5, 6).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(RateLimited);
    expect(refusal).toMatchObject({ code: "rate_limited", decision: { code: "RATE_LIMIT" }, message: expect.stringContaining("30000 ms") });
    expect(runs).toBe(2);
  });

  it("gives the place in flight back, also when the function throws", async () => {
    const { limiter, checkOf } = make();
    const failing = withRateLimit(limiter, checkOf("ada"), () => Promise.reject(new Error("broken")));
    await expect(failing()).rejects.toThrow("broken");
    await expect(failing()).rejects.toThrow("broken");
    expect(now(limiter.peek(checkOf("ada"))).concurrency?.remaining).toBe(1);
  });
});

describe("the status", () => {
  it("tells every limit with its counts, caps with places held, and who is refused most", () => {
    const { limiter } = limiterWith({ ...ONE, operations: { export: { limit: 10, maxInFlight: 2 } } });
    for (const _ of [1, 2, 3]) now(limiter.check(ADA));
    now(limiter.check({ phase: "operation", operation: "export", by: { subject: "bob" } }));
    const status = limiter.status();
    expect(status.policies.map(({ name, tier }) => [name, tier])).toEqual([
      ["floor", undefined],
      ["unauthenticated", undefined],
      ["authenticated", "free"],
      ["export", undefined],
    ]);
    expect(status.policies[2]).toMatchObject({
      description: "1 per 60000 ms, burst 1",
      outcomes: { allowed: 1, denied: 2, open: 0, closed: 0 },
    });
    expect(status.caps).toEqual([{ name: "export.inflight", capacity: 2, held: 1 }]);
    expect(status.refused).toEqual([{ key: "user:ada", holder: { subject: "ada" }, count: 2, missed: 0 }]);
    expect(status).toMatchObject({ breaker: "closed", outagePolicy: "local", rememberedDenials: 0, batchedUnits: 0 });
    expect(JSON.parse(JSON.stringify(status))).toMatchObject({ breaker: "closed" });
  });

  it("RL-32 says, and the metrics say, that the memory is full and newcomers share limits", () => {
    const gauges = new Map<string, number>();
    const metrics: Metrics = {
      counter: () => ({ add: () => {} }),
      gauge: ({ name }) => ({ set: (value, labels) => void gauges.set([name, ...Object.values(labels ?? {})].join(" "), value) }),
      histogram: () => ({ observe: () => {} }),
    };
    const clock = createManualClock();
    const { limiter } = limiterWith({ metrics, clock, store: createMemoryStore({ clock, maxLimitCells: 100 }) });
    for (let user = 0; user < 100; user += 1) now(limiter.check({ ...ADA, subject: `user-${user}` }));
    expect(limiter.status().store).toMatchObject({ cells: 100, isFull: false });
    for (let user = 0; user < 412; user += 1) now(limiter.check({ ...ADA, subject: `other-${user}` }));
    expect(limiter.status().store).toMatchObject({ cells: 100, isFull: true });
    expect([gauges.get("rate_limit_keys store"), gauges.get("rate_limit_saturated")]).toEqual([100, 1]);
  });

  it("names who is refused most, however many others there are, in bounded memory", () => {
    const { limiter } = limiterWith(ONE);
    for (let user = 0; user < 2_000; user += 1) {
      for (const subject of [`user-${user}`, `user-${user}`, "mallory"]) now(limiter.check({ ...ADA, subject }));
    }
    const { refused } = limiter.status();
    expect(refused.length).toBeLessThanOrEqual(32);
    expect(refused[0]?.key).toBe("user:mallory");
  });
});

describe("refusals", () => {
  it("RL-74 the wait that is told can be lengthened at random, and is never shortened", () => {
    let random = 0;
    const { limiter } = limiterWith({ ...ONE, retryJitter: 0.5, random: () => random });
    now(limiter.check(ADA));
    const told = [0, 0.5, 0.999].map((value) => {
      random = value;
      const decision = now(limiter.check(ADA));
      return [decision.retryAfterMs, decision.problem()?.retryAfter];
    });
    expect(told).toEqual([
      [60_000, 60],
      [60_000, 75],
      [60_000, 90],
    ]);
    expect(() => limiterWith({ retryJitter: 1.5 })).toThrow(/retryJitter/);
  });

  it("RL-72 have the draft's problem types, which can be set", () => {
    const problemTypes = { quotaExceeded: "https://example.com/too-often" };
    const typeOf = (options: Partial<RateLimiterOptions>) => {
      const { limiter } = limiterWith({ ...ONE, ...options });
      now(limiter.check(ADA));
      return now(limiter.check(ADA)).problem()?.type;
    };
    expect(typeOf({})).toBe("https://iana.org/assignments/http-problem-types#quota-exceeded");
    expect(typeOf({ problemTypes })).toBe(problemTypes.quotaExceeded);
    expect(() => limiterWith({ problemTypes: { concurrency: "too many" } })).toThrow(/problemTypes.concurrency/);
    expect(defineProblem({ code: 5901, category: "rate_limit", status: 429, detail: "x" })().type).not.toBe(typeOf({}));
  });

  it("RL-21 clients without a readable address share one bucket, and are counted", () => {
    let unknown = 0;
    const metrics: Metrics = {
      counter: ({ name }) => ({ add: () => void (unknown += name === "rate_limit_unknown_addresses_total" ? 1 : 0) }),
      gauge: () => ({ set: () => {} }),
      histogram: () => ({ observe: () => {} }),
    };
    const { limiter } = limiterWith({ metrics, unauthenticated: { limit: 2, burst: 2 } });
    const chain = createGuardChain([limiter.limitUnauthenticated()]);
    const kinds = ["garbage", "01.2.3.4", "[v6]:443"].map((ip) => now(chain.run(requestOf({ ip }))).stop?.kind);
    expect(kinds).toEqual([undefined, undefined, "deny"]);
    expect(unknown).toBe(3);
  });

  it("RL-80 every metric has the labels it always has: 10,000 users, tiers, outages and places later", async () => {
    const series = new Set<string>();
    const metrics: Metrics = {
      counter: ({ name }) => ({ add: (labels) => void series.add(name + JSON.stringify(labels ?? {})) }),
      gauge: ({ name }) => ({ set: (_value, labels) => void series.add(name + JSON.stringify(labels ?? {})) }),
      histogram: ({ name }) => ({ observe: (_value, labels) => void series.add(name + JSON.stringify(labels ?? {})) }),
    };
    const clock = createManualClock();
    const store = flakyStore(createMemoryStore({ clock }).limits);
    const { limiter } = limiterWith({ ...WIDE, store, clock, metrics, operations: { export: { limit: 5, maxInFlight: 1 } }, shadow: ONE });
    const guard = createGuardChain([limiter.limitOperation("export")]);
    const serve = async (user: number) => {
      store.isDown = user % 7 === 0;
      clock.advance(200);
      (await guard.run(requestOf({ principal: userOf(`user-${user}`, user % 2 === 0 ? "acme" : undefined) }))).settle?.({
        kind: "aborted",
      });
    };
    for (let user = 0; user < 600; user += 1) await serve(user);
    const before = series.size;
    for (let user = 600; user < 3_000; user += 1) await serve(user);
    expect(series.size).toBe(before);
    expect(before).toBeLessThan(30);
    expect([...series].some((one) => one.includes("user-"))).toBe(false);
  });
});
