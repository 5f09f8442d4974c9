import assert from "node:assert/strict";
import { atOnce, AWKWARD_KEYS, count, lawsOf } from "./port-law.js";

const MINUTE_MS = 60_000;
const isWon = (won: boolean): boolean => won;

export const ticketLaws = lawsOf("tickets", [
  {
    id: "TICKETS-01",
    title: "of 100 that put one key at once, one wins, and its value is the one kept",
    async run(tickets) {
      const won = await atOnce(100, (index) => tickets.put("key", `value ${index}`, MINUTE_MS));
      assert.equal(count(won, isWon), 1);
      assert.equal(await tickets.peek("key"), `value ${won.indexOf(true)}`);
    },
  },
  {
    id: "TICKETS-02",
    title: "of 100 that take one key at once, one gets the value",
    async run(tickets) {
      await tickets.put("key", "value", MINUTE_MS);
      const values = await atOnce(100, () => tickets.take("key"));
      assert.deepEqual(
        values.filter((value) => value !== undefined),
        ["value"],
      );
      assert.equal(await tickets.peek("key"), undefined);
    },
  },
  {
    id: "TICKETS-03",
    title: "of 100 that replace one value at once, one wins",
    async run(tickets) {
      await tickets.put("key", "value", MINUTE_MS);
      const won = await atOnce(100, (index) => tickets.replace("key", "value", `next ${index}`, MINUTE_MS));
      assert.equal(count(won, isWon), 1);
      assert.equal(await tickets.peek("key"), `next ${won.indexOf(true)}`);
    },
  },
  {
    id: "TICKETS-04",
    title: "taking and putting one key at once, many times over, never gives one value out twice",
    async run(tickets) {
      const put: string[] = [];
      const taken: string[] = [];
      await atOnce(100, async (index) => {
        if (index % 2 === 0 && (await tickets.put("key", `value ${index}`, MINUTE_MS))) put.push(`value ${index}`);
        const value = await tickets.take("key");
        if (value !== undefined) taken.push(value);
      });
      const left = await tickets.take("key");
      if (left !== undefined) taken.push(left);
      assert.deepEqual(taken.toSorted(), put.toSorted());
    },
  },
  {
    id: "TICKETS-05",
    title: "a key that was never put, or was taken, has no value",
    async run(tickets) {
      assert.equal(await tickets.peek("key"), undefined);
      assert.equal(await tickets.take("key"), undefined);
      assert.equal(await tickets.replace("key", "value", "next", MINUTE_MS), false);
      assert.equal(await tickets.peek("key"), undefined, "a replace that failed stores nothing");
      await tickets.put("key", "value", MINUTE_MS);
      await tickets.take("key");
      assert.equal(await tickets.put("key", "again", MINUTE_MS), true);
    },
  },
  {
    id: "TICKETS-06",
    title: "peek leaves the value in place; a refused put and a refused replace do too",
    async run(tickets) {
      await tickets.put("key", "value", MINUTE_MS);
      assert.equal(await tickets.peek("key"), "value");
      assert.equal(await tickets.put("key", "other", MINUTE_MS), false);
      assert.equal(await tickets.replace("key", "other", "next", MINUTE_MS), false);
      assert.equal(await tickets.replace("key", "", "next", MINUTE_MS), false);
      assert.equal(await tickets.take("key"), "value");
    },
  },
  {
    id: "TICKETS-07",
    title: "awkward keys are each their own, and awkward values come back as they were",
    async run(tickets) {
      for (const key of AWKWARD_KEYS) assert.equal(await tickets.put(key, `${key}|${key}`, MINUTE_MS), true, JSON.stringify(key));
      for (const key of AWKWARD_KEYS) assert.equal(await tickets.peek(key), `${key}|${key}`, JSON.stringify(key));
      for (const key of AWKWARD_KEYS) assert.equal(await tickets.take(key), `${key}|${key}`, JSON.stringify(key));
      for (const value of AWKWARD_KEYS) {
        await tickets.put("key", value, MINUTE_MS);
        assert.equal(await tickets.take("key"), value, JSON.stringify(value));
      }
    },
  },
  {
    id: "TICKETS-08",
    title: "held until the deadline, free at it",
    async timed(tickets, clock) {
      await tickets.put("key", "value", 1_000);
      clock.advance(999);
      assert.equal(await tickets.peek("key"), "value");
      assert.equal(await tickets.put("key", "other", 1_000), false);
      clock.advance(1);
      assert.equal(await tickets.peek("key"), undefined);
      assert.equal(await tickets.replace("key", "value", "next", 1_000), false);
      assert.equal(await tickets.take("key"), undefined);
      await tickets.put("key", "value", 1_000);
      clock.advance(1_000);
      assert.equal(await tickets.take("key"), undefined, "at the deadline there is nothing to take");
      await tickets.put("key", "value", 1_000);
      clock.advance(1_000);
      assert.equal(await tickets.put("key", "other", 1_000), true, "at the deadline the key is free");
      assert.equal(await tickets.peek("key"), "other");
    },
  },
  {
    id: "TICKETS-09",
    title: "replace sets a new deadline, counted from now",
    async timed(tickets, clock) {
      await tickets.put("key", "value", 1_000);
      clock.advance(900);
      assert.equal(await tickets.replace("key", "value", "next", 1_000), true);
      clock.advance(999);
      assert.equal(await tickets.peek("key"), "next");
      clock.advance(1);
      assert.equal(await tickets.peek("key"), undefined);
      await tickets.put("key", "value", 1_000);
      await tickets.replace("key", "value", "next", 10);
      clock.advance(10);
      assert.equal(await tickets.peek("key"), undefined, "a shorter deadline counts too");
    },
  },
  {
    id: "TICKETS-10",
    title: "of 100 that put a key whose deadline has passed, one wins",
    async timed(tickets, clock) {
      await tickets.put("key", "old", 1_000);
      clock.advance(1_000);
      assert.equal(count(await atOnce(100, () => tickets.put("key", "new", 1_000)), isWon), 1);
    },
  },
  {
    id: "TICKETS-11",
    title: "a deadline may be a year away",
    async timed(tickets, clock) {
      const yearMs = 365 * 24 * 3_600_000;
      await tickets.put("key", "value", yearMs);
      clock.advance(yearMs - 1);
      assert.equal(await tickets.peek("key"), "value");
      clock.advance(1);
      assert.equal(await tickets.peek("key"), undefined);
    },
  },
]);
