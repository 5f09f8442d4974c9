import assert from "node:assert/strict";
import type { ClaimedDelivery, Delivery, Outbox, Settlement } from "@portcullis/core";
import { atOnce, AWKWARD_KEYS, count, isSnapshot, lawsOf, same } from "./port-law.js";

const text = new TextEncoder();
const delivery = (id: string, endpointId = "e1", workspaceId = "w1") => ({
  ...{ id, endpointId, workspaceId, eventType: "order.paid", body: text.encode(`body of ${id}`) },
});
const claimed = async (outbox: Outbox, limit = 100, perEndpoint = 100, leaseMs = 30_000): Promise<readonly ClaimedDelivery[]> =>
  (await outbox.claim({ limit, perEndpoint, leaseMs })).deliveries;
const idsOf = (deliveries: readonly Delivery[]): string[] => deliveries.map(({ id }) => id);
const one = async (outbox: Outbox, id: string): Promise<Delivery> => {
  const [found] = await outbox.list({ id, limit: 2 });
  assert.ok(found !== undefined);
  return found;
};
const settled = async (outbox: Outbox, held: ClaimedDelivery, how: Partial<Settlement> = {}): Promise<boolean> => {
  const [isHeld] = await outbox.settle([{ id: held.id, leaseToken: held.leaseToken, status: "DELIVERED", attempted: true, ...how }]);
  assert.ok(isHeld !== undefined);
  return isHeld;
};

export const outboxLaws = lawsOf("outbox", [
  {
    id: "OUTBOX-01",
    title: "of 100 workers that claim at once, each delivery goes to one",
    async run(outbox) {
      await outbox.enqueue(Array.from({ length: 60 }, (_, index) => delivery(`d${index}`, `e${index % 6}`)));
      const taken = (await atOnce(100, () => claimed(outbox, 5))).flat();
      assert.equal(new Set(idsOf(taken)).size, taken.length);
      // A worker may meet others at every endpoint and go home empty; asked again, the rest is there.
      taken.push(...(await claimed(outbox)));
      assert.equal(new Set(idsOf(taken)).size, 60);
      assert.deepEqual(await claimed(outbox), []);
    },
  },
  {
    id: "OUTBOX-02",
    title: "never more than `perEndpoint` are in progress for one endpoint, whoever claims",
    async run(outbox) {
      await outbox.enqueue(Array.from({ length: 40 }, (_, index) => delivery(`d${index}`, `e${index % 2}`)));
      const taken = (await atOnce(50, () => claimed(outbox, 10, 3))).flat();
      taken.push(...(await claimed(outbox, 10, 3)));
      for (const endpointId of ["e0", "e1"])
        assert.equal(
          count(taken, (held) => held.endpointId === endpointId),
          3,
        );
      const [first] = taken;
      assert.ok(first !== undefined && (await settled(outbox, first)));
      assert.deepEqual(
        (await claimed(outbox, 10, 3)).map(({ endpointId }) => endpointId),
        [first.endpointId],
      );
    },
  },
  {
    id: "OUTBOX-03",
    title: "an endpoint with a great backlog keeps no other waiting",
    async run(outbox) {
      await outbox.enqueue(Array.from({ length: 300 }, (_, index) => delivery(`slow ${index}`, "slow")));
      await outbox.enqueue(Array.from({ length: 6 }, (_, index) => delivery(`quick ${index}`, `quick ${index}`)));
      const seen = new Set<string>();
      for (let round = 0; round < 4; round += 1) for (const held of await claimed(outbox, 4, 4)) seen.add(held.endpointId);
      for (let index = 0; index < 6; index += 1) assert.ok(seen.has(`quick ${index}`), `quick ${index}`);
    },
  },
  {
    id: "OUTBOX-04",
    title: "many endpoints take turns: none waits twice while another is served twice",
    async timed(outbox, clock) {
      await outbox.enqueue(Array.from({ length: 32 }, (_, index) => delivery(`d${index}`, `e${index % 8}`)));
      const served: string[] = [];
      for (let round = 0; round < 4; round += 1) {
        clock.advance(1);
        for (const held of await claimed(outbox, 4, 2)) served.push(held.endpointId);
      }
      assert.ok(new Set(served).size >= 7, served.join());
    },
  },
  {
    id: "OUTBOX-05",
    title: "a delivery has what it was queued with, byte for byte",
    async timed(outbox, clock) {
      const now = clock.now();
      const body = Uint8Array.from({ length: 256 }, (_, index) => index);
      same(await outbox.enqueue([{ ...delivery("one", "e9", "w9"), body }]), ["created"]);
      const queued = {
        ...{ id: "one", endpointId: "e9", workspaceId: "w9", eventType: "order.paid", body, status: "PENDING", attempts: 0, reclaims: 0 },
        ...{ createdAt: now, dueAt: now },
      };
      same(await outbox.list({ id: "one", limit: 9 }), [queued]);
      clock.advance(3);
      const [held] = await claimed(outbox, 1, 1, 1_000);
      assert.ok(held !== undefined && held.leaseToken !== "");
      same({ ...held, leaseToken: "" }, { ...queued, status: "IN_PROGRESS", dueAt: now + 1_003, leaseToken: "" });
    },
  },
  {
    id: "OUTBOX-06",
    title: "enqueue is idempotent by id, and a batch with a conflict stores nothing",
    async run(outbox) {
      same(await outbox.enqueue([delivery("one"), delivery("two")]), ["created", "created"]);
      same(await outbox.enqueue([delivery("two"), delivery("three"), delivery("three")]), ["exists", "created", "exists"]);
      same(await outbox.enqueue([delivery("four"), { ...delivery("one"), body: text.encode("other") }]), ["created", "conflict"]);
      same(await outbox.enqueue([{ ...delivery("one"), endpointId: "e2" }]), ["conflict"]);
      same(await outbox.enqueue([delivery("five"), { ...delivery("five"), body: text.encode("other") }]), ["created", "conflict"]);
      same(await outbox.enqueue([]), []);
      assert.deepEqual(idsOf(await outbox.list({ limit: 99 })), ["three", "two", "one"]);
      assert.deepEqual(idsOf(await claimed(outbox)), ["one", "two", "three"]);
      same(await outbox.enqueue([delivery("one")]), ["exists"], "in progress, and afterwards, it is the same delivery");
    },
  },
  {
    id: "OUTBOX-07",
    title: "of 50 that queue one delivery at once, one creates it",
    async run(outbox) {
      const results = (await atOnce(50, (index) => outbox.enqueue([delivery("one"), delivery(`own ${index}`)]))).map(([first]) => first);
      assert.equal(
        count(results, (result) => result === "created"),
        1,
      );
      assert.equal(
        count(results, (result) => result === "exists"),
        49,
      );
      assert.equal((await outbox.list({ limit: 999 })).length, 51);
    },
  },
  {
    id: "OUTBOX-08",
    title: "held until the lease ends; at its end due again, with one reclaim more, and the old holder's settlement changes nothing",
    async timed(outbox, clock) {
      await outbox.enqueue([delivery("one")]);
      const [first] = await claimed(outbox, 1, 1, 1_000);
      clock.advance(999);
      assert.deepEqual(await claimed(outbox), []);
      clock.advance(1);
      assert.ok(first !== undefined);
      assert.equal(await settled(outbox, first), false, "at its end the lease holds no more");
      const [second] = await claimed(outbox, 1, 1, 1_000);
      assert.ok(second !== undefined);
      assert.deepEqual([second.reclaims, second.attempts], [1, 0]);
      assert.notEqual(second.leaseToken, first.leaseToken);
      assert.equal(await settled(outbox, first, { status: "DEAD_LETTERED" }), false);
      assert.equal((await one(outbox, "one")).status, "IN_PROGRESS");
      assert.equal(await settled(outbox, second), true);
      assert.equal(await settled(outbox, second), false, "a settlement counts once");
      assert.deepEqual([(await one(outbox, "one")).status, (await one(outbox, "one")).attempts], ["DELIVERED", 1]);
    },
  },
  {
    id: "OUTBOX-09",
    title: "of 20 workers that claim a lost lease at once, one gets it",
    async timed(outbox, clock) {
      await outbox.enqueue([delivery("one")]);
      await claimed(outbox, 1, 1, 1_000);
      clock.advance(1_000);
      const taken = (await atOnce(20, () => claimed(outbox, 5, 5, 1_000))).flat();
      taken.push(...(await claimed(outbox, 5, 5, 1_000)));
      assert.deepEqual(
        taken.map(({ id, reclaims }) => [id, reclaims]),
        [["one", 1]],
      );
    },
  },
  {
    id: "OUTBOX-10",
    title: "a retry is due after its delay; what was not sent is no attempt; a settled end stays",
    async timed(outbox, clock) {
      await outbox.enqueue([delivery("one")]);
      const [first] = await claimed(outbox);
      assert.ok(first !== undefined);
      await settled(outbox, first, { status: "RETRYING", delayMs: 5_000, error: "503" });
      const waiting = await one(outbox, "one");
      assert.deepEqual([waiting.status, waiting.attempts, waiting.lastError, waiting.dueAt], ["RETRYING", 1, "503", clock.now() + 5_000]);
      clock.advance(4_999);
      same(await outbox.claim({ limit: 9, perEndpoint: 9, leaseMs: 1 }), { deliveries: [], nextDueMs: 1 });
      clock.advance(1);
      const [second] = await claimed(outbox);
      assert.ok(second !== undefined);
      assert.equal(second.reclaims, 0);
      await settled(outbox, second, { status: "RETRYING", attempted: false });
      assert.equal((await one(outbox, "one")).attempts, 1);
      const [third] = await claimed(outbox);
      assert.ok(third !== undefined, "without a delay it is due at once");
      await settled(outbox, third, { status: "DEAD_LETTERED", error: "410" });
      clock.advance(1_000_000);
      assert.deepEqual(await claimed(outbox), []);
      const dead = await one(outbox, "one");
      assert.deepEqual([dead.status, dead.attempts, dead.lastError], ["DEAD_LETTERED", 2, "410"]);
    },
  },
  {
    id: "OUTBOX-11",
    title: "a claim says when the next is due: never, now, when a retry is, or when a lease ends",
    async timed(outbox, clock) {
      const ask = (limit: number, perEndpoint: number) => outbox.claim({ limit, perEndpoint, leaseMs: 30_000 });
      same((await ask(1, 1)).nextDueMs, undefined);
      await outbox.enqueue([delivery("one"), delivery("two", "e2"), delivery("three", "e2")]);
      same((await ask(1, 1)).nextDueMs, 0);
      same((await ask(1, 1)).nextDueMs, 30_000, "the third waits for the second's place");
      clock.advance(100);
      same((await ask(1, 2)).nextDueMs, 29_900);
    },
  },
  {
    id: "OUTBOX-12",
    title: "settlements of one call are each judged by their own lease",
    async run(outbox) {
      await outbox.enqueue([delivery("one"), delivery("two"), delivery("three")]);
      const [first, second] = await claimed(outbox, 2);
      assert.ok(first !== undefined && second !== undefined);
      const settle = (id: string, leaseToken: string) => ({ id, leaseToken, status: "DELIVERED" as const, attempted: true });
      const results = await outbox.settle([
        settle(first.id, `not ${first.leaseToken}`),
        settle(second.id, second.leaseToken),
        settle("three", second.leaseToken),
        settle("none", first.leaseToken),
        settle(first.id, ""),
      ]);
      same(results, [false, true, false, false, false]);
      assert.equal((await one(outbox, first.id)).status, "IN_PROGRESS");
    },
  },
  {
    id: "OUTBOX-13",
    title: "redrive makes dead and retrying deliveries due at once with all their attempts, and no others",
    async run(outbox) {
      await outbox.enqueue(["dead", "retrying", "done", "held", "new"].map((id) => delivery(id)));
      const held = await claimed(outbox, 4);
      for (const [index, status] of (["DEAD_LETTERED", "RETRYING", "DELIVERED"] as const).entries()) {
        const lease = held[index];
        assert.ok(lease !== undefined);
        await settled(outbox, lease, { status, delayMs: 3_600_000, error: "500" });
      }
      assert.equal(await outbox.redrive(["dead", "retrying", "done", "held", "new", "none", "dead"]), 2);
      const again = await claimed(outbox);
      assert.deepEqual(new Set(idsOf(again)), new Set(["dead", "retrying", "new"]));
      for (const { attempts } of again) assert.equal(attempts, 0);
      assert.equal(await outbox.redrive([]), 0);
    },
  },
  {
    id: "OUTBOX-14",
    title: "listed newest first, by workspace, endpoint and status, in pages that meet",
    async run(outbox) {
      for (let index = 0; index < 6; index += 1) await outbox.enqueue([delivery(`d${index}`, `e${index % 2}`, index < 4 ? "w1" : "w2")]);
      assert.deepEqual(idsOf(await outbox.list({ limit: 4 })), ["d5", "d4", "d3", "d2"]);
      assert.deepEqual(idsOf(await outbox.list({ limit: 4, after: "d2" })), ["d1", "d0"]);
      assert.deepEqual(idsOf(await outbox.list({ limit: 9, workspaceId: "w1", endpointId: "e0" })), ["d2", "d0"]);
      const [first] = await claimed(outbox, 1);
      assert.ok(first !== undefined);
      assert.deepEqual(idsOf(await outbox.list({ limit: 9, statuses: ["IN_PROGRESS"] })), [first.id]);
      assert.equal((await outbox.list({ limit: 9, statuses: ["PENDING", "IN_PROGRESS"] })).length, 6);
      assert.deepEqual(await outbox.list({ limit: 9, statuses: ["DELIVERED"] }), []);
      assert.deepEqual(await outbox.list({ limit: 9, statuses: [] }), []);
    },
  },
  {
    id: "OUTBOX-15",
    title: "awkward texts are each their own",
    async run(outbox) {
      const awkward = AWKWARD_KEYS.map((name) => ({
        id: name,
        endpointId: name,
        workspaceId: name,
        eventType: name,
        body: text.encode(name),
      }));
      same(
        await outbox.enqueue(awkward),
        AWKWARD_KEYS.map(() => "created"),
      );
      for (const given of awkward) {
        const [found] = await outbox.list({ id: given.id, endpointId: given.id, workspaceId: given.id, limit: 2 });
        same({ ...found, ...given }, found);
      }
      for (const held of await claimed(outbox, 999))
        assert.equal(await settled(outbox, held, { error: held.id }), true, JSON.stringify(held.id));
      for (const name of AWKWARD_KEYS) assert.equal((await one(outbox, name)).lastError, name, JSON.stringify(name));
    },
  },
  {
    id: "OUTBOX-16",
    title: "results are snapshots, and so are the bytes that were given",
    async run(outbox) {
      const given = delivery("one");
      await outbox.enqueue([given]);
      given.body.fill(0);
      same((await one(outbox, "one")).body, text.encode("body of one"));
      await isSnapshot(() => outbox.list({ limit: 9 }));
      const [held] = await claimed(outbox);
      held?.body.fill(0);
      same((await one(outbox, "one")).body, text.encode("body of one"));
    },
  },
]);
