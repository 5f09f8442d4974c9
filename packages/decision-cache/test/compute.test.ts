import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Metrics } from "@portcullis/core";
import { ConfigurationError } from "@portcullis/core";
import { createDecisionCache, DecisionCacheError, type DecisionCacheOptions, type Dependencies } from "@portcullis/decision-cache";
import { createManualClock } from "@portcullis/testkit";

const w1 = { workspaceId: "w1" };

describe("single flight", () => {
  test("DC-13 1,000 concurrent misses compute once, a hit answers at once", async () => {
    const cache = createDecisionCache<{ readonly agent: string }>();
    let runs = 0;
    const compute = async () => {
      runs += 1;
      await Promise.resolve();
      return { agent: "reviewer" };
    };
    const answers = await Promise.all(Array.from({ length: 1_000 }, async () => cache.getOrCompute("k", w1, compute)));
    expect(runs).toBe(1);
    expect(new Set(answers).size).toBe(1);
    expect(cache.getOrCompute("k", w1, compute)).toBe(answers[0]);
    expect(cache.stats()).toMatchObject({ hits: 1, misses: 1_000, coalesced: 999, totalEntries: 1, openTickets: 0 });
  });

  test("DC-13 DC-14 a failure reaches all who wait, is not stored, and the next call computes again", async () => {
    const cache = createDecisionCache<string>();
    const failure = new Error("policy engine");
    const answers = await Promise.allSettled(
      Array.from({ length: 100 }, async () => cache.getOrCompute("k", w1, () => Promise.reject(failure))),
    );
    expect(answers.every((answer) => answer.status === "rejected" && answer.reason === failure)).toBe(true);
    expect(cache.stats()).toMatchObject({ totalEntries: 0, openTickets: 0 });
    expect(await cache.getOrCompute("k", w1, async () => "again")).toBe("again");
  });

  test("DC-14 a synchronous failure is thrown, not stored, and leaves nothing open", () => {
    const cache = createDecisionCache<string>();
    const fail = () => {
      throw new Error("sync");
    };
    expect(() => cache.getOrCompute("k", w1, fail)).toThrow("sync");
    expect(cache.getOrCompute("k", w1, () => "again")).toBe("again");
    expect(cache.stats().openTickets).toBe(0);
  });

  test("DC-13 a waiter leaves with its own reason; the others get the answer, and it is stored", async () => {
    const cache = createDecisionCache<string>();
    let finish: (value: string) => void = () => {};
    const compute = () => new Promise<string>((resolve) => (finish = resolve));
    const leaving = new AbortController();
    const first = cache.getOrCompute("k", { ...w1, signal: leaving.signal }, compute);
    const second = cache.getOrCompute("k", { ...w1, signal: AbortSignal.abort(new Error("gone before")) }, compute);
    const third = cache.getOrCompute("k", w1, compute);
    leaving.abort(new Error("gone"));
    await expect(first).rejects.toThrow("gone");
    await expect(second).rejects.toThrow("gone before");
    finish("answer");
    expect(await third).toBe("answer");
    expect(cache.get("k", w1)).toEqual({ value: "answer" });
    // A stored decision needs no waiting.
    expect(cache.getOrCompute("k", { ...w1, signal: leaving.signal }, compute)).toBe("answer");
  });

  test("DC-13 with a signal that stays quiet the answer or the failure arrives", async () => {
    const cache = createDecisionCache<string>();
    const { signal } = new AbortController();
    expect(await cache.getOrCompute("a", { ...w1, signal }, async () => "answer")).toBe("answer");
    await expect(cache.getOrCompute("b", { ...w1, signal }, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  });

  test("DC-13 DC-14 a computation that never ends times out, is told so, and frees its place", async () => {
    const clock = createManualClock();
    const cache = createDecisionCache<string>({ clock, computeTimeoutMs: 1_000 });
    let signal: AbortSignal | undefined;
    let finish: (value: string) => void = () => {};
    const answer = cache.getOrCompute("k", w1, (context) => {
      signal = context.signal;
      return new Promise((resolve) => (finish = resolve));
    });
    clock.advance(999);
    expect(signal?.aborted).toBe(false);
    clock.advance(1);
    await expect(answer).rejects.toMatchObject({ code: "compute_timeout" });
    expect(signal?.reason).toBeInstanceOf(DecisionCacheError);
    finish("too late");
    await new Promise(setImmediate);
    expect(cache.get("k", w1)).toBeUndefined();
    expect(cache.stats().openTickets).toBe(0);
    expect(await cache.getOrCompute("k", w1, async () => "next")).toBe("next");
  });

  test("a computation in time that failed or ended is not aborted later", async () => {
    const clock = createManualClock();
    const cache = createDecisionCache<string>({ clock, computeTimeoutMs: 1_000 });
    let signal: AbortSignal | undefined;
    await cache.getOrCompute("k", w1, async (context) => {
      signal = context.signal;
      return "done";
    });
    await expect(cache.getOrCompute("f", w1, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    clock.advance(10_000);
    expect(signal?.aborted).toBe(false);
  });
});

describe("time", () => {
  test("DC-10 a decision is expired at exactly its time, and a hit does not extend it", () => {
    const clock = createManualClock();
    const cache = createDecisionCache<string>({ clock, ttlMs: 100 });
    cache.set("k", w1, "v");
    for (let passed = 0; passed < 99; passed += 33) {
      expect(cache.get("k", w1)).toEqual({ value: "v" });
      clock.advance(33);
    }
    expect(cache.get("k", w1)).toEqual({ value: "v" });
    clock.advance(1);
    expect(cache.get("k", w1)).toBeUndefined();
  });

  test("DC-10 a time of 0 or less is not stored, and ends what was", () => {
    const cache = createDecisionCache<string>();
    for (const ttlMs of [0, -1, -Infinity]) {
      cache.set("k", w1, "before");
      expect(cache.set("k", { ...w1, ttlMs }, "v")).toBe(false);
      expect(cache.get("k", w1)).toBeUndefined();
      expect(cache.getOrCompute("n", { ...w1, ttlMs }, () => "computed")).toBe("computed");
      expect(cache.get("n", w1)).toBeUndefined();
    }
  });

  test("DC-10 a decision expires while the event loop is held up and no timer fires", async () => {
    const clock = createManualClock();
    let late = 0;
    const held = { ...clock, monotonic: () => clock.monotonic() + late, after: () => () => {} };
    const cache = createDecisionCache<string>({ clock: held, ttlMs: 100 });
    cache.set("k", w1, "v");
    expect(cache.get("k", w1)).toEqual({ value: "v" });
    late = 100;
    let served = 0;
    while (served < 100 && cache.get("k", w1) !== undefined) served += 1;
    expect(served).toBeLessThan(64);
  });

  test("DC-10 times longer than a timer can hold are kept", () => {
    const clock = createManualClock();
    const day = 86_400_000;
    const cache = createDecisionCache<string>({ clock, ttlMs: 30 * day });
    cache.set("k", w1, "v");
    clock.advance(30 * day - 1);
    expect(cache.get("k", w1)).toEqual({ value: "v" });
    clock.advance(1);
    expect(cache.get("k", w1)).toBeUndefined();
    cache.set("k", { ...w1, ttlMs: Infinity }, "for good");
    clock.advance(1_000 * day);
    expect(cache.get("k", w1)).toEqual({ value: "for good" });
  });

  test("DC-10 DC-14 ttlFor shortens by the decision: denials, and what ends by itself", () => {
    const clock = createManualClock();
    const cache = createDecisionCache<{ readonly allowed: boolean; readonly forMs?: number }>({
      clock,
      ttlMs: 100,
      ttlFor: ({ allowed, forMs = 1_000 }) => (allowed ? forMs : 10),
    });
    cache.set("deny", w1, { allowed: false });
    cache.set("allow", w1, { allowed: true });
    cache.set("short", w1, { allowed: true, forMs: 50 });
    expect(cache.set("over", w1, { allowed: true, forMs: 0 })).toBe(false);
    const present = () => ["deny", "allow", "short"].filter((key) => cache.get(key, w1) !== undefined);
    clock.advance(10);
    expect(present()).toEqual(["allow", "short"]);
    clock.advance(40);
    expect(present()).toEqual(["allow"]);
    clock.advance(50);
    expect(present()).toEqual([]);
  });

  test("DC-23 the wall clock may jump an hour either way: nothing revives, nothing expires early", () => {
    const clock = createManualClock();
    const cache = createDecisionCache<string>({ clock, ttlMs: 1_000 });
    cache.set("k", w1, "v");
    for (const jump of [3_600_000, -7_200_000]) {
      clock.set(clock.now() + jump);
      expect(cache.get("k", w1)).toEqual({ value: "v" });
    }
    clock.advance(1_000);
    clock.set(0);
    expect(cache.get("k", w1)).toBeUndefined();
  });
});

describe("capacity", () => {
  test("DC-11 the least recently used goes first, and with it everything that points to it", () => {
    const cache = createDecisionCache<number>({ maxEntries: 3 });
    for (const key of ["a", "b", "c"]) cache.set(key, { ...w1, tags: ["t"] }, 1);
    cache.get("a", w1);
    cache.set("d", { ...w1, tags: ["t"] }, 1);
    expect(["a", "b", "c", "d"].filter((key) => cache.get(key, w1) !== undefined)).toEqual(["a", "c", "d"]);
    expect(cache.invalidateTag("t")).toBe(3);
    expect(cache.stats()).toMatchObject({ totalEntries: 0, evictions: 1 });
  });

  test("DC-11 any number of stores holds no more than the bound", () => {
    const cache = createDecisionCache<number>({ maxEntries: 10 });
    for (let index = 0; index < 50_000; index += 1) cache.set(`k${index}`, { workspaceId: `w${index % 100}` }, index);
    expect(cache.stats()).toMatchObject({ totalEntries: 10, evictions: 49_990, openTickets: 0 });
  });
});

describe("values", () => {
  test("DC-14 undefined, null, false, 0 and the empty string are decisions, not misses", () => {
    const cache = createDecisionCache<unknown>();
    for (const value of [undefined, null, false, 0, "", Number.NaN, 0n]) {
      expect(cache.get("k", w1)).toBeUndefined();
      expect(cache.getOrCompute("k", w1, () => value)).toBe(value);
      expect(cache.get("k", w1)).toStrictEqual({ value });
      expect(
        cache.getOrCompute("k", w1, () => {
          throw new Error("computed again");
        }),
      ).toBe(value);
      cache.delete("k", w1);
    }
  });

  test("DC-15 neither the maker of a decision nor a reader can change what the next one gets", () => {
    const cache = createDecisionCache<{ allowed: boolean; reasons: string[]; nested: { deep: number[] } }>();
    const made = { allowed: false, reasons: ["a"], nested: { deep: [1] } };
    const answer = cache.getOrCompute("k", w1, () => made);
    made.allowed = true;
    made.reasons.push("b");
    made.nested.deep[0] = 9;
    for (const tamper of [
      () => ((answer as { allowed: boolean }).allowed = true),
      () => (cache.get("k", w1) as unknown as { value: { reasons: string[] } }).value.reasons.push("c"),
      () => ((cache.get("k", w1) as unknown as { value: unknown }).value = null),
    ])
      expect(tamper).toThrow(TypeError);
    expect(cache.get("k", w1)).toEqual({ value: { allowed: false, reasons: ["a"], nested: { deep: [1] } } });
    // Not frozen under its maker's hands.
    expect(Object.isFrozen(made)).toBe(false);
  });

  test("DC-15 what cannot be frozen is refused, with the place, and nothing is stored", async () => {
    const cache = createDecisionCache<unknown>();
    const loop: { self?: unknown } = {};
    loop.self = loop;
    const cases: readonly [unknown, string][] = [
      [new Date(0), "value is an instance"],
      [{ a: [new Map()] }, "value.a[0] is an instance"],
      [{ bytes: new Uint8Array(2) }, "value.bytes is an instance"],
      [() => true, "value is of type function"],
      [{ s: Symbol("s") }, "value.s is of type symbol"],
      [loop, "nested more than"],
    ];
    for (const [value, message] of cases) {
      expect(() => cache.set("k", w1, value)).toThrow(message);
      expect(() => cache.getOrCompute("k", w1, () => value)).toThrow(message);
      await expect(cache.getOrCompute("k", w1, () => Promise.resolve(value))).rejects.toMatchObject({ code: "unsupported_value" });
      const ticket = cache.begin("k", w1);
      expect(() => cache.commit(ticket, value)).toThrow(message);
    }
    expect(cache.stats()).toMatchObject({ totalEntries: 0, openTickets: 0 });
  });

  test("DC-15 a member named __proto__ stays a member", () => {
    const cache = createDecisionCache<unknown>();
    cache.set("k", w1, JSON.parse('{"__proto__": {"allowed": true}, "x": 1}'));
    const value = cache.get("k", w1)?.value as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(["__proto__", "x"]);
    expect((value as { allowed?: boolean }).allowed).toBeUndefined();
  });

  test("DC-15 any plain data comes back equal and deep-frozen", () => {
    const cache = createDecisionCache<unknown>();
    const plain = fc.object({
      withBigInt: true,
      maxDepth: 3,
      values: [fc.string(), fc.double(), fc.boolean(), fc.constant(null), fc.constant(undefined)],
    });
    fc.assert(
      fc.property(plain, (value) => {
        cache.set("k", w1, value);
        const stored = cache.get("k", w1)?.value;
        expect(stored).toEqual(value);
        expect(isDeepFrozen(stored)).toBe(true);
      }),
    );
  });
});

describe("numbers", () => {
  test("DC-17 a scripted sequence gives exactly these", async () => {
    const clock = createManualClock();
    const cache = createDecisionCache<string>({ clock, maxEntries: 3, ttlMs: 1_000 });
    expect(cache.stats()).toEqual({
      totalEntries: 0,
      expiredEntries: 0,
      invalidatedEntries: 0,
      hits: 0,
      misses: 0,
      hitRate: 0,
      currentPolicyVersion: undefined,
      invalidations: 0,
      coalesced: 0,
      refusedCommits: 0,
      evictions: 0,
      openTickets: 0,
    });
    cache.setPolicyVersion(1);
    await Promise.all(["a", "a", "b"].map(async (key) => cache.getOrCompute(key, { ...w1, tags: [key] }, async () => key))); // 3 misses, 1 coalesced
    cache.get("a", w1); // hit
    cache.get("zzz", w1); // miss
    cache.set("c", { ...w1, ttlMs: 10 }, "c");
    cache.set("d", w1, "d"); // evicts b: a was used since
    clock.advance(10); // c is expired
    const ticket = cache.begin("e", { ...w1, tags: ["a"] });
    cache.invalidateTag("a"); // collects a and c
    cache.commit(ticket, "e"); // refused
    cache.set("f", { ...w1, ttlMs: 5 }, "f");
    clock.advance(5); // f is expired, not collected
    expect(cache.stats()).toEqual({
      totalEntries: 1,
      expiredEntries: 1,
      invalidatedEntries: 0,
      hits: 1,
      misses: 4,
      hitRate: 0.2,
      currentPolicyVersion: 1,
      invalidations: 2,
      coalesced: 1,
      refusedCommits: 1,
      evictions: 1,
      openTickets: 0,
    });
  });

  test("DC-18 metrics carry types and reasons as labels, never an id", async () => {
    const series = new Map<string, number>();
    const note = (name: string, labels: Readonly<Record<string, string>> = {}, amount = 1) => {
      const key = [name, ...Object.entries(labels).flat()].join(" ");
      series.set(key, (series.get(key) ?? 0) + amount);
    };
    const metrics: Metrics = {
      counter: ({ name }) => ({ add: (labels, amount) => note(name, labels, amount) }),
      gauge: ({ name }) => ({ set: (value) => void series.set(name, value) }),
      histogram: ({ name }) => ({ observe: () => note(name) }),
    };
    const clock = createManualClock();
    const cache = createDecisionCache<string>({ metrics, clock, maxEntries: 2 });
    await cache.getOrCompute("a", { workspaceId: "secret-workspace", agents: [{ name: "secret-agent", version: "1" }] }, async () => "a");
    cache.get("a", { workspaceId: "secret-workspace" });
    cache.set("b", w1, "b");
    cache.set("b", { ...w1, ttlMs: 1 }, "b2");
    cache.set("c", w1, "c");
    clock.advance(1);
    cache.get("b", w1);
    cache.delete("c", w1);
    cache.set("d", w1, "d");
    cache.clear();
    expect(Object.fromEntries(series)).toEqual({
      decision_cache_hits_total: 1,
      decision_cache_misses_total: 2,
      decision_cache_compute_seconds: 1,
      "decision_cache_evictions_total reason replaced": 1,
      "decision_cache_evictions_total reason capacity": 1,
      "decision_cache_evictions_total reason expired": 1,
      "decision_cache_evictions_total reason deleted": 1,
      "decision_cache_evictions_total reason invalidated": 1,
      "decision_cache_invalidations_total type key": 1,
      "decision_cache_invalidations_total type clear": 1,
      decision_cache_size: 0,
    });
  });

  test("observers that throw change no answer", () => {
    const fail = (): never => {
      throw new Error("observer");
    };
    const metrics: Metrics = { counter: () => ({ add: fail }), gauge: () => ({ set: fail }), histogram: () => ({ observe: fail }) };
    const cache = createDecisionCache<string>({ metrics, onEvent: fail });
    expect(cache.getOrCompute("k", w1, () => "v")).toBe("v");
    expect(cache.getOrCompute("k", w1, () => "other")).toBe("v");
    expect(cache.clear()).toBe(1);
  });

  test("an observer whose promise rejects ends no process", async () => {
    const told: string[] = [];
    const onEvent = ({ kind }: { readonly kind: string }): unknown => {
      told.push(kind);
      return Promise.reject(new Error("the log is down"));
    };
    const cache = createDecisionCache<string>({ onEvent });
    expect(cache.getOrCompute("k", w1, () => "v")).toBe("v");
    expect(cache.clear()).toBe(1);
    await new Promise(setImmediate); // a rejection that nobody takes fails the run
    expect(told.length).toBeGreaterThan(0);
  });
});

describe("arguments", () => {
  test.each<[string, Record<string, unknown>]>([
    ["no entries", { maxEntries: 0 }],
    ["a fraction of an entry", { maxEntries: 1.5 }],
    ["more entries than there can be", { maxEntries: 1e9 }],
    ["no time", { ttlMs: 0 }],
    ["time that is no number", { ttlMs: "1h" }],
    ["NaN", { ttlMs: Number.NaN }],
    ["no time to compute", { computeTimeoutMs: 0 }],
    ["for ever to compute", { computeTimeoutMs: Infinity }],
    ["ttlFor that is no function", { ttlFor: 5 }],
    ["onEvent that is no function", { onEvent: {} }],
  ])("%s: invalid_option at construction", (_name, options) => {
    expect(() => createDecisionCache(options as DecisionCacheOptions<string>)).toThrow(ConfigurationError);
  });

  test("wrong dependencies throw before anything is computed or stored", () => {
    const cache = createDecisionCache<string>();
    const wrong: readonly Record<string, unknown>[] = [
      { workspaceId: "" },
      { ...w1, policyVersion: Number.NaN },
      { ...w1, policyVersion: {} },
      { ...w1, agents: "claude" },
      { ...w1, agents: ["claude"] },
      { ...w1, agents: [{ name: "" }] },
      { ...w1, agents: [{ name: "claude", version: 3 }] },
      { ...w1, agents: [null] },
      { ...w1, tags: "urgent" },
      { ...w1, tags: [""] },
      { ...w1, tags: [5] },
      { ...w1, ttlMs: Number.NaN },
      { ...w1, ttlMs: "60" },
    ];
    for (const about of wrong) {
      const neverRuns = () => {
        throw new Error("computed");
      };
      expect(() => cache.getOrCompute("k", about as unknown as Dependencies, neverRuns)).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
      expect(() => cache.set("k", about as unknown as Dependencies, "v")).toThrow(DecisionCacheError);
    }
    expect(() => cache.set(5 as unknown as string, w1, "v")).toThrow("The key must be a string");
    expect(() => cache.setPolicyVersion(Number.NaN)).toThrow("policy version must be");
    expect(() => cache.setPolicyVersion(1, { workspaceId: "" })).toThrow("workspaceId");
    expect(cache.stats()).toMatchObject({ totalEntries: 0, openTickets: 0 });
  });

  test("a ttlFor that answers nonsense stores nothing", () => {
    const cache = createDecisionCache<string>({ ttlFor: () => Number.NaN });
    expect(() => cache.set("k", w1, "v")).toThrow("ttlFor");
    expect(cache.stats()).toMatchObject({ totalEntries: 0, openTickets: 0 });
  });
});

function isDeepFrozen(value: unknown): boolean {
  return typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(isDeepFrozen));
}
