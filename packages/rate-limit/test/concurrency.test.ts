import { createGuardChain, createMemoryStore, type GuardRun } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flakyStore, limiterWith, now } from "./limiter.js";
import { requestOf, userOf } from "./request.js";

const OPERATIONS = { "chat.create": { limit: 30, burst: 30, maxInFlight: 3 } } as const;
const ASK = { phase: "identified", subject: "ada", operation: "chat.create" } as const;

describe("requests in flight", () => {
  it("RL-60 the one above the cap is refused with a code of its own, and charges no rate", () => {
    const { limiter } = limiterWith({ operations: OPERATIONS });
    const held = [1, 2, 3].map(() => now(limiter.check(ASK)));
    const fourth = now(limiter.check(ASK));
    expect(held.map(({ allowed }) => allowed)).toEqual([true, true, true]);
    expect(fourth).toMatchObject({
      allowed: false,
      code: "CONCURRENCY_LIMIT",
      policy: "chat.create.inflight",
      violated: ["chat.create.inflight"],
    });
    expect(fourth.problem()).toMatchObject({ status: 429, code: 5003, retryable: true, retryAfter: 1 });
    expect(fourth.problem()?.type).not.toBe(now(limiter.check({ ...ASK, cost: 31 })).problem()?.type);
    expect(fourth.limits.map(({ name, remaining }) => [name, remaining])).toEqual([
      ["authenticated", 57],
      ["chat.create", 27],
    ]);
  });

  it("RL-70 the cap has a policy with a unit of its own and no window", () => {
    const { limiter } = limiterWith({ operations: OPERATIONS });
    expect(now(limiter.check(ASK)).headers()).toEqual([
      ["ratelimit-policy", '"authenticated";q=60;w=360, "chat.create";q=30;w=60, "chat.create.inflight";q=3;qu="concurrent-requests"'],
      ["ratelimit", '"authenticated";r=59;t=6, "chat.create";r=29;t=2, "chat.create.inflight";r=2'],
    ]);
  });

  it("RL-61 a place is given back once, however often it is asked", () => {
    const { limiter } = limiterWith({ operations: { export: { maxInFlight: 1 } } });
    const ask = { phase: "operation", operation: "export", by: { subject: "ada" } } as const;
    const first = now(limiter.check(ask));
    expect(now(limiter.check(ask)).allowed).toBe(false);
    now(first.release());
    const second = now(limiter.check(ask));
    expect(second.allowed).toBe(true);
    now(first.release());
    expect(now(limiter.check(ask)).allowed).toBe(false);
  });

  it("RL-61 a guard gives it back for every outcome, and a denial takes none", () => {
    const { limiter } = limiterWith({ operations: { export: { maxInFlight: 1 } } });
    const chain = createGuardChain([limiter.limitOperation("export")]);
    const run = (): GuardRun => now(chain.run(requestOf({ principal: userOf("ada") })));
    for (const outcome of [{ kind: "aborted" }, { kind: "responded", status: 200 }, { kind: "responded", status: 500 }] as const) {
      const first = run();
      expect(run().stop).toMatchObject({ kind: "deny", problem: { code: 5003 } });
      first.settle?.(outcome);
    }
    expect(run().stop).toBeUndefined();
  });

  it("limitConcurrency takes a place and charges no rate", () => {
    const { limiter } = limiterWith({ operations: OPERATIONS });
    const chain = createGuardChain([limiter.limitConcurrency("chat.create")]);
    const runs = Array.from({ length: 4 }, () => now(chain.run(requestOf({ principal: userOf("ada") }))));
    expect(runs.map(({ stop }) => stop?.kind)).toEqual([undefined, undefined, undefined, "deny"]);
    for (const { settle } of runs) settle?.({ kind: "responded", status: 200 });
    expect(now(limiter.peek(ASK)).limits.map(({ remaining }) => remaining)).toEqual([60, 30]);
    expect(now(limiter.peek(ASK)).concurrency).toEqual({ name: "chat.create.inflight", capacity: 3, allowed: true, remaining: 3 });
  });

  it("an address has its own cap", () => {
    const { limiter } = limiterWith({ operations: { export: { maxInFlight: 1 } } });
    const guard = limiter.limitConcurrency("export");
    const kinds = ["192.0.2.1", "192.0.2.1", "192.0.2.2"].map((ip) => now(guard.check(requestOf({ ip }))).kind);
    expect(kinds).toEqual(["allow", "deny", "allow"]);
  });

  it("peek looks at the places and takes none", () => {
    const { limiter } = limiterWith({ operations: { export: { maxInFlight: 1 } } });
    const ask = { phase: "operation", operation: "export", by: { subject: "ada" } } as const;
    for (const _ of [1, 2, 3]) expect(now(limiter.peek(ask)).concurrency?.remaining).toBe(1);
    now(limiter.check(ask));
    expect(now(limiter.peek(ask))).toMatchObject({ allowed: false, code: "CONCURRENCY_LIMIT" });
  });

  it("RL-62 a request longer than the lease keeps its place, and one that died gives it up at the lease's end", () => {
    const clock = createManualClock();
    const store = createMemoryStore({ clock });
    const operations = { export: { maxInFlight: 1, leaseMs: 30_000 } };
    const ask = { phase: "operation", operation: "export", by: { subject: "ada" } } as const;
    const { limiter } = limiterWith({ store, clock, operations });
    // Another process that shares the store: its limiter's clock never advances, so it extends nothing.
    const { limiter: dead } = limiterWith({ store, operations });
    const alive = now(limiter.check(ask));
    for (let minute = 0; minute < 5; minute += 1) {
      for (let step = 0; step < 6; step += 1) clock.advance(10_000);
      expect(now(limiter.check(ask)).allowed).toBe(false);
    }
    now(alive.release());
    now(dead.check(ask));
    clock.advance(29_999);
    expect(now(limiter.check(ask)).allowed).toBe(false);
    clock.advance(1);
    expect(now(limiter.check(ask)).allowed).toBe(true);
  });

  it("a place that is lost is told, and released without harm", async () => {
    const clock = createManualClock();
    const store = flakyStore(createMemoryStore({ clock }).limits);
    const { limiter, events } = limiterWith({ store, clock, operations: { export: { maxInFlight: 1, leaseMs: 30_000 } } });
    const held = await limiter.check({ phase: "operation", operation: "export", by: { subject: "ada" } });
    store.isDown = true;
    clock.advance(10_000);
    await Promise.resolve();
    await Promise.resolve();
    expect(events).toEqual([{ type: "lease_lost", operation: "export", error: expect.objectContaining({ code: "store_unavailable" }) }]);
    store.isDown = false;
    clock.advance(40_000);
    await held.release();
  });

  it("RL-64 a lowered cap admits nobody until fewer than it are left", () => {
    const clock = createManualClock();
    const store = createMemoryStore({ clock });
    const ask = { phase: "operation", operation: "export", by: { subject: "ada" } } as const;
    const wide = limiterWith({ store, clock, operations: { export: { maxInFlight: 3 } } }).limiter;
    const narrow = limiterWith({ store, clock, operations: { export: { maxInFlight: 1 } } }).limiter;
    const held = [1, 2, 3].map(() => now(wide.check(ask)));
    for (const decision of held) {
      expect(now(narrow.check(ask)).allowed).toBe(false);
      now(decision.release());
    }
    expect(now(narrow.check(ask)).allowed).toBe(true);
  });

  it("RL-65 whatever is acquired, released and left to die, no more are live than the cap", () => {
    const step = fc.record({ act: fc.constantFrom("take", "take", "release", "wait"), which: fc.nat(9), waitMs: fc.nat(20_000) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (steps, maxInFlight) => {
        const clock = createManualClock();
        // A stopped clock of its own: this limiter extends nothing, as if its process had died at once.
        const { limiter } = limiterWith({ store: createMemoryStore({ clock }), operations: { export: { maxInFlight, leaseMs: 30_000 } } });
        const live: { endsAt: number; release(): unknown }[] = [];
        for (const { act, which, waitMs } of steps) {
          if (act === "wait") clock.advance(waitMs);
          if (act === "release") live.splice(which % Math.max(1, live.length), 1)[0]?.release();
          if (act === "take") {
            const decision = now(limiter.check({ phase: "operation", operation: "export", by: { subject: "ada" } }));
            const running = live.filter(({ endsAt }) => endsAt > clock.monotonic());
            expect(decision.allowed).toBe(running.length < maxInFlight);
            if (decision.allowed) live.push({ endsAt: clock.monotonic() + 30_000, release: () => decision.release() });
          }
        }
      }),
    );
  });

  it("without a rate only the cap is asked; without both an operation is refused at construction", () => {
    const { limiter } = limiterWith({ operations: { export: { maxInFlight: 1 } } });
    expect(now(limiter.check({ phase: "operation", operation: "export", by: { subject: "ada" } }))).toMatchObject({
      limits: [],
      policy: "export.inflight",
    });
    expect(() => limiterWith({ operations: { export: {} } })).toThrow(/operations.export/);
    expect(() => limiterWith({ operations: { export: { maxInFlight: 0 } } })).toThrow(/operations.export.maxInFlight/);
    expect(() => limiterWith({ operations: { export: { maxInFlight: 1, leaseMs: 10 } } })).toThrow(/operations.export.leaseMs/);
    expect(() => limiter.limitConcurrency("imprt" as "export")).toThrow(/maxInFlight/);
  });
});
