import assert from "node:assert/strict";
import { atOnce, AWKWARD_KEYS, count, isSnapshot, lawsOf, same } from "./port-law.js";

const BOUND = Object.freeze({ limit: 5, windowMs: 60_000 });

export const counterLaws = lawsOf("counters", [
  {
    id: "COUNTERS-01",
    title: "of 100 that add 1 to a limit of 5 at once, 5 are accepted, each with a value of its own",
    async run(counters) {
      const answers = await atOnce(100, () => counters.add("key", 1, BOUND));
      const accepted = answers.filter((answer) => answer.accepted);
      assert.deepEqual(
        accepted.map(({ value }) => value).toSorted((a, b) => a - b),
        [1, 2, 3, 4, 5],
      );
      for (const refused of answers.filter((answer) => !answer.accepted)) assert.equal(refused.value, 5);
    },
  },
  {
    id: "COUNTERS-02",
    title: "what does not fit is refused and changes nothing",
    async run(counters) {
      await counters.add("key", 4, BOUND);
      const refused = await counters.add("key", 2, BOUND);
      assert.deepEqual([refused.accepted, refused.value], [false, 4]);
      const accepted = await counters.add("key", 1, BOUND);
      assert.deepEqual([accepted.accepted, accepted.value], [true, 5]);
      const tooMuch = await counters.add("other", 6, BOUND);
      assert.deepEqual([tooMuch.accepted, tooMuch.value], [false, 0]);
      same(await counters.read("other"), { value: 0, remainingMs: 0 }, "a refused first add opens no window");
    },
  },
  {
    id: "COUNTERS-03",
    title: "a key never counted, and one that was reset, is 0 with no window",
    async run(counters) {
      same(await counters.read("key"), { value: 0, remainingMs: 0 });
      await counters.add("key", 5, BOUND);
      await counters.reset("key");
      same(await counters.read("key"), { value: 0, remainingMs: 0 });
      await counters.reset("never");
      assert.equal((await counters.add("key", 5, BOUND)).accepted, true);
    },
  },
  {
    id: "COUNTERS-04",
    title: "the limit is the one of the call",
    async run(counters) {
      await counters.add("key", 5, BOUND);
      assert.equal((await counters.add("key", 1, { limit: 6, windowMs: 60_000 })).accepted, true);
      assert.equal((await counters.add("key", 1, { limit: 3, windowMs: 60_000 })).accepted, false);
      assert.equal((await counters.read("key")).value, 6);
    },
  },
  {
    id: "COUNTERS-05",
    title: "awkward keys are each their own",
    async run(counters) {
      for (const key of AWKWARD_KEYS) assert.equal((await counters.add(key, 5, BOUND)).accepted, true, JSON.stringify(key));
      for (const key of AWKWARD_KEYS.slice(1)) await counters.reset(key);
      assert.equal((await counters.read(AWKWARD_KEYS[0] ?? "")).value, 5);
    },
  },
  {
    id: "COUNTERS-06",
    title: "results are snapshots",
    async timed(counters) {
      await counters.add("key", 1, BOUND);
      await isSnapshot(() => counters.read("key"));
    },
  },
  {
    id: "COUNTERS-07",
    title: "the window opens with the first add, is not extended by later ones, and ends at its last instant",
    async timed(counters, clock) {
      same(await counters.add("key", 1, { limit: 5, windowMs: 1_000 }), { accepted: true, value: 1, remainingMs: 1_000 });
      clock.advance(600);
      same(await counters.add("key", 1, { limit: 5, windowMs: 1_000 }), { accepted: true, value: 2, remainingMs: 400 });
      same(await counters.add("key", 4, { limit: 5, windowMs: 1_000 }), { accepted: false, value: 2, remainingMs: 400 });
      clock.advance(399);
      same(await counters.read("key"), { value: 2, remainingMs: 1 });
      clock.advance(1);
      same(await counters.read("key"), { value: 0, remainingMs: 0 });
      same(await counters.add("key", 5, { limit: 5, windowMs: 500 }), { accepted: true, value: 5, remainingMs: 500 });
    },
  },
  {
    id: "COUNTERS-08",
    title: "of 100 that add when the window has just ended, as many as fit are accepted",
    async timed(counters, clock) {
      await counters.add("key", 5, BOUND);
      clock.advance(BOUND.windowMs);
      assert.equal(
        count(await atOnce(100, () => counters.add("key", 1, BOUND)), ({ accepted }) => accepted),
        5,
      );
    },
  },
]);
