import assert from "node:assert/strict";
import { atOnce, AWKWARD_KEYS, count, lawsOf } from "./port-law.js";

const isHeld = (held: boolean): boolean => held;

export const leaseLaws = lawsOf("leases", [
  {
    id: "LEASES-01",
    title: "of 100 holders at once, one has it",
    async run(leases) {
      const held = await atOnce(100, (index) => leases.acquire("job", `holder ${index}`, 60_000));
      assert.equal(count(held, isHeld), 1);
      assert.equal(await leases.acquire("job", `holder ${held.indexOf(true)}`, 60_000), true);
    },
  },
  {
    id: "LEASES-02",
    title: "another's lease is neither taken nor given back; one's own is",
    async run(leases) {
      assert.equal(await leases.release("job", "ada"), false);
      await leases.acquire("job", "ada", 60_000);
      assert.equal(await leases.acquire("job", "bob", 60_000), false);
      assert.equal(await leases.release("job", "bob"), false);
      assert.equal(await leases.release("job", "ada"), true);
      assert.equal(await leases.release("job", "ada"), false);
      assert.equal(await leases.acquire("job", "bob", 60_000), true);
    },
  },
  {
    id: "LEASES-03",
    title: "held until its end, free at it, and extended by its holder",
    async timed(leases, clock) {
      await leases.acquire("job", "ada", 1_000);
      clock.advance(999);
      assert.equal(await leases.acquire("job", "bob", 1_000), false);
      assert.equal(await leases.acquire("job", "ada", 1_000), true);
      clock.advance(999);
      assert.equal(await leases.acquire("job", "bob", 1_000), false);
      clock.advance(1);
      assert.equal(await leases.release("job", "ada"), false, "at its end it is nobody's");
      assert.equal(await leases.acquire("job", "bob", 1_000), true);
      assert.equal(await leases.release("job", "ada"), false);
    },
  },
  {
    id: "LEASES-04",
    title: "of 100 that wait for its end, one gets it",
    async timed(leases, clock) {
      await leases.acquire("job", "ada", 1_000);
      clock.advance(1_000);
      assert.equal(count(await atOnce(100, (index) => leases.acquire("job", `holder ${index}`, 1_000)), isHeld), 1);
    },
  },
  {
    id: "LEASES-05",
    title: "awkward names and holders are each their own",
    async run(leases) {
      for (const name of AWKWARD_KEYS) assert.equal(await leases.acquire(name, name, 60_000), true, JSON.stringify(name));
      for (const holder of AWKWARD_KEYS.slice(1)) assert.equal(await leases.acquire("", holder, 60_000), false, JSON.stringify(holder));
      for (const name of AWKWARD_KEYS) assert.equal(await leases.release(name, name), true, JSON.stringify(name));
    },
  },
]);
