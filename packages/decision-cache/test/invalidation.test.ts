import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { createDecisionCache, type DecisionCache, type DecisionCacheEvent, type Dependencies } from "@portcullis/decision-cache";
import { createManualClock } from "@portcullis/testkit";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const about: Dependencies = {
  workspaceId: "w1",
  agents: [{ name: "reviewer", version: "3.1" }],
  tags: ["urgent", "billing"],
};

/** A computation that ends when the test says so. */
function held<V>(): {
  readonly compute: () => Promise<V>;
  readonly finish: (value: V) => void;
  readonly fail: (error: Error) => void;
  runs: number;
} {
  let settle: { readonly resolve: (value: V) => void; readonly reject: (error: Error) => void }[] = [];
  const handle = {
    runs: 0,
    compute: () => {
      handle.runs += 1;
      return new Promise<V>((resolve, reject) => settle.push({ resolve, reject }));
    },
    finish: (value: V) => {
      const [first, ...rest] = settle;
      settle = rest;
      first?.resolve(value);
    },
    fail: (error: Error) => settle.shift()?.reject(error),
  };
  return handle;
}

const INVALIDATIONS: readonly [string, (cache: DecisionCache<string>) => unknown][] = [
  ["key", (cache) => cache.delete("k", about)],
  ["set of the key", (cache) => cache.set("k", about, "set")],
  ["workspace", (cache) => cache.invalidateWorkspace("w1")],
  ["workspace's policy version", (cache) => cache.setPolicyVersion(43, { workspaceId: "w1" })],
  ["default policy version", (cache) => cache.setPolicyVersion(43)],
  ["agent", (cache) => cache.invalidateAgent("reviewer")],
  ["agent version", (cache) => cache.invalidateAgent("reviewer", "3.1")],
  ["tag", (cache) => cache.invalidateTag("urgent")],
  ["clear", (cache) => cache.clear()],
];

describe.each(INVALIDATIONS)("in-flight invalidation by %s", (name, invalidate) => {
  test("DC-01 the computation runs once more before it answers, and the old result is never kept", async () => {
    const cache = createDecisionCache<string>({ clock: createManualClock() });
    const load = held<string>();
    const answer = cache.getOrCompute("k", about, load.compute);
    invalidate(cache);
    load.finish("stale");
    await new Promise(setImmediate);
    const expected = name === "set of the key" ? "set" : "fresh";
    load.finish("fresh");
    expect(await answer).toBe(expected);
    expect(cache.get("k", about)).toEqual({ value: expected });
    expect(cache.stats().refusedCommits).toBe(1);
  });

  test("DC-01 overtaken twice, it answers and keeps nothing", async () => {
    const cache = createDecisionCache<string>({ clock: createManualClock() });
    const load = held<string>();
    const answer = cache.getOrCompute("k", about, load.compute);
    cache.invalidateTag("urgent");
    load.finish("first");
    await new Promise(setImmediate);
    cache.invalidateTag("urgent");
    load.finish("second");
    expect(await answer).toBe("second");
    expect(load.runs).toBe(2);
    expect(cache.get("k", about)).toBeUndefined();
    expect(cache.stats()).toMatchObject({ totalEntries: 0, refusedCommits: 2, openTickets: 0 });
  });

  test("DC-02 a caller who comes after it does not join the computation from before", async () => {
    const cache = createDecisionCache<string>({ clock: createManualClock() });
    const before = held<string>();
    const after = held<string>();
    const first = cache.getOrCompute("k", about, before.compute);
    invalidate(cache);
    const second = cache.getOrCompute("k", about, after.compute);
    if (name === "set of the key") return expect(second).toBe("set");
    expect(after.runs).toBe(1);
    before.finish("stale");
    await new Promise(setImmediate);
    after.finish("fresh");
    // The overtaken one waits for the newer one instead of computing a third time.
    expect(await Promise.all([first, second])).toEqual(["fresh", "fresh"]);
    expect(before.runs).toBe(1);
  });

  test("DC-01 a ticket from before it is refused", () => {
    const cache = createDecisionCache<string>({ clock: createManualClock() });
    const ticket = cache.begin("k", about);
    invalidate(cache);
    expect(cache.commit(ticket, "stale")).toBe(false);
    expect(cache.get("k", about)?.value).toBe(name === "set of the key" ? "set" : undefined);
  });

  test("DC-01 a synchronous computation that invalidates what it depends on runs once more", () => {
    const cache = createDecisionCache<string>({ clock: createManualClock() });
    let runs = 0;
    const answer = cache.getOrCompute("k", about, () => {
      runs += 1;
      if (runs === 1) invalidate(cache);
      return `run ${runs}`;
    });
    expect(answer).toBe(name === "set of the key" ? "set" : "run 2");
  });

  test("DC-03 within one millisecond the later of storing and invalidating counts", () => {
    const cache = createDecisionCache<string>({ clock: createManualClock() });
    cache.set("k", about, "old");
    invalidate(cache);
    expect(cache.get("k", about)?.value).toBe(name === "set of the key" ? "set" : undefined);
    cache.set("k", about, "new");
    expect(cache.get("k", about)).toEqual({ value: "new" });
  });
});

describe("generations", () => {
  test("DC-04 a generation that was dropped and made anew does not let an old ticket or entry through", () => {
    const cache = createDecisionCache<string>({ clock: createManualClock(), maxEntries: 1 });
    const ticket = cache.begin("k", { workspaceId: "w1", tags: ["t"] });
    cache.set("other", { workspaceId: "w1", tags: ["t"] }, "o");
    cache.set("pushes the other out", { workspaceId: "w2" }, "p");
    cache.invalidateTag("t");
    cache.set("again", { workspaceId: "w1", tags: ["t"] }, "a");
    expect(cache.commit(ticket, "stale")).toBe(false);
    // The other way round: nothing happened to the tag, so the ticket is good though entries under it came and went.
    const good = cache.begin("k", { workspaceId: "w1", tags: ["t"] });
    cache.delete("again", { workspaceId: "w1" });
    expect(cache.commit(good, "fresh")).toBe(true);
  });

  test("DC-04 a ticket serves once, an abandoned or foreign one never, and of too many the oldest is given up", () => {
    const cache = createDecisionCache<number>();
    const ticket = cache.begin("k", { workspaceId: "w1" });
    expect(cache.commit(ticket, 1)).toBe(true);
    expect(cache.commit(ticket, 2)).toBe(false);
    const abandoned = cache.begin("k", { workspaceId: "w1" });
    cache.abandon(abandoned);
    cache.abandon(abandoned);
    expect(cache.commit(abandoned, 3)).toBe(false);
    expect(createDecisionCache<number>().commit(cache.begin("k", { workspaceId: "w1" }), 4)).toBe(false);
    expect(cache.commit({ workspaceId: "w1", key: "k" }, 5)).toBe(false);
    const oldest = cache.begin("a", { workspaceId: "w1", tags: ["t"] });
    for (let index = 0; index < 10_000; index += 1) cache.begin("b", { workspaceId: "w1" });
    expect(cache.commit(oldest, 6)).toBe(false);
    expect(cache.stats().openTickets).toBe(10_000);
  });

  test("DC-09 tags without number leave nothing behind and no entry revives", () => {
    const cache = createDecisionCache<number>({ maxEntries: 100 });
    cache.set("first", { workspaceId: "w1", tags: ["tag-0"] }, 0);
    const start = heapAfterGc();
    for (let index = 1; index <= 100_000; index += 1) {
      cache.set(
        `k${index % 500}`,
        { workspaceId: `w${index % 7}`, tags: [`tag-${index}`, `other-${index}`], agents: [{ name: `a${index}`, version: "1" }] },
        index,
      );
      if (index % 3 === 0) cache.invalidateTag(`tag-${index}`);
    }
    expect(heapAfterGc() - start).toBeLessThan(2_000_000);
    expect(cache.get("first", { workspaceId: "w1" })).toBeUndefined();
    for (let index = 100_000; index > 99_900; index -= 1) {
      const expected = index % 3 === 0 ? undefined : { value: index };
      expect(cache.get(`k${index % 500}`, { workspaceId: `w${index % 7}` })).toEqual(expected);
    }
  });
});

describe("workspaces", () => {
  test("DC-05 invalidating one leaves every decision of the others", () => {
    const cache = createDecisionCache<string>();
    for (let index = 0; index < 100; index += 1)
      for (const workspaceId of ["w1", "w2"]) cache.set(`k${index}`, { workspaceId }, workspaceId);
    expect(cache.invalidateWorkspace("w1")).toBe(100);
    expect(cache.invalidateWorkspace("w1")).toBe(0);
    expect(cache.invalidateWorkspace("nowhere")).toBe(0);
    for (let index = 0; index < 100; index += 1) {
      expect(cache.get(`k${index}`, { workspaceId: "w1" })).toBeUndefined();
      expect(cache.get(`k${index}`, { workspaceId: "w2" })).toEqual({ value: "w2" });
    }
  });

  test("DC-05 no crafted id or key reaches another workspace", () => {
    const cache = createDecisionCache<string>();
    const parts = ["", "a", "b", "a|b", "ws1", "ws1|a", "|", ":", "2:", "__proto__", "constructor", "\u0000"];
    const pairs = parts.filter((part) => part !== "").flatMap((workspaceId) => parts.map((key) => ({ workspaceId, key })));
    for (const { workspaceId, key } of pairs) cache.set(key, { workspaceId }, JSON.stringify([workspaceId, key]));
    for (const { workspaceId, key } of pairs)
      expect(cache.get(key, { workspaceId })).toEqual({ value: JSON.stringify([workspaceId, key]) });
  });

  test("DC-05 a caller without a workspace is refused, not given a common one", () => {
    const cache = createDecisionCache<string>();
    for (const workspaceId of [undefined, null, "", 5, {}]) {
      const nowhere = { workspaceId: workspaceId as string };
      expect(() => cache.set("k", nowhere, "v")).toThrow("workspaceId must be a non-empty string");
      expect(() => cache.getOrCompute("k", nowhere, () => "v")).toThrow("workspaceId");
      expect(cache.get("k", nowhere)).toBeUndefined();
    }
  });
});

describe("an invalidation of what cannot be meant", () => {
  test("throws instead of invalidating nothing", () => {
    const cache = createDecisionCache<string>();
    for (const wrong of [undefined, null, "", 5, {}] as unknown as string[]) {
      const refused = expect.objectContaining({ code: "invalid_argument" });
      expect(() => cache.invalidateWorkspace(wrong)).toThrow(refused);
      expect(() => cache.invalidateTag(wrong)).toThrow(refused);
      expect(() => cache.invalidateAgent(wrong)).toThrow(refused);
      expect(() => cache.delete("k", { workspaceId: wrong })).toThrow(refused);
      if (wrong !== undefined) expect(() => cache.invalidateAgent("reviewer", wrong)).toThrow(refused);
    }
    expect(cache.stats().invalidations).toBe(0);
  });
});

describe("policy versions", () => {
  const w1 = { workspaceId: "w1" };

  test("DC-06 another version makes the workspace's decisions stale, a lower one too; the same one changes nothing", () => {
    const cache = createDecisionCache<string>();
    expect(cache.setPolicyVersion(42, w1)).toBe(0);
    cache.set("k", w1, "under 42");
    cache.set("k", { workspaceId: "w2" }, "elsewhere");
    expect(cache.setPolicyVersion(42, w1)).toBe(0);
    expect(cache.get("k", w1)).toEqual({ value: "under 42" });
    expect(cache.setPolicyVersion(43, w1)).toBe(1);
    expect(cache.get("k", w1)).toBeUndefined();
    cache.set("k", w1, "under 43");
    expect(cache.setPolicyVersion(42, w1)).toBe(1);
    expect(cache.get("k", w1)).toBeUndefined();
    expect(cache.get("k", { workspaceId: "w2" })).toEqual({ value: "elsewhere" });
    expect(cache.policyVersion("w1")).toBe(42);
  });

  test("DC-06 a decision made under 42 that arrives after the change to 43 is refused", async () => {
    const cache = createDecisionCache<string>();
    cache.setPolicyVersion(42, w1);
    const ticket = cache.begin("k", { ...w1, policyVersion: 42 });
    cache.setPolicyVersion(43, w1);
    expect(cache.commit(ticket, "under 42")).toBe(false);
    // Nor does a caller that still goes by 42 store, or see what was made under 43.
    expect(cache.set("k", { ...w1, policyVersion: 42 }, "under 42")).toBe(false);
    cache.set("k", { ...w1, policyVersion: 43 }, "under 43");
    expect(await cache.getOrCompute("k", { ...w1, policyVersion: 42 }, () => "computed under 42")).toBe("computed under 42");
    expect(cache.get("k", { ...w1, policyVersion: 42 })).toBeUndefined();
    expect(cache.get("k", { ...w1, policyVersion: 43 })).toEqual({ value: "under 43" });
    expect(cache.get("k", w1)).toEqual({ value: "under 43" });
  });

  test("DC-06 without a version set, each decision is served under exactly the version it was made under", () => {
    const cache = createDecisionCache<string>();
    cache.set("k", { ...w1, policyVersion: "v2.0.0" }, "two");
    expect(cache.get("k", { ...w1, policyVersion: "v2.0.0" })).toEqual({ value: "two" });
    expect(cache.get("k", { ...w1, policyVersion: "v2.0.1" })).toBeUndefined();
    expect(cache.get("k", { ...w1, policyVersion: "v1.9.9" })).toBeUndefined();
    cache.set("n", { ...w1, policyVersion: 1 }, "number");
    expect(cache.get("n", { ...w1, policyVersion: "1" })).toBeUndefined();
  });

  test("DC-06 the default version rules workspaces that have none of their own", () => {
    const cache = createDecisionCache<string>();
    cache.setPolicyVersion(1);
    cache.setPolicyVersion("own", w1);
    cache.set("k", w1, "one");
    cache.set("k", { workspaceId: "w2" }, "two");
    expect(cache.setPolicyVersion(2)).toBe(1);
    expect(cache.get("k", w1)).toEqual({ value: "one" });
    expect(cache.get("k", { workspaceId: "w2" })).toBeUndefined();
    // Getting a version of its own ends what was made under the default.
    cache.set("k", { workspaceId: "w2" }, "two");
    expect(cache.setPolicyVersion(2, { workspaceId: "w2" })).toBe(1);
    expect(cache.stats().currentPolicyVersion).toBe(2);
    expect([cache.policyVersion(), cache.policyVersion("w1"), cache.policyVersion("w3")]).toEqual([2, "own", 2]);
  });

  test("callers under different versions do not share a computation", async () => {
    const cache = createDecisionCache<string>();
    const answers = [41, 42, 42].map(async (policyVersion) =>
      cache.getOrCompute("k", { ...w1, policyVersion }, async () => `under ${policyVersion}`),
    );
    expect(await Promise.all(answers)).toEqual(["under 41", "under 42", "under 42"]);
    expect(cache.stats().coalesced).toBe(1);
  });
});

describe("agents and tags", () => {
  const depending = (name: string, version?: string): Dependencies => ({
    workspaceId: "w1",
    agents: [version === undefined ? { name } : { name, version }],
  });

  test("DC-07 a version of an agent takes its own decisions, the agent all of them", () => {
    const cache = createDecisionCache<string>();
    cache.set("a", depending("claude", "3.1"), "a");
    cache.set("b", depending("claude", "3.2"), "b");
    cache.set("c", depending("claude"), "c");
    cache.set("d", depending("claude-2", "3.2"), "d");
    expect(cache.invalidateAgent("claude", "3.2")).toBe(1);
    expect(["a", "b", "c", "d"].map((key) => cache.get(key, { workspaceId: "w1" })?.value)).toEqual(["a", undefined, "c", "d"]);
    expect(cache.invalidateAgent("claude")).toBe(2);
    expect(cache.get("d", { workspaceId: "w1" })?.value).toBe("d");
  });

  test("DC-07 names and versions are literals", () => {
    const cache = createDecisionCache<string>();
    const pairs = [
      ["*", "1"],
      ["a", "*"],
      ["a:1", "b"],
      ["a", "1:b"],
      ["1:a", "b"],
      ["a", "b"],
      ["__proto__", "constructor"],
    ] as const;
    for (const [name, version] of pairs) cache.set(`${name} ${version}`, depending(name, version), version);
    for (const [name, version] of pairs) expect(cache.invalidateAgent(name, version)).toBe(1);
    expect(cache.stats().totalEntries).toBe(0);
  });

  test("DC-08 any one of its tags ends a decision, and setting it again with other tags counts", () => {
    const cache = createDecisionCache<string>();
    const tagged = (...tags: readonly string[]): Dependencies => ({ workspaceId: "w1", tags });
    cache.set("k", tagged("a", "b", "a"), "one");
    expect(cache.invalidateTag("b")).toBe(1);
    expect(cache.get("k", tagged())).toBeUndefined();
    expect(cache.invalidateTag("a")).toBe(0);
    cache.set("k", tagged("a"), "two");
    cache.set("k", tagged("c"), "three");
    expect(cache.invalidateTag("a")).toBe(0);
    expect(cache.get("k", tagged())).toEqual({ value: "three" });
    expect(cache.invalidateTag("c")).toBe(1);
  });

  test("DC-08 100,000 decisions under one tag: invalidated without walking them, collected while the cache is used", () => {
    const cache = createDecisionCache<number>({ maxEntries: 200_000 });
    for (let index = 0; index < 100_000; index += 1) cache.set(`k${index}`, { workspaceId: "w1", tags: ["all"] }, index);
    const startedAt = performance.now();
    expect(cache.invalidateTag("all")).toBe(100_000);
    // A hundredth of this is usual; walking them all would take longer even on a busy machine.
    expect(performance.now() - startedAt).toBeLessThan(10);
    expect(cache.stats()).toMatchObject({ totalEntries: 0, invalidatedEntries: 100_000 - 128 });
    expect(cache.get("k99999", { workspaceId: "w1" })).toBeUndefined();
    for (let index = 0; index < 4_000; index += 1) cache.set(`n${index}`, { workspaceId: "w1" }, index);
    expect(cache.stats()).toMatchObject({ totalEntries: 4_000, invalidatedEntries: 0 });
  });

  test("DC-17 what is stale or expired already is not counted again", () => {
    const clock = createManualClock();
    const cache = createDecisionCache<number>({ clock });
    cache.set("a", { workspaceId: "w1", tags: ["x", "y"] }, 1);
    cache.set("b", { workspaceId: "w1", tags: ["y"], ttlMs: 10 }, 2);
    cache.set("c", { workspaceId: "w1", tags: ["y"] }, 3);
    expect(cache.invalidateTag("x")).toBe(1);
    clock.advance(10);
    expect(cache.invalidateTag("y")).toBe(1);
    expect(cache.clear()).toBe(0);
  });
});

describe("events", () => {
  test("each invalidation tells what it was and how much it took; an overtaken computation tells where", () => {
    const events: DecisionCacheEvent[] = [];
    const cache = createDecisionCache<string>({ onEvent: (event) => events.push(event) });
    cache.set("k", about, "v");
    cache.invalidateTag("urgent");
    cache.invalidateAgent("reviewer", "3.1");
    cache.invalidateAgent("reviewer");
    cache.invalidateWorkspace("w1");
    cache.setPolicyVersion(7, { workspaceId: "w1" });
    cache.setPolicyVersion(7, { workspaceId: "w1" });
    cache.setPolicyVersion(8);
    cache.delete("k", about);
    const ticket = cache.begin("k", about);
    cache.clear();
    cache.commit(ticket, "late");
    expect(events).toEqual([
      { kind: "invalidated", type: "tag", tag: "urgent", count: 1 },
      { kind: "invalidated", type: "agent", agent: "reviewer", version: "3.1", count: 0 },
      { kind: "invalidated", type: "agent", agent: "reviewer", version: undefined, count: 0 },
      { kind: "invalidated", type: "workspace", workspaceId: "w1", count: 0 },
      { kind: "invalidated", type: "policy", workspaceId: "w1", policyVersion: 7, count: 0 },
      { kind: "invalidated", type: "policy", workspaceId: undefined, policyVersion: 8, count: 0 },
      { kind: "invalidated", type: "key", workspaceId: "w1", count: 0 },
      { kind: "invalidated", type: "clear", count: 0 },
      { kind: "compute_overtaken", workspaceId: "w1" },
    ]);
  });
});

function heapAfterGc(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
