import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCalendar } from "../src/calendar.js";
import { limiterWith, now } from "./limiter.js";

const ADA = { phase: "identified", subject: "ada" } as const;
const HOUR_MS = 3_600_000;
const at = (text: string): number => Date.parse(text);

describe("a window", () => {
  const hourly = (limit: number) => ({ tiers: { free: { kind: "window" as const, limit, periodMs: HOUR_MS } } });

  it("lets its limit through in each of its periods, and the share of the one before counts", () => {
    const { limiter, clock } = limiterWith(hourly(10));
    // The monotonic clock of the tests does not begin at the edge of an hour.
    clock.advance(HOUR_MS - (clock.monotonic() % HOUR_MS));
    expect(now(limiter.check({ ...ADA, cost: 10 })).allowed).toBe(true);
    expect(now(limiter.check(ADA))).toMatchObject({ allowed: false, policy: "authenticated" });
    clock.advance(HOUR_MS);
    expect(now(limiter.check(ADA)).allowed).toBe(false);
    clock.advance(HOUR_MS / 2);
    expect(now(limiter.peek(ADA)).remaining).toBe(5);
    expect(now(limiter.check({ ...ADA, cost: 5 })).allowed).toBe(true);
    expect(now(limiter.check(ADA)).allowed).toBe(false);
  });

  it("RL-02 admits less than twice its limit in any window, and at most its limit in its own", () => {
    const arrivals = fc.array(fc.record({ waitMs: fc.nat(400), cost: fc.integer({ min: 1, max: 4 }) }), { maxLength: 80 });
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 4, max: 20 }), (calls, limit) => {
        const { limiter, clock } = limiterWith({ tiers: { free: { kind: "window", limit, periodMs: 1_000 } } });
        const admitted: { at: number; cost: number }[] = [];
        for (const { waitMs, cost } of calls) {
          clock.advance(waitMs);
          if (now(limiter.check({ ...ADA, cost })).allowed) admitted.push({ at: clock.monotonic(), cost });
        }
        const sum = (from: number, to: number) =>
          admitted.filter((one) => one.at >= from && one.at < to).reduce((total, { cost }) => total + cost, 0);
        for (const { at: from } of admitted) {
          expect(sum(from, from + 1_000)).toBeLessThan(2 * limit);
          const own = Math.floor(from / 1_000) * 1_000;
          expect(sum(own, own + 1_000)).toBeLessThanOrEqual(limit);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("RL-71 obeying its wait succeeds, and ten ms less does not", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.nat(999),
        fc.nat(999),
        fc.integer({ min: 1, max: 50 }),
        (limit, first, second, cost) => {
          const { limiter, clock } = limiterWith({ tiers: { free: { kind: "window", limit, periodMs: 1_000 } } });
          clock.advance(first);
          now(limiter.check({ ...ADA, cost: limit }));
          clock.advance(second);
          const wanted = { ...ADA, cost: Math.min(cost, limit) };
          const { allowed, retryAfterMs = 0 } = now(limiter.check(wanted));
          if (allowed) return;
          clock.advance(Math.max(0, retryAfterMs - 10));
          if (retryAfterMs > 10) expect(now(limiter.peek(wanted)).allowed).toBe(false);
          clock.advance(Math.min(10, retryAfterMs) + 1e-6);
          expect(now(limiter.check(wanted)).allowed).toBe(true);
        },
      ),
    );
  });

  it("RL-06 a refund restores what was charged in it, and nothing once its time is over", () => {
    const { limiter, clock } = limiterWith(hourly(10));
    const decision = now(limiter.check({ ...ADA, cost: 6 }));
    now(decision.refund(2));
    expect(now(limiter.peek(ADA)).remaining).toBe(6);
    const late = now(limiter.check({ ...ADA, cost: 6 }));
    clock.advance(3 * HOUR_MS);
    now(limiter.check({ ...ADA, cost: 4 }));
    now(late.refund());
    expect(now(limiter.peek(ADA)).remaining).toBe(6);
  });

  it("keeps what is used, in units, when its limit changes", () => {
    const { limiter } = limiterWith({ tiers: { free: { kind: "window", limit: 10 }, enterprise: { kind: "window", limit: 100 } } });
    now(limiter.check({ ...ADA, cost: 10 }));
    expect(now(limiter.peek({ ...ADA, tier: "enterprise" })).remaining).toBe(90);
  });
});

describe("a quota of the calendar", () => {
  const monthly = (timeZone?: string) => ({
    tiers: { free: { kind: "calendar" as const, limit: 3, period: "month" as const, ...(timeZone === undefined ? {} : { timeZone }) } },
  });

  it("is full until its period ends, and fresh in the next one", () => {
    const { limiter, clock } = limiterWith(monthly());
    clock.set(at("2030-01-31T23:00:00Z"));
    expect(now(limiter.check({ ...ADA, cost: 3 })).allowed).toBe(true);
    const denied = now(limiter.check(ADA));
    expect(denied).toMatchObject({ allowed: false, retryAfterMs: HOUR_MS, resetMs: HOUR_MS });
    expect(denied.problem()).toMatchObject({ code: 5001, retryAfter: 3_600 });
    clock.advance(HOUR_MS - 1);
    expect(now(limiter.check(ADA)).allowed).toBe(false);
    clock.advance(1);
    expect(now(limiter.check(ADA))).toMatchObject({ allowed: true, remaining: 2 });
  });

  it("begins with the month of its time zone", () => {
    const { limiter, clock } = limiterWith(monthly("America/New_York"));
    clock.set(at("2030-02-01T04:59:59Z"));
    now(limiter.check({ ...ADA, cost: 3 }));
    expect(now(limiter.check(ADA))).toMatchObject({ allowed: false, retryAfterMs: 1_000 });
    clock.advance(1_000);
    expect(now(limiter.check(ADA)).allowed).toBe(true);
  });

  it("RL-43 a clock that was set back into the period before opens no new one", () => {
    const { limiter, clock } = limiterWith(monthly());
    clock.set(at("2030-03-01T00:30:00Z"));
    now(limiter.check({ ...ADA, cost: 3 }));
    clock.set(at("2030-02-28T23:30:00Z"));
    expect(now(limiter.check(ADA)).allowed).toBe(false);
    clock.set(at("2030-03-01T01:00:00Z"));
    expect(now(limiter.check(ADA)).allowed).toBe(false);
  });

  it("RL-06 a refund after its period is over changes nothing", () => {
    const { limiter, clock } = limiterWith(monthly());
    clock.set(at("2030-01-31T23:30:00Z"));
    const decision = now(limiter.check({ ...ADA, cost: 2 }));
    clock.advance(HOUR_MS);
    now(limiter.check(ADA));
    now(decision.refund());
    expect(now(limiter.peek(ADA)).remaining).toBe(2);
  });

  it("stands as a ceiling over a bucket, and both are asked at once", () => {
    const ceiling = { kind: "calendar" as const, limit: 5, period: "day" as const };
    const { limiter, clock } = limiterWith({ tiers: { free: { limit: 60, burst: 4, ceiling } } });
    clock.set(at("2030-06-01T12:00:00Z"));
    now(limiter.check({ ...ADA, cost: 4 }));
    clock.advance(60_000);
    expect(now(limiter.check({ ...ADA, cost: 2 }))).toMatchObject({ allowed: false, violated: ["authenticated.ceiling"] });
    const last = now(limiter.check(ADA));
    expect(last.limits.map(({ name, remaining }) => [name, remaining])).toEqual([
      ["authenticated", 3],
      ["authenticated.ceiling", 0],
    ]);
    expect(last.headers()[0]).toEqual(["ratelimit-policy", '"authenticated";q=4;w=4, "authenticated.ceiling";q=5;w=86400']);
    // The bucket was not charged by what the ceiling refused.
    expect(now(limiter.check(ADA)).limits[0]?.remaining).toBe(3);
  });

  it("RL-11 the floor is compared by rate only: nobody spends a month at once", () => {
    const tiers = { free: { kind: "calendar" as const, limit: 1_000_000, period: "month" as const } };
    expect(() => limiterWith({ tiers, floor: { limit: 100 }, unauthenticated: { limit: 10 } })).not.toThrow();
    expect(() => limiterWith({ tiers, floor: { limit: 20 }, unauthenticated: { limit: 10 } })).toThrow(
      /"tiers.free" \(1000000 a month \(UTC\)\)/,
    );
  });
});

describe("the calendar", () => {
  const periods = (period: "day" | "week" | "month", zone: string, instant: string) =>
    createCalendar("timeZone", period, zone)
      .boundariesAt(at(instant))
      .map((boundary) => new Date(boundary).toISOString());

  it("days, weeks from Monday and months begin at midnight of the zone", () => {
    expect(periods("day", "UTC", "2030-05-15T12:00:00Z")).toEqual([
      "2030-05-14T00:00:00.000Z",
      "2030-05-15T00:00:00.000Z",
      "2030-05-16T00:00:00.000Z",
      "2030-05-17T00:00:00.000Z",
    ]);
    expect(periods("week", "UTC", "2030-05-15T12:00:00Z").slice(1, 3)).toEqual(["2030-05-13T00:00:00.000Z", "2030-05-20T00:00:00.000Z"]);
    expect(periods("month", "Asia/Tokyo", "2030-01-31T15:00:00Z").slice(1, 3)).toEqual([
      "2030-01-31T15:00:00.000Z",
      "2030-02-28T15:00:00.000Z",
    ]);
    expect(periods("month", "UTC", "2031-12-31T23:59:59.999Z").slice(1, 3)).toEqual([
      "2031-12-01T00:00:00.000Z",
      "2032-01-01T00:00:00.000Z",
    ]);
  });

  it("a day on which clocks change has 23 or 25 hours", () => {
    const hours = (instant: string): number => {
      const [, start = 0, end = 0] = createCalendar("timeZone", "day", "Europe/Berlin").boundariesAt(at(instant));
      return (end - start) / HOUR_MS;
    };
    expect([hours("2030-03-31T10:00:00Z"), hours("2030-10-27T10:00:00Z"), hours("2030-07-01T10:00:00Z")]).toEqual([23, 25, 24]);
  });

  it("a day without a midnight begins when it begins", () => {
    // In Beirut clocks went from 00:00 to 01:00 on 26 March 2023.
    expect(periods("day", "Asia/Beirut", "2023-03-26T12:00:00+03:00")[1]).toBe("2023-03-25T22:00:00.000Z");
  });

  it("has every instant in exactly one period, in any zone", () => {
    const zones = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo"];
    const instants = fc.integer({ min: at("2005-01-01T00:00:00Z"), max: at("2040-01-01T00:00:00Z") });
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom("day" as const, "week" as const, "month" as const),
        instants,
        (zone, period, instant) => {
          const [before = 0, start = 0, end = 0, after = 0] = createCalendar("timeZone", period, zone).boundariesAt(instant);
          expect(before < start && start <= instant && instant < end && end < after).toBe(true);
          // The neighbours say the same of the edge between them.
          expect(createCalendar("timeZone", period, zone).boundariesAt(end)[1]).toBe(end);
          expect(createCalendar("timeZone", period, zone).boundariesAt(start - 1)[2]).toBe(start);
        },
      ),
      { numRuns: 400, examples: [["Pacific/Apia", "day", 1325152800000]] },
    );
  });

  it("a day that a zone left out is no period, seen from either side", () => {
    // Samoa went from 29 to 31 December 2011, across the date line.
    const days = createCalendar("timeZone", "day", "Pacific/Apia");
    const [thursday, saturday, sunday] = [at("2011-12-29T10:00:00Z"), at("2011-12-30T10:00:00Z"), at("2011-12-31T10:00:00Z")];
    expect(days.boundariesAt(saturday - 1).slice(1)).toEqual([thursday, saturday, sunday]);
    expect(days.boundariesAt(saturday).slice(0, 3)).toEqual([thursday, saturday, sunday]);
  });

  it("an unknown zone is refused at construction", () => {
    const wrong = { tiers: { free: { kind: "calendar" as const, limit: 1, period: "day" as const, timeZone: "Mars/Olympus" } } };
    expect(() => limiterWith(wrong)).toThrow(/tiers.free.timeZone/);
  });
});
