import assert from "node:assert/strict";
import type { LimitCell, LimitResult, Limits, LimitState } from "@portcullis/core";
import { atOnce, AWKWARD_KEYS, count, lawsOf } from "./port-law.js";

/** What one step of a table asks and expects. */
interface Step {
  readonly atMs: number;
  readonly cost: number;
  readonly remaining: number;
  readonly resetMs: number;
  readonly retryAfterMs: number | undefined;
  readonly allowed: boolean;
}

// The behaviour of the generic cell rate algorithm as throttled's rate_test.go tabulates it: one a second, five at once.
// github.com/throttled/throttled/blob/master/rate_test.go
const TABLE: readonly Step[] = [
  { atMs: 0, cost: 6, remaining: 5, resetMs: 0, retryAfterMs: undefined, allowed: false },
  { atMs: 0, cost: 1, remaining: 4, resetMs: 1_000, retryAfterMs: 0, allowed: true },
  { atMs: 0, cost: 1, remaining: 3, resetMs: 2_000, retryAfterMs: 0, allowed: true },
  { atMs: 0, cost: 1, remaining: 2, resetMs: 3_000, retryAfterMs: 0, allowed: true },
  { atMs: 0, cost: 1, remaining: 1, resetMs: 4_000, retryAfterMs: 0, allowed: true },
  { atMs: 0, cost: 1, remaining: 0, resetMs: 5_000, retryAfterMs: 0, allowed: true },
  { atMs: 0, cost: 1, remaining: 0, resetMs: 5_000, retryAfterMs: 1_000, allowed: false },
  { atMs: 3_000, cost: 1, remaining: 2, resetMs: 3_000, retryAfterMs: 0, allowed: true },
  { atMs: 3_100, cost: 1, remaining: 1, resetMs: 3_900, retryAfterMs: 0, allowed: true },
  { atMs: 4_000, cost: 1, remaining: 1, resetMs: 4_000, retryAfterMs: 0, allowed: true },
  { atMs: 8_000, cost: 1, remaining: 4, resetMs: 1_000, retryAfterMs: 0, allowed: true },
  { atMs: 9_500, cost: 1, remaining: 4, resetMs: 1_000, retryAfterMs: 0, allowed: true },
  { atMs: 9_500, cost: 0, remaining: 4, resetMs: 1_000, retryAfterMs: 0, allowed: true },
  { atMs: 9_500, cost: 2, remaining: 2, resetMs: 3_000, retryAfterMs: 0, allowed: true },
  { atMs: 9_500, cost: 5, remaining: 2, resetMs: 3_000, retryAfterMs: 3_000, allowed: false },
];

const cell = (id: string, capacity: number, intervalMs: number, cost = 1): LimitCell => ({ id, capacity, intervalMs, cost });
const only = (result: LimitResult): LimitState => {
  const [state] = result.cells;
  assert.ok(state !== undefined && result.cells.length === 1);
  return state;
};
/** What is left, without taking any. */
const left = async (limits: Limits, subject: string, looked: LimitCell): Promise<number> =>
  only(await limits.consume(subject, [{ ...looked, cost: 0 }])).remaining;
/** Stores count in whole ms or finer. */
const near = (actual: number | undefined, expected: number | undefined): void => {
  if (actual === undefined || expected === undefined) assert.equal(actual, expected);
  else assert.ok(Math.abs(actual - expected) <= 1, `${actual} ms, expected ${expected} ms`);
};

export const limitLaws = lawsOf("limits", [
  {
    id: "LIMITS-01",
    title: "RL-01 the table of the generic cell rate algorithm holds in every row",
    async timed(limits, clock) {
      let now = 0;
      for (const [row, step] of TABLE.entries()) {
        clock.advance(step.atMs - now);
        now = step.atMs;
        const state = only(await limits.consume("ada", [cell("tier", 5, 1_000, step.cost)]));
        assert.deepEqual([state.id, state.allowed, state.remaining], ["tier", step.allowed, step.remaining], `row ${row}`);
        near(state.resetMs, step.resetMs);
        near(state.retryAfterMs, step.retryAfterMs);
      }
    },
  },
  {
    id: "LIMITS-02",
    title: "of 100 calls at once, as many pass as the capacity",
    async run(limits) {
      const answers = await atOnce(100, () => limits.consume("ada", [cell("tier", 7, 3_600_000)]));
      assert.equal(
        count(answers, ({ allowed }) => allowed),
        7,
      );
      assert.equal(await left(limits, "ada", cell("tier", 7, 3_600_000)), 0);
    },
  },
  {
    id: "LIMITS-03",
    title: "RL-04 a denied call changes nothing",
    async run(limits) {
      const hourly = (cost: number): LimitCell => cell("tier", 10, 3_600_000, cost);
      await limits.consume("ada", [hourly(8)]);
      assert.equal((await limits.consume("ada", [hourly(5)])).allowed, false);
      assert.equal((await limits.consume("ada", [hourly(1)])).allowed, true);
      assert.equal((await limits.consume("ada", [hourly(1)])).allowed, true);
      assert.equal((await limits.consume("ada", [hourly(1)])).allowed, false);
    },
  },
  {
    id: "LIMITS-04",
    title: "RL-05 a cost above the capacity can never succeed and leaves no debt; no number in range is ever admitted for free",
    async run(limits) {
      for (const cost of [6, 1e9, Number.MAX_SAFE_INTEGER, Infinity, Number.NaN, -1]) {
        const state = only(await limits.consume("ada", [cell("tier", 5, 3_600_000, cost)]));
        assert.equal(state.allowed, false, `cost ${cost}`);
        if (cost > 5) assert.equal(state.retryAfterMs, undefined);
      }
      assert.equal(await left(limits, "ada", cell("tier", 5, 3_600_000)), 5);
    },
  },
  {
    id: "LIMITS-05",
    title: "RL-06 a refund restores exactly, and never above the capacity",
    async run(limits) {
      const hourly = (cost: number): LimitCell => cell("tier", 5, 3_600_000, cost);
      await limits.refund("ada", [hourly(3)]);
      assert.equal(await left(limits, "ada", hourly(0)), 5, "a refund of what was never used adds nothing");
      await limits.consume("ada", [hourly(4)]);
      await limits.refund("ada", [hourly(1)]);
      assert.equal(await left(limits, "ada", hourly(0)), 2);
      await limits.refund("ada", [hourly(100)]);
      assert.equal(await left(limits, "ada", hourly(0)), 5);
      assert.equal((await limits.consume("ada", [hourly(5)])).allowed, true);
      assert.equal((await limits.consume("ada", [hourly(1)])).allowed, false);
    },
  },
  {
    id: "LIMITS-06",
    title: "RL-07 a limit that changes keeps its used share, and changing to and fro wins nothing",
    async timed(limits, clock) {
      const free = cell("tier", 60, 6_000);
      const enterprise = cell("tier", 2_000, 60);
      await limits.consume("ada", [{ ...free, cost: 60 }]);
      for (let turn = 0; turn < 5; turn += 1) {
        near(only(await limits.consume("ada", [enterprise])).retryAfterMs, 60);
        near(only(await limits.consume("ada", [free])).retryAfterMs, 6_000);
      }
      assert.equal((await limits.consume("ada", [enterprise])).allowed, false);
      clock.advance(61);
      assert.equal((await limits.consume("ada", [enterprise])).allowed, true);
    },
  },
  {
    id: "LIMITS-07",
    title: "RL-09 all limits of a call are charged, or none is",
    async run(limits) {
      const answers = await atOnce(20, () => limits.consume("ada", [cell("user", 1, 3_600_000), cell("global", 10, 3_600_000)]));
      assert.equal(
        count(answers, ({ allowed }) => allowed),
        1,
      );
      assert.equal(await left(limits, "ada", cell("global", 10, 3_600_000)), 9);
      await limits.consume("ada", [cell("global", 10, 3_600_000), cell("user", 1, 3_600_000)]);
      assert.equal(await left(limits, "ada", cell("global", 10, 3_600_000)), 9, "whatever the order");
    },
  },
  {
    id: "LIMITS-08",
    title: "RL-10 each limit says its own verdict, in the order asked, the same in any order",
    async run(limits) {
      const cells = [cell("one", 1, 1_000_000), cell("two", 9, 1_000), cell("three", 1, 2_000_000)];
      await limits.consume("ada", cells);
      const said = await limits.consume("ada", cells);
      assert.deepEqual(
        said.cells.map(({ id, allowed }) => [id, allowed]),
        [
          ["one", false],
          ["two", true],
          ["three", false],
        ],
      );
      assert.equal(said.allowed, false);
      const reversed = await limits.consume("ada", cells.toReversed());
      assert.deepEqual(
        reversed.cells.map(({ id, allowed }) => [id, allowed]),
        [
          ["three", false],
          ["two", true],
          ["one", false],
        ],
      );
      for (const state of said.cells) assert.equal((state.retryAfterMs ?? 0) > 0, !state.allowed);
    },
  },
  {
    id: "LIMITS-09",
    title: "a limit is used up and comes back at the instant it said",
    async timed(limits, clock) {
      const third = cell("tier", 3, 1_000 / 3);
      for (let call = 0; call < 3; call += 1) assert.equal((await limits.consume("ada", [third])).allowed, true, `call ${call}`);
      const { retryAfterMs = 0 } = only(await limits.consume("ada", [third]));
      near(retryAfterMs, 1_000 / 3);
      clock.advance(Math.floor(retryAfterMs) - 3);
      assert.equal((await limits.consume("ada", [third])).allowed, false);
      clock.advance(4);
      assert.equal((await limits.consume("ada", [third])).allowed, true);
    },
  },
  {
    id: "LIMITS-10",
    title: "RL-33 a window may be a year",
    async timed(limits, clock) {
      const yearMs = 365 * 24 * 3_600_000;
      assert.equal((await limits.consume("ada", [cell("tier", 1, yearMs)])).allowed, true);
      clock.advance(yearMs - 1_000_000);
      assert.equal((await limits.consume("ada", [cell("tier", 1, yearMs)])).allowed, false);
      clock.advance(1_000_000);
      assert.equal((await limits.consume("ada", [cell("tier", 1, yearMs)])).allowed, true);
    },
  },
  {
    id: "LIMITS-11",
    title: "reset forgets every limit of the subject, and of no other",
    async run(limits) {
      const cells = [cell("one", 1, 3_600_000), cell("two", 1, 3_600_000)];
      await limits.consume("ada", cells);
      await limits.consume("bob", cells);
      await limits.reset("ada");
      await limits.reset("nobody");
      assert.equal((await limits.consume("ada", cells)).allowed, true);
      assert.equal((await limits.consume("bob", cells)).allowed, false);
    },
  },
  {
    id: "LIMITS-12",
    title: "RL-25 awkward subjects and limit ids are each their own",
    async run(limits) {
      for (const subject of AWKWARD_KEYS) {
        const verdict = await limits.consume(subject, [cell("tier", 1, 3_600_000)]);
        assert.equal(verdict.allowed, true, JSON.stringify(subject));
      }
      for (const id of AWKWARD_KEYS)
        assert.equal((await limits.consume("ids", [cell(id, 1, 3_600_000)])).allowed, true, JSON.stringify(id));
      assert.equal((await limits.consume("a:b", [cell("c", 1, 3_600_000)])).allowed, true);
      assert.equal((await limits.consume("a", [cell("b:c", 1, 3_600_000)])).allowed, true);
    },
  },
  {
    id: "LIMITS-13",
    title: "a call that asks about no limit is allowed; looking takes nothing",
    async run(limits) {
      assert.equal((await limits.consume("ada", [])).allowed, true);
      for (let look = 0; look < 3; look += 1) assert.equal(await left(limits, "ada", cell("tier", 2, 3_600_000)), 2);
    },
  },
]);
