import { createMemoryStore } from "@portcullis/core";
import { createRateLimiter, limitPresets, type RateLimiterOptions } from "@portcullis/rate-limit";
import { describe, expect, it } from "vitest";
import { limiterWith, now, WIDE } from "./limiter.js";

const withOptions = (options: Partial<RateLimiterOptions>) => () => createRateLimiter({ ...WIDE, store: createMemoryStore(), ...options });
const withTier = (rule: object) => withOptions({ tiers: { free: rule as { limit: number } } }); // wrong on purpose

describe("the floor", () => {
  it("RL-11 must have at least the capacity of every tier; the error names both limits", () => {
    expect(withOptions({ floor: { limit: 6_000, burst: 1_999 } })).toThrow(
      /"floor" \(6000 .* burst 1999\).*"tiers.enterprise" \(1000 .* burst 2000\)/,
    );
  });

  it("RL-11 must have at least the rate of every tier, whatever the periods: 500 a minute is less than 10 a second", () => {
    const tiers = { free: { limit: 10, periodMs: 1_000, burst: 10 } };
    expect(withOptions({ tiers, unauthenticated: { limit: 1 }, floor: { limit: 500, burst: 10 } })).toThrow(/"tiers.free"/);
    expect(withOptions({ tiers, unauthenticated: { limit: 1 }, floor: { limit: 600, burst: 10 } })).not.toThrow();
  });

  it("RL-11 must dominate the unauthenticated limit", () => {
    expect(withOptions({ unauthenticated: { limit: 6_001, burst: 1 } })).toThrow(/"unauthenticated"/);
  });

  it("RL-11 may equal what it stands above", () => {
    const rule = { limit: 7, periodMs: 1_000, burst: 9 };
    expect(withOptions({ floor: rule, unauthenticated: rule, tiers: { free: rule } })).not.toThrow();
  });

  it("may be lower than an operation: that is an event, not an error", () => {
    const { events } = limiterWith({ operations: { ping: { limit: 100_000 }, export: { limit: 1 } } });
    expect(events).toEqual([{ type: "operation_exceeds_floor", operation: "ping" }]);
  });
});

describe("options", () => {
  it.each([
    [{ tiers: { free: { limit: 1, windowMs: 1_000 } } }, /tiers.free.windowMs.*periodMs/],
    [{ tiers: { free: { limit: 1, max: 5 } } }, /tiers.free.max/],
    [{ operation: { export: { limit: 1 } } }, /"operation"/],
    [{ exclude: ["/health/*"] }, /exclude\[0\]/],
  ])("a name that means nothing here is refused: %o", (wrong, message) => {
    // Wrong on purpose: what a JavaScript caller could pass.
    expect(withOptions(wrong as Partial<RateLimiterOptions>)).toThrow(message);
  });

  it("RL-11 every limit of the floor must reach up to a tier, and up to what a window lets through at once", () => {
    const ceiling = { kind: "window", limit: 10, periodMs: 3_600_000 } as const;
    expect(withOptions({ floor: { limit: 6_000, burst: 12_000, ceiling } })).toThrow(/"floor" \(10 per 3600000 ms, by window\)/);
    const tiers = { free: { kind: "window", limit: 1_000 } } as const;
    expect(withOptions({ tiers, unauthenticated: { limit: 1, burst: 1 }, floor: { limit: 1_000, burst: 1 } })).toThrow(/"tiers.free"/);
    expect(withOptions({ apiKeys: { limit: 100_000 } })).toThrow(/"apiKeys"/);
  });

  it("RL-07 tiers of different kinds are refused: who changes tiers would have a fresh limit of each", () => {
    const tiers = { free: { limit: 10 }, paid: { kind: "calendar", limit: 10_000, period: "month" } } as const;
    expect(withOptions({ tiers, defaultTier: "free" })).toThrow(/"tiers".*different kinds \(bucket; calendar\)/);
    const window = { limit: 10, ceiling: { kind: "window", limit: 10 } } as const;
    const calendar = { limit: 10, ceiling: { kind: "calendar", limit: 10, period: "day" } } as const;
    expect(withOptions({ tiers: { free: window, paid: calendar } })).toThrow(/ceilings of different kinds \(window; calendar\)/);
    expect(withOptions({ tiers: { free: window, paid: { limit: 10 } } })).not.toThrow();
  });

  it("a burst that takes more than a hundred years to come back is refused", () => {
    expect(withTier({ limit: 1, periodMs: 366 * 86_400_000, burst: 101 })).toThrow(/tiers.free.burst/);
  });

  it("a check that names nobody, or nothing, is refused, and charges nothing", () => {
    const { limiter } = limiterWith({ operations: { export: { limit: 1 } } });
    const wrong = [
      undefined,
      {},
      { subject: "ada" },
      { phase: "foo", subject: "ada" },
      { phase: "identified" },
      { phase: "floor", ip: "192.0.2.1" },
      { phase: "operation", operation: "export" },
      { phase: "operation", operation: "export", by: { user: "ada" } },
    ];
    for (const check of wrong) {
      // @ts-expect-error Wrong on purpose: what a JavaScript caller could pass.
      expect(() => limiter.check(check), JSON.stringify(check)).toThrow(expect.objectContaining({ code: "invalid_check" }));
    }
    for (const holder of ["ada", undefined, { user: "ada" }, { subject: 5 }]) {
      // @ts-expect-error Wrong on purpose.
      expect(() => limiter.reset(holder)).toThrow(expect.objectContaining({ code: "invalid_check" }));
    }
  });

  it.each([
    [{ limit: 0 }, /"tiers.free.limit" is the number 0; it must be an integer of 1 to 1000000000/],
    [{ limit: 1.5 }, /tiers.free.limit/],
    [{ limit: Number.NaN }, /tiers.free.limit/],
    [{ limit: "60" }, /tiers.free.limit" is a string/],
    [{ limit: 1, burst: 0 }, /tiers.free.burst/],
    [{ limit: 1, burst: 1e10 }, /tiers.free.burst/],
    [{ limit: 1, periodMs: 0 }, /tiers.free.periodMs/],
    [{ limit: 1, periodMs: Infinity }, /tiers.free.periodMs/],
    [{ limit: 1, burst: 5, burstMultiplier: 2 }, /tiers.free.burstMultiplier/],
    [{ limit: 1, burstMultiplier: 0 }, /tiers.free.burstMultiplier/],
    [{ limit: 1, periodMs: "1000" }, /tiers.free.periodMs/],
    [{ limit: 1, burstMultiplier: "2" }, /tiers.free.burstMultiplier/],
    [null, /tiers.free/],
  ])("a limit of %o is refused at construction", (rule, message) => {
    // The cast inside withTier lets null through as well.
    expect(withTier(rule as object)).toThrow(message);
  });

  it.each([
    ["defaultTier", { defaultTier: "gold" }],
    ["defaultTier", { defaultTier: "constructor" }],
    ["headers", { headers: "draft-10" }],
    ["onOutage", { onOutage: "ignore" }],
    ["instances", { instances: 0 }],
    ["instances", { instances: 1.5 }],
    ["operations", { operations: { floor: { limit: 1 } } }],
    ["operations", { operations: { "": { limit: 1 } } }],
    ["operations", { operations: { "chat create": { limit: 1 } } }],
    ["operations.chat.cost", { operations: { chat: { limit: 1, cost: -1 } } }],
    ["store", { store: undefined }],
    ["store", { store: {} }],
    ["tierOf", { tierOf: "free" }],
    ["onEvent", { onEvent: {} }],
    ["exclude", { exclude: ["health"] }],
    ["exclude", { exclude: ["/a/../b"] }],
    ["exclude", { exclude: ["/health/"] }],
    ["exclude", { exclude: ["/he%61lth"] }],
  ])("a wrong %s is refused at construction: %o", (path, wrong) => {
    // Wrong on purpose: what a JavaScript caller could pass.
    expect(withOptions(wrong as Partial<RateLimiterOptions>)).toThrow(
      expect.objectContaining({ code: "invalid_option", message: expect.stringContaining(path) }),
    );
  });

  it("a floor is enough: what has no limit is not limited further, and says nothing", () => {
    const limiter = createRateLimiter({ store: createMemoryStore(), floor: { limit: 1, burst: 1 } });
    const ask = (phase: "floor" | "anonymous") => now(limiter.check({ phase, ipKey: "192.0.2.1" }));
    expect([ask("floor").allowed, ask("floor").allowed]).toEqual([true, false]);
    expect([ask("anonymous").allowed, ask("anonymous").headers()]).toEqual([true, []]);
    expect(now(limiter.check({ phase: "identified", subject: "ada", tier: "gold" }))).toMatchObject({ allowed: true, limits: [] });
  });

  it("the burst is twice the limit unless given", () => {
    const { limiter } = limiterWith({ tiers: { free: { limit: 60 } } });
    expect(limiter.peek({ phase: "identified", subject: "ada" })).toMatchObject({ limit: 120 });
  });

  it("the presets are the documented ones and fit under one floor", () => {
    expect(limitPresets.tiers).toEqual({
      free: { limit: 10, burst: 60 },
      starter: { limit: 50, burst: 100 },
      professional: { limit: 200, burst: 400 },
      enterprise: { limit: 1_000, burst: 2_000 },
    });
    expect(withOptions({ tiers: limitPresets.tiers, unauthenticated: limitPresets.address })).not.toThrow();
  });

  it("are read once: what the caller changes afterwards changes nothing", () => {
    const tiers = { free: { limit: 1, burst: 1 } };
    const { limiter } = limiterWith({ tiers });
    tiers.free.burst = 1_000;
    expect(limiter.peek({ phase: "identified", subject: "ada" })).toMatchObject({ limit: 1 });
  });

  it("an operation that is not configured is refused by the guard at construction and by check", () => {
    const { limiter } = limiterWith<string>({ operations: { export: { limit: 1 } } });
    expect(() => limiter.limitOperation("imprt")).toThrow(expect.objectContaining({ code: "invalid_option" }));
    expect(() => limiter.check({ phase: "identified", subject: "ada", operation: "imprt" })).toThrow(
      expect.objectContaining({ code: "unknown_operation" }),
    );
  });

  it("names of operations and the default tier are checked by the compiler", () => {
    const make = () =>
      createRateLimiter({
        store: createMemoryStore(),
        floor: { limit: 10 },
        unauthenticated: { limit: 1 },
        tiers: { free: { limit: 1 } },
        // @ts-expect-error Not a tier.
        defaultTier: "gold",
        operations: { export: { limit: 1 } },
      });
    expect(make).toThrow(/defaultTier/);
    const { limiter } = limiterWith({ operations: { export: { limit: 1 } } });
    expect(limiter.limitOperation("export").name).toBe("limit-operation:export");
    // @ts-expect-error Not an operation.
    expect(() => limiter.limitOperation("imprt")).toThrow();
    // @ts-expect-error A limiter without operations has none.
    expect(() => limiterWith().limiter.limitOperation("export")).toThrow();
  });
});
