import assert from "node:assert/strict";
import type {
  BucketCell,
  CalendarCell,
  LimitCell,
  LimitHolder,
  LimitHolderKind,
  LimitLease,
  LimitResult,
  Limits,
  LimitState,
  WindowCell,
} from "@portcullis/core";
import type { ManualClock } from "../manual-clock.js";
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

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;
/** One period around every clock there is, manual or real. */
const AN_AGE: readonly number[] = Object.freeze([0, Date.UTC(2100, 0, 1)]);

const user = (id: string): LimitHolder => ({ kind: "user", id });
const ada = user("ada");
const bob = user("bob");

const bucket = (id: string, capacity: number, intervalMs: number): BucketCell => ({ kind: "bucket", id, capacity, intervalMs, cost: 1 });
const perWindow = (capacity: number, windowMs: number): WindowCell => ({ kind: "window", id: "window", capacity, windowMs, cost: 1 });
const perPeriod = (capacity: number, boundaries: readonly number[]): CalendarCell => ({
  ...{ kind: "calendar", id: "calendar", capacity, boundaries, cost: 1 },
});
/** Nothing of them comes back while a law runs. */
const ofEachKind = (capacity: number): readonly LimitCell[] => [
  bucket("bucket", capacity, HOUR_MS),
  perWindow(capacity, YEAR_MS),
  perPeriod(capacity, AN_AGE),
];
const costing = <Cell extends LimitCell>(cell: Cell, cost: number): Cell => ({ ...cell, cost });
const place = (key: string, capacity = 3): LimitLease => ({ id: "job", capacity, key, ttlMs: HOUR_MS });
const lasting = (lease: LimitLease, ttlMs: number): LimitLease => ({ ...lease, ttlMs });

const only = (result: LimitResult): LimitState => {
  const [state] = result.cells;
  assert.ok(state !== undefined && result.cells.length === 1);
  return state;
};
const asked = async (limits: Limits, cells: readonly LimitCell[], holder = ada): Promise<LimitResult> =>
  limits.consume({ ...holder, cells });
const said = async (limits: Limits, cell: LimitCell, holder = ada): Promise<LimitState> => only(await asked(limits, [cell], holder));
const passes = async (limits: Limits, cell: LimitCell, holder = ada): Promise<boolean> => (await asked(limits, [cell], holder)).allowed;
/** What is left, without taking any. */
const left = async (limits: Limits, looked: LimitCell, holder = ada): Promise<number> =>
  (await said(limits, costing(looked, 0), holder)).remaining;
const takes = async (limits: Limits, lease: LimitLease, holder = ada): Promise<boolean> =>
  (await limits.consume({ ...holder, cells: [], lease })).allowed;
/** Places left, without taking one. */
const placesLeft = async (limits: Limits, capacity = 3, holder = ada): Promise<number | undefined> =>
  (await limits.consume({ ...holder, cells: [], lease: lasting(place("looks", capacity), 0) })).lease?.remaining;
const gives = async (limits: Limits, lease: LimitLease, holder = ada): Promise<void> => limits.settle({ ...holder, cells: [], lease }, 0);

/** Stores count in whole ms or finer. */
const near = (actual: number | undefined, expected: number | undefined): void => {
  if (actual === undefined || expected === undefined) assert.equal(actual, expected);
  else assert.ok(Math.abs(actual - expected) <= 1, `${actual} ms, expected ${expected} ms`);
};
/** Moves to where a window begins, on whatever axis the store counts: what is used now counts until the next window is over too. */
const toWindowStart = async (limits: Limits, clock: ManualClock, windowMs: number): Promise<void> => {
  const { resetMs } = await said(limits, perWindow(1, windowMs), user("looks for the window"));
  clock.advance(Math.round(resetMs - windowMs));
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
        const state = await said(limits, costing(bucket("tier", 5, 1_000), step.cost));
        assert.deepEqual([state.id, state.allowed, state.remaining], ["tier", step.allowed, step.remaining], `row ${row}`);
        near(state.resetMs, step.resetMs);
        near(state.retryAfterMs, step.retryAfterMs);
      }
    },
  },
  {
    id: "LIMITS-02",
    title: "of 100 calls at once, as many pass as the capacity, of each kind of limit",
    async run(limits) {
      for (const cell of ofEachKind(7)) {
        const answers = await atOnce(100, () => asked(limits, [cell]));
        const passed = count(answers, ({ allowed }) => allowed);
        assert.equal(passed, 7, cell.kind);
        assert.equal(await left(limits, cell), 0, cell.kind);
      }
    },
  },
  {
    id: "LIMITS-03",
    title: "RL-04 a denied call changes nothing",
    async run(limits) {
      for (const cell of ofEachKind(10)) {
        assert.equal(await passes(limits, costing(cell, 8)), true, cell.kind);
        assert.equal(await passes(limits, costing(cell, 5)), false, cell.kind);
        assert.equal(await passes(limits, cell), true, cell.kind);
        assert.equal(await passes(limits, cell), true, cell.kind);
        assert.equal(await passes(limits, cell), false, cell.kind);
      }
    },
  },
  {
    id: "LIMITS-04",
    title: "RL-05 a cost above the capacity can never succeed and leaves no debt; no number in range is ever admitted for free",
    async run(limits) {
      for (const cell of ofEachKind(5)) {
        for (const cost of [6, 1e9, Number.MAX_SAFE_INTEGER, Infinity, Number.NaN, -1]) {
          const state = await said(limits, costing(cell, cost));
          assert.equal(state.allowed, false, `${cell.kind}, cost ${cost}`);
          if (cost > 5) assert.equal(state.retryAfterMs, undefined);
        }
        assert.equal(await left(limits, cell), 5, cell.kind);
      }
    },
  },
  {
    id: "LIMITS-05",
    title: "RL-06 settle gives back exactly, and never above the capacity",
    async run(limits) {
      for (const cell of ofEachKind(5)) {
        const { at } = await asked(limits, [costing(cell, 0)]);
        await limits.settle({ ...ada, cells: [costing(cell, 3)] }, at);
        assert.equal(await left(limits, cell), 5, `${cell.kind}: what was never used adds nothing`);
        const charged = await asked(limits, [costing(cell, 4)]);
        await limits.settle({ ...ada, cells: [cell] }, charged.at);
        assert.equal(await left(limits, cell), 2, cell.kind);
        await limits.settle({ ...ada, cells: [costing(cell, 100)] }, charged.at);
        assert.equal(await left(limits, cell), 5, cell.kind);
        assert.equal(await passes(limits, costing(cell, 5)), true, cell.kind);
        assert.equal(await passes(limits, cell), false, cell.kind);
      }
    },
  },
  {
    id: "LIMITS-06",
    title: "RL-07 a limit that changes keeps its used share, and changing to and fro wins nothing",
    async timed(limits, clock) {
      const free = bucket("tier", 60, 6_000);
      const enterprise = bucket("tier", 2_000, 60);
      await asked(limits, [costing(free, 60)]);
      for (let turn = 0; turn < 5; turn += 1) {
        near((await said(limits, enterprise)).retryAfterMs, 60);
        near((await said(limits, free)).retryAfterMs, 6_000);
      }
      assert.equal(await passes(limits, enterprise), false);
      clock.advance(61);
      assert.equal(await passes(limits, enterprise), true);
    },
  },
  {
    id: "LIMITS-07",
    title: "RL-09 all limits of a call are charged, or none is",
    async run(limits) {
      const one = bucket("user", 1, HOUR_MS);
      const ten = bucket("global", 10, HOUR_MS);
      const answers = await atOnce(20, () => asked(limits, [one, ten]));
      const passed = count(answers, ({ allowed }) => allowed);
      assert.equal(passed, 1);
      assert.equal(await left(limits, ten), 9);
      await asked(limits, [ten, one]);
      assert.equal(await left(limits, ten), 9, "whatever the order");
    },
  },
  {
    id: "LIMITS-08",
    title: "RL-10 each limit says its own verdict, in the order asked, the same in any order",
    async run(limits) {
      const cells = [bucket("one", 1, 1_000_000), bucket("two", 9, 1_000), bucket("three", 1, 2_000_000)];
      await asked(limits, cells);
      const verdict = await asked(limits, cells);
      assert.deepEqual(
        verdict.cells.map(({ id, allowed }) => [id, allowed]),
        [
          ["one", false],
          ["two", true],
          ["three", false],
        ],
      );
      assert.equal(verdict.allowed, false);
      const reversed = await asked(limits, cells.toReversed());
      assert.deepEqual(
        reversed.cells.map(({ id, allowed }) => [id, allowed]),
        [
          ["three", false],
          ["two", true],
          ["one", false],
        ],
      );
      for (const state of verdict.cells) assert.equal((state.retryAfterMs ?? 0) > 0, !state.allowed);
    },
  },
  {
    id: "LIMITS-09",
    title: "a limit is used up and comes back at the instant it said",
    async timed(limits, clock) {
      const third = bucket("tier", 3, 1_000 / 3);
      for (let call = 0; call < 3; call += 1) assert.equal(await passes(limits, third), true, `call ${call}`);
      const { retryAfterMs = 0 } = await said(limits, third);
      near(retryAfterMs, 1_000 / 3);
      clock.advance(Math.floor(retryAfterMs) - 3);
      assert.equal(await passes(limits, third), false);
      clock.advance(4);
      assert.equal(await passes(limits, third), true);
    },
  },
  {
    id: "LIMITS-10",
    title: "RL-33 a limit may last for a year, or for a quarter of a second",
    async timed(limits, clock) {
      for (const ms of [YEAR_MS, 250]) {
        const cell = bucket(`${ms}`, 1, ms);
        const counted = { ...perWindow(1, ms), id: `window ${ms}` };
        assert.equal((await asked(limits, [cell, counted])).allowed, true);
        clock.advance(ms - 10);
        assert.equal(await passes(limits, cell), false, `${ms} ms`);
        assert.equal(await passes(limits, counted), false, `window of ${ms} ms`);
        clock.advance(10);
        assert.equal(await passes(limits, cell), true, `${ms} ms`);
        clock.advance(ms);
        assert.equal(await passes(limits, counted), true, `window of ${ms} ms`);
      }
    },
  },
  {
    id: "LIMITS-11",
    title: "reset forgets every limit of the holder, and of no other",
    async run(limits) {
      const cells = [...ofEachKind(1), bucket("other", 1, HOUR_MS)];
      await asked(limits, cells);
      await asked(limits, cells, bob);
      await limits.reset(ada);
      await limits.reset(user("nobody"));
      assert.equal((await asked(limits, cells)).allowed, true);
      assert.equal((await asked(limits, cells, bob)).allowed, false);
    },
  },
  {
    id: "LIMITS-12",
    title: "RL-25 awkward holders and limits are each their own",
    async run(limits) {
      const tier = bucket("tier", 1, HOUR_MS);
      for (const id of AWKWARD_KEYS) assert.equal(await passes(limits, tier, user(id)), true, JSON.stringify(id));
      for (const id of AWKWARD_KEYS) assert.equal(await passes(limits, { ...tier, id }, user("ids")), true, JSON.stringify(id));
      assert.equal(await passes(limits, { ...tier, id: "c" }, user("x:y")), true);
      assert.equal(await passes(limits, { ...tier, id: "y:c" }, user("x")), true);
    },
  },
  {
    id: "LIMITS-13",
    title: "a call that asks about no limit is allowed; looking takes nothing",
    async run(limits) {
      const none = await asked(limits, []);
      assert.deepEqual([none.allowed, none.cells.length, none.lease, none.blockedMs], [true, 0, undefined, 0]);
      for (const cell of ofEachKind(2)) {
        for (let look = 0; look < 3; look += 1) assert.equal(await left(limits, cell), 2, cell.kind);
      }
    },
  },
  {
    id: "LIMITS-14",
    title: "holders of different kinds share nothing, whatever their ids",
    async run(limits) {
      const kinds: readonly LimitHolderKind[] = ["ip", "user", "key", "org", "all"];
      for (const kind of kinds) {
        const holder = { kind, id: "1" };
        const verdict = await limits.consume({ ...holder, cells: ofEachKind(1), lease: place(kind, 1) });
        assert.equal(verdict.allowed, true, kind);
        assert.equal((await limits.consume({ ...holder, cells: ofEachKind(1) })).allowed, false, kind);
      }
      assert.equal(await passes(limits, bucket("bucket", 1, HOUR_MS), { kind: "all", id: "user:1" }), true);
      await limits.block({ kind: "org", id: "2" }, HOUR_MS);
      await limits.reset({ kind: "org", id: "1" });
      for (const kind of kinds) assert.equal((await asked(limits, [], { kind, id: "2" })).allowed, kind !== "org", kind);
      for (const kind of kinds) assert.equal(await left(limits, perWindow(1, YEAR_MS), { kind, id: "1" }), kind === "org" ? 1 : 0, kind);
    },
  },
  {
    id: "LIMITS-15",
    title: "in each window of the clock passes what its capacity is, at most",
    async timed(limits, clock) {
      const ten = perWindow(10, 1_000);
      await toWindowStart(limits, clock, 1_000);
      let firstWindow = 0;
      for (let elapsed = 0; elapsed < 1_000; elapsed += 50) {
        if (await passes(limits, ten)) firstWindow += 1;
        clock.advance(50);
      }
      assert.equal(firstWindow, 10, "all of it, and nothing comes back before the window is over");
      for (let window = 1; window < 5; window += 1) {
        let passed = 0;
        for (let elapsed = 0; elapsed < 1_000; elapsed += 50) {
          clock.advance(49);
          for (const cost of [3, 2, 1]) if (await passes(limits, costing(ten, cost))) passed += cost;
          clock.advance(1);
        }
        assert.ok(passed <= 10, `${passed} in window ${window}`);
        assert.ok(passed >= 4, `${passed} in window ${window}: what was used fades`);
      }
    },
  },
  {
    id: "LIMITS-16",
    title: "RL-03 the window before counts by the share that still overlaps, so that no burst fits twice around a boundary",
    async timed(limits, clock) {
      const ten = perWindow(10, 1_000);
      await toWindowStart(limits, clock, 1_000);
      clock.advance(998);
      assert.equal(await passes(limits, costing(ten, 10)), true);
      clock.advance(2);
      assert.equal(await left(limits, ten), 0, "just after the boundary");
      clock.advance(250);
      assert.equal(await left(limits, ten), 2);
      clock.advance(250);
      assert.equal(await passes(limits, costing(ten, 5)), true);
      assert.equal(await left(limits, ten), 0);
      clock.advance(500);
      assert.equal(await left(limits, ten), 5, "of the window before the last nothing counts");
      clock.advance(1_000);
      const { remaining, resetMs } = await said(limits, costing(ten, 0));
      assert.deepEqual([remaining, resetMs], [10, 0]);
    },
  },
  {
    id: "LIMITS-17",
    title: "RL-71 who waits as long as a window says is admitted, and not an instant sooner",
    async timed(limits, clock) {
      const ten = perWindow(10, 1_000);
      const obeys = async (holder: LimitHolder, cost: number): Promise<void> => {
        const { allowed, retryAfterMs = 0 } = await said(limits, costing(ten, cost), holder);
        assert.equal(allowed, false);
        clock.advance(Math.floor(retryAfterMs) - 1);
        assert.equal(await passes(limits, costing(ten, cost), holder), false, `cost ${cost}, before ${retryAfterMs} ms`);
        clock.advance(2);
        assert.equal(await passes(limits, costing(ten, cost), holder), true, `cost ${cost}, after ${retryAfterMs} ms`);
      };
      for (const cost of [1, 3, 9, 10]) {
        const once = user(`used at once, ${cost}`);
        await toWindowStart(limits, clock, 1_000);
        clock.advance(123);
        await asked(limits, [costing(ten, 10)], once);
        await obeys(once, cost);
        const twice = user(`used in two windows, ${cost}`);
        await toWindowStart(limits, clock, 1_000);
        await asked(limits, [costing(ten, 10)], twice);
        clock.advance(1_300);
        await asked(limits, [costing(ten, 3)], twice);
        await obeys(twice, cost);
      }
    },
  },
  {
    id: "LIMITS-18",
    title: "RL-08 a counting limit with another capacity keeps what is used, in units; looking at it is allowed even so",
    async run(limits) {
      for (const cell of ofEachKind(10).slice(1)) {
        await asked(limits, [costing(cell, 6)]);
        assert.equal(await left(limits, { ...cell, capacity: 20 }), 14, cell.kind);
        assert.equal(await left(limits, { ...cell, capacity: 5 }), 0, cell.kind);
        assert.equal(await passes(limits, { ...cell, capacity: 5 }), false, cell.kind);
        assert.equal(await passes(limits, { ...cell, capacity: 5, cost: 0 }), true, cell.kind);
        assert.equal(await left(limits, cell), 4, cell.kind);
      }
    },
  },
  {
    id: "LIMITS-19",
    title: "RL-07 a window that becomes longer or shorter keeps what counts, and changing to and fro wins nothing",
    async timed(limits, clock) {
      const second = perWindow(10, 1_000);
      const minute = perWindow(10, 60_000);
      await toWindowStart(limits, clock, 1_000);
      await asked(limits, [costing(second, 9)]);
      clock.advance(1_500);
      assert.equal(await left(limits, minute), 5, "half of the window before, in whole units");
      assert.equal(await passes(limits, costing(minute, 5)), true);
      for (let turn = 0; turn < 5; turn += 1) {
        assert.equal(await passes(limits, second), false);
        assert.equal(await passes(limits, minute), false);
      }
      clock.advance(2 * 60_000);
      assert.equal(await left(limits, second), 10);
    },
  },
  {
    id: "LIMITS-20",
    title: "a period of the calendar stays used up until its end, and the next begins with all of it",
    async timed(limits, clock) {
      const start = clock.now();
      const daily = perPeriod(
        3,
        [-2, 22, 46, 70].map((hours) => start + hours * HOUR_MS),
      );
      assert.equal(await passes(limits, costing(daily, 2)), true);
      const last = await said(limits, daily);
      assert.deepEqual([last.allowed, last.remaining], [true, 0]);
      near(last.resetMs, 22 * HOUR_MS);
      near((await said(limits, daily)).retryAfterMs, 22 * HOUR_MS);
      clock.advance(22 * HOUR_MS - 1);
      assert.equal(await passes(limits, daily), false);
      clock.advance(1);
      assert.equal(await passes(limits, costing(daily, 3)), true);
      assert.equal(await passes(limits, daily), false);
      clock.advance(48 * HOUR_MS - 1);
      assert.equal(await left(limits, daily), 3, "periods that nobody uses pass as well");
    },
  },
  {
    id: "LIMITS-21",
    title: "RL-41 the store picks the period by its own time: callers whose clocks are days apart share one",
    async timed(limits, clock) {
      const start = clock.now();
      const seenFrom = (days: number): CalendarCell =>
        perPeriod(
          4,
          [-1, 0, 1, 2].map((day) => start - HOUR_MS + (day + days) * DAY_MS),
        );
      for (const days of [0, -1, 1, 0]) assert.equal(await passes(limits, seenFrom(days)), true);
      for (const days of [0, -1, 1]) {
        const state = await said(limits, seenFrom(days));
        assert.equal(state.allowed, false, `${days} days`);
        near(state.retryAfterMs, 23 * HOUR_MS);
      }
    },
  },
  {
    id: "LIMITS-22",
    title: "RL-34 a wall clock that is set back opens no new period, and ends none early",
    async timed(limits, clock) {
      const start = clock.now();
      const monthly = perPeriod(
        3,
        [-240, 1, 240, 480].map((hours) => start + hours * HOUR_MS),
      );
      await asked(limits, [costing(monthly, 3)], bob);
      clock.set(start - HOUR_MS / 2);
      clock.advance(HOUR_MS + 1);
      assert.equal(await passes(limits, monthly, bob), false, "half an hour of the period is to come");
      clock.advance(HOUR_MS);
      assert.equal(await passes(limits, monthly, bob), true);
      assert.equal(await passes(limits, costing(monthly, 2)), true);
      clock.set(start + HOUR_MS / 2);
      assert.equal(await passes(limits, monthly), true);
      const { allowed, retryAfterMs } = await said(limits, monthly);
      assert.equal(allowed, false, "in the period before, by the clock");
      near(retryAfterMs, 239.5 * HOUR_MS);
      clock.advance(HOUR_MS);
      assert.equal(await passes(limits, monthly), false);
      clock.advance(238.5 * HOUR_MS);
      assert.equal(await passes(limits, costing(monthly, 3)), true);
    },
  },
  {
    id: "LIMITS-23",
    title: "RL-08 what a lowered capacity leaves above it is given back by the cost alone",
    async run(limits) {
      for (const cell of ofEachKind(10).slice(1)) {
        const { at } = await asked(limits, [costing(cell, 8)]);
        await limits.settle({ ...ada, cells: [{ ...cell, capacity: 5 }] }, at);
        assert.equal(await left(limits, cell), 3, cell.kind);
        await limits.settle({ ...ada, cells: [{ ...cell, capacity: 5, cost: -1 }] }, at);
        assert.equal(await left(limits, cell), 3, `${cell.kind}: it is empty, so nothing is charged on top`);
      }
    },
  },
  {
    id: "LIMITS-24",
    title: "settle with a cost below 0 charges on top, up to empty and never into debt",
    async run(limits) {
      for (const cell of ofEachKind(10)) {
        const { at } = await asked(limits, [costing(cell, 3)]);
        await limits.settle({ ...ada, cells: [costing(cell, -4)] }, at);
        assert.equal(await left(limits, cell), 3, cell.kind);
        await limits.settle({ ...ada, cells: [costing(cell, -100)] }, at);
        assert.equal(await left(limits, cell), 0, cell.kind);
        await limits.settle({ ...ada, cells: [costing(cell, 10)] }, at);
        assert.equal(await left(limits, cell), 10, `${cell.kind}: nothing was owed beyond the capacity`);
        await limits.settle({ ...bob, cells: [costing(cell, -2)] }, at);
        assert.equal(await left(limits, cell, bob), 8, `${cell.kind}: nothing is stored of a limit that is full again`);
      }
    },
  },
  {
    id: "LIMITS-25",
    title: "settle leaves a window or period alone in which the call was not",
    async timed(limits, clock) {
      const start = clock.now();
      const window = perWindow(10, 1_000);
      const period = perPeriod(
        10,
        [-1_000, 1_000, 60_000].map((ms) => start + ms),
      );
      const first = await asked(limits, [costing(window, 4), costing(period, 4)]);
      clock.advance(2_000);
      await asked(limits, [costing(window, 3), costing(period, 3)]);
      for (const cost of [4, -4]) {
        await limits.settle({ ...ada, cells: [costing(window, cost), costing(period, cost)] }, first.at);
        assert.equal(await left(limits, window), 7, `window, ${cost}`);
        assert.equal(await left(limits, period), 7, `period, ${cost}`);
      }
    },
  },
  {
    id: "LIMITS-26",
    title: "what the window before took is given back there, while it counts",
    async timed(limits, clock) {
      const ten = perWindow(10, 1_000);
      await toWindowStart(limits, clock, 1_000);
      const { at } = await asked(limits, [costing(ten, 10)]);
      clock.advance(1_500);
      assert.equal(await passes(limits, costing(ten, 2)), true);
      await limits.settle({ ...ada, cells: [costing(ten, 10)] }, at);
      assert.equal(await left(limits, ten), 8);
      await limits.settle({ ...ada, cells: [costing(ten, -6)] }, at);
      assert.equal(await left(limits, ten), 5);
    },
  },
  {
    id: "LIMITS-27",
    title: "a verdict says when it was, in ms of the store",
    async timed(limits, clock) {
      const first = await asked(limits, []);
      clock.advance(1_234);
      const second = await asked(limits, [bucket("tier", 1, 1_000)]);
      near(second.at - first.at, 1_234);
      clock.advance(DAY_MS);
      const denied = await asked(limits, [costing(perWindow(1, 1_000), 2)]);
      near(denied.at - second.at, DAY_MS);
    },
  },
  {
    id: "LIMITS-28",
    title: "RL-09 RL-60 limits of every kind and a place are taken together, or none is, whichever refuses",
    async run(limits) {
      const cells = ofEachKind(5);
      for (let refusing = 0; refusing < 4; refusing += 1) {
        const holder = user(`refused by ${refusing}`);
        const exhausted = cells[refusing];
        if (exhausted !== undefined) await asked(limits, [costing(exhausted, 5)], holder);
        else for (let taken = 0; taken < 5; taken += 1) await takes(limits, place(`${taken}`, 5), holder);
        assert.equal((await limits.consume({ ...holder, cells, lease: place("one more", 5) })).allowed, false);
        const looked = await limits.consume({ ...holder, cells: cells.map((cell) => costing(cell, 0)), lease: lasting(place("l", 5), 0) });
        const remaining = [...looked.cells, looked.lease].map((state) => state?.remaining);
        assert.deepEqual(
          remaining,
          [0, 1, 2, 3].map((part) => (part === refusing ? 0 : 5)),
        );
        await limits.reset(holder);
      }
      const verdict = await limits.consume({ ...ada, cells, lease: place("one", 5) });
      assert.deepEqual(
        [...verdict.cells, verdict.lease].map((state) => state?.remaining),
        [4, 4, 4, 4],
      );
    },
  },
  {
    id: "LIMITS-29",
    title: "RL-65 of 100 calls at once, as many find a place as there are",
    async run(limits) {
      assert.equal(count(await atOnce(100, (index) => takes(limits, place(`${index}`))), Boolean), 3);
      assert.equal(await placesLeft(limits), 0);
    },
  },
  {
    id: "LIMITS-30",
    title: "RL-60 a refusal tells a full cap from a used up limit",
    async run(limits) {
      const cells = [bucket("tier", 5, HOUR_MS)];
      assert.equal((await limits.consume({ ...ada, cells, lease: place("first", 1) })).lease?.allowed, true);
      const full = await limits.consume({ ...ada, cells, lease: place("second", 1) });
      assert.deepEqual([full.allowed, full.lease?.allowed, full.lease?.remaining, full.cells[0]?.allowed], [false, false, 0, true]);
      const costly = await limits.consume({
        ...ada,
        cells: [bucket("other", 1, HOUR_MS)].map((cell) => costing(cell, 2)),
        lease: place("third", 9),
      });
      assert.deepEqual([costly.allowed, costly.lease?.allowed, costly.lease?.remaining, costly.cells[0]?.allowed], [false, true, 8, false]);
    },
  },
  {
    id: "LIMITS-31",
    title: "a place that is given back is free for one other",
    async run(limits) {
      for (const key of ["a", "b", "c"]) assert.equal(await takes(limits, place(key)), true, key);
      assert.equal(await takes(limits, place("d")), false);
      const tier = bucket("tier", 5, HOUR_MS);
      const { at } = await asked(limits, [costing(tier, 2)]);
      await limits.settle({ ...ada, cells: [tier], lease: place("b") }, at);
      assert.equal(await left(limits, tier), 4, "and the limits of the call are settled with it");
      assert.equal(await takes(limits, place("d")), true);
      assert.equal(await takes(limits, place("e")), false);
    },
  },
  {
    id: "LIMITS-32",
    title: "RL-63 to give back what is over, another's, or nobody's frees no place, and never more than there are",
    async timed(limits, clock) {
      await takes(limits, lasting(place("over"), 1_000));
      clock.advance(1_000);
      for (const key of ["a", "b", "c"]) assert.equal(await takes(limits, place(key)), true, key);
      for (const key of ["over", "unknown", "", "A"]) await gives(limits, place(key));
      await gives(limits, place("a"), bob);
      await gives(limits, { ...place("a"), id: "other" });
      assert.equal(await takes(limits, place("d")), false);
      for (const key of ["a", "a", "a"]) await gives(limits, place(key));
      assert.equal(await placesLeft(limits), 1, "once");
      for (const key of ["b", "c", "c", "d"]) await gives(limits, place(key));
      assert.equal(await placesLeft(limits), 3);
      for (const key of ["a", "b", "c", "d"]) assert.equal(await takes(limits, place(key)), key !== "d", key);
    },
  },
  {
    id: "LIMITS-33",
    title: "RL-62 a place that nobody gives back is held until its deadline, and free at it",
    async timed(limits, clock) {
      await takes(limits, lasting(place("crashed", 1), 1_000));
      clock.advance(999);
      assert.equal(await takes(limits, place("next", 1)), false);
      clock.advance(1);
      assert.equal(await takes(limits, place("next", 1)), true);
      assert.equal(await takes(limits, place("another", 1)), false);
    },
  },
  {
    id: "LIMITS-34",
    title: "RL-62 a place that is renewed is held on; one that is over, or never was, is not taken anew",
    async timed(limits, clock) {
      const held = lasting(place("held", 1), 1_000);
      await takes(limits, held);
      for (let turn = 0; turn < 5; turn += 1) {
        clock.advance(999);
        assert.equal(await limits.renew(ada, held), true);
        assert.equal(await takes(limits, place("next", 1)), false);
      }
      for (const [holder, lease] of [[bob, held] as const, [ada, place("unknown", 1)] as const, [ada, { ...held, id: "other" }] as const]) {
        assert.equal(await limits.renew(holder, lease), false);
      }
      clock.advance(1_000);
      assert.equal(await limits.renew(ada, held), false, "over at its deadline");
      assert.equal(await placesLeft(limits, 1), 1);
      assert.equal(await takes(limits, place("next", 1)), true);
      assert.equal(await limits.renew(ada, held), false);
      await gives(limits, place("next", 1));
      assert.equal(await limits.renew(ada, place("next", 1)), false, "given back");
      assert.equal(await placesLeft(limits, 1), 1);
    },
  },
  {
    id: "LIMITS-35",
    title: "RL-64 a cap lowered below what is in use admits nobody and frees as ever",
    async run(limits) {
      for (const key of ["a", "b", "c"]) await takes(limits, place(key, 3));
      assert.equal(await takes(limits, place("d", 1)), false);
      assert.equal(await placesLeft(limits, 1), 0, "not below 0");
      await gives(limits, place("a", 1));
      await gives(limits, place("b", 1));
      assert.equal(await takes(limits, place("d", 1)), false);
      await gives(limits, place("c", 1));
      assert.equal(await takes(limits, place("d", 1)), true);
      assert.equal(await takes(limits, place("e", 2)), true, "and raised again, it has more");
    },
  },
  {
    id: "LIMITS-36",
    title: "to look at a cap takes no place",
    async run(limits) {
      for (let look = 0; look < 5; look += 1) assert.equal(await placesLeft(limits, 2), 2);
      await takes(limits, place("a", 2));
      for (let look = 0; look < 5; look += 1) assert.equal(await placesLeft(limits, 2), 1);
      await takes(limits, place("b", 2));
      assert.equal(await takes(limits, lasting(place("looks", 2), 0)), false, "it says whether there is one");
    },
  },
  {
    id: "LIMITS-37",
    title: "RL-65 whoever takes, renews, gives back, crashes or lowers the cap: never more are in use than it allows",
    async timed(limits, clock) {
      const { upTo } = dice(1);
      const live = new Map<string, number>();
      let now = 0;
      for (let step = 0; step < 300; step += 1) {
        const passedMs = upTo(4);
        clock.advance(passedMs);
        now += passedMs;
        for (const [key, expiresAt] of live) if (expiresAt <= now) live.delete(key);
        const capacity = 1 + upTo(3);
        const ttlMs = 1 + upTo(12);
        const lease = { id: "job", capacity, key: `${Math.max(0, step - upTo(9))}`, ttlMs };
        switch (upTo(3)) {
          case 0:
            await gives(limits, lease);
            live.delete(lease.key);
            break;
          case 1:
            assert.equal(await limits.renew(ada, lease), live.has(lease.key), `step ${step}`);
            if (live.has(lease.key)) live.set(lease.key, now + ttlMs);
            break;
          default: {
            const isFree = live.size < capacity;
            assert.equal(await takes(limits, { ...lease, key: `${step}` }), isFree, `step ${step}`);
            if (isFree) live.set(`${step}`, now + ttlMs);
          }
        }
      }
    },
  },
  {
    id: "LIMITS-38",
    title: "RL-25 awkward caps and keys are each their own",
    async run(limits) {
      for (const id of AWKWARD_KEYS) assert.equal(await takes(limits, { ...place("key", 1), id }), true, JSON.stringify(id));
      const many = AWKWARD_KEYS.length;
      for (const key of AWKWARD_KEYS) assert.equal(await takes(limits, { ...place(key, many), id: "keys" }), true, JSON.stringify(key));
      assert.equal(await takes(limits, { ...place("one more", many), id: "keys" }), false);
      for (const key of AWKWARD_KEYS) await gives(limits, { ...place(key, many), id: "keys" });
      assert.equal(await takes(limits, { ...place("one more", 1), id: "keys" }), true);
      for (const [id, cap] of [["x:y", "c"] as const, ["x", "y:c"] as const]) {
        assert.equal(await takes(limits, { ...place("key", 1), id: cap }, user(id)), true);
      }
    },
  },
  {
    id: "LIMITS-39",
    title: "a block denies everything to its holder for its time, and charges nothing",
    async timed(limits, clock) {
      const cells = ofEachKind(5);
      await takes(limits, place("held before"));
      await limits.block(ada, 1_000);
      for (const part of [{ cells: [] }, { cells }, { cells: [], lease: place("a") }, { cells, lease: place("b") }]) {
        const verdict = await limits.consume({ ...ada, ...part });
        assert.equal(verdict.allowed, false);
        near(verdict.blockedMs, 1_000);
      }
      clock.advance(999);
      assert.equal((await asked(limits, [])).allowed, false);
      assert.equal((await asked(limits, cells, bob)).allowed, true, "nobody else's");
      clock.advance(1);
      const verdict = await asked(limits, cells);
      assert.deepEqual([verdict.allowed, verdict.blockedMs], [true, 0]);
      assert.deepEqual(
        verdict.cells.map(({ remaining }) => remaining),
        [4, 4, 4],
      );
      assert.equal(await placesLeft(limits), 2, "what was taken before is held on");
    },
  },
  {
    id: "LIMITS-40",
    title: "a block ends by a block of 0 ms and by a reset; the last one counts",
    async run(limits) {
      for (const end of [() => limits.block(ada, 0), () => limits.reset(ada)]) {
        await limits.block(ada, HOUR_MS);
        await limits.block(bob, HOUR_MS);
        assert.equal((await asked(limits, [])).allowed, false);
        await end();
        assert.equal((await asked(limits, [])).allowed, true);
        assert.equal((await asked(limits, [], bob)).allowed, false);
      }
      await limits.block(ada, 0);
      await limits.block(ada, 1_000);
      await limits.block(ada, HOUR_MS);
      const { blockedMs } = await asked(limits, []);
      assert.ok(blockedMs > HOUR_MS / 2 && blockedMs <= HOUR_MS, `${blockedMs} ms`);
    },
  },
  {
    id: "LIMITS-41",
    title: "reset frees no place: what it stands for is still running",
    async run(limits) {
      const tier = bucket("tier", 1, HOUR_MS);
      await limits.consume({ ...ada, cells: [tier], lease: place("held", 1) });
      await limits.reset(ada);
      assert.equal(await left(limits, tier), 1);
      assert.equal(await takes(limits, place("next", 1)), false);
      assert.equal(await limits.renew(ada, place("held", 1)), true);
      await gives(limits, place("held", 1));
      assert.equal(await takes(limits, place("next", 1)), true);
    },
  },
  {
    id: "LIMITS-42",
    title: "a dry run says what would be allowed and what is left, and takes nothing",
    async run(limits) {
      const cells = ofEachKind(5).map((cell) => costing(cell, 2));
      const dry = async (lease = place("dry")): Promise<readonly unknown[]> => {
        const verdict = await limits.consume({ ...ada, cells, lease, dryRun: true });
        return [verdict.allowed, ...verdict.cells.map(({ remaining }) => remaining), verdict.lease?.remaining];
      };
      for (let turn = 0; turn < 3; turn += 1) assert.deepEqual(await dry(), [true, 5, 5, 5, 3]);
      assert.equal(await limits.renew(ada, place("dry")), false);
      for (const cell of cells) assert.equal((await limits.consume({ ...ada, cells: [cell], dryRun: true })).cells[0]?.remaining, 5);
      await limits.consume({ ...ada, cells: cells.map((cell) => costing(cell, 4)), lease: place("held") });
      assert.deepEqual(await dry(), [false, 1, 1, 1, 2]);
      assert.deepEqual(await dry(place("dry", 1)), [false, 1, 1, 1, 0]);
      await limits.block(bob, HOUR_MS);
      assert.equal((await limits.consume({ ...bob, cells: [], dryRun: true })).allowed, false);
    },
  },
  {
    id: "LIMITS-43",
    title: "RL-07 a dry run on other terms leaves a limit on its own",
    async timed(limits, clock) {
      const slow = bucket("tier", 60, 6_000);
      const fast = bucket("tier", 60, 2_000);
      await asked(limits, [costing(slow, 60)]);
      for (const cells of [[fast], [fast, bucket("other", 1, 1_000)]]) {
        assert.equal((await limits.consume({ ...ada, cells, dryRun: true })).allowed, false);
      }
      clock.advance(60_000);
      assert.equal(await left(limits, slow), 10);
    },
  },
  {
    id: "LIMITS-44",
    title: "RL-43 a wall clock that is set back gives nothing away, and nobody waits longer than for an empty limit",
    async timed(limits, clock) {
      for (const cell of [bucket("tier", 5, 1_000), perWindow(5, 1_000)]) {
        await asked(limits, [costing(cell, 5)]);
        clock.set(clock.now() - DAY_MS);
        const { allowed, resetMs } = await said(limits, cell);
        assert.equal(allowed, false, cell.kind);
        assert.ok(resetMs <= 5_000, `${cell.kind}: ${resetMs} ms`);
        clock.advance(5_000);
        assert.equal(await passes(limits, costing(cell, 5)), true, cell.kind);
        assert.equal(await passes(limits, cell), false, cell.kind);
      }
    },
  },
  {
    id: "LIMITS-45",
    title: "RL-02 a caller that never stops asking gets the rate and no more, however often it is refused",
    async timed(limits, clock) {
      const tier = bucket("tier", 2_000, 60);
      await asked(limits, [costing(tier, 2_000)]);
      let admitted = 0;
      for (let round = 0; round < 400; round += 1) {
        clock.advance(59 + (round % 2));
        for (const _ of [1, 2]) if ((await limits.consume({ ...ada, cells: [tier] })).allowed) admitted += 1;
      }
      assert.ok(admitted <= (400 * 59.5) / 60 + 1, `${admitted} in the time of ${(400 * 59.5) / 60}`);
    },
  },
]);

/** The same numbers each time. Numerical Recipes' linear congruential generator. */
function dice(seed: number): { upTo(most: number): number } {
  let state = seed;
  return {
    upTo(most) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * (most + 1));
    },
  };
}
