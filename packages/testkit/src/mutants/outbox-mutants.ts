import type { ClaimedDelivery, Outbox } from "@portcullis/core";
import { gap, type PortMutant } from "./port-mutant.js";

/** Leases all that is due, keeps the first in this order, and puts the others back. */
function claimingBy(outbox: Outbox, order: (a: ClaimedDelivery, b: ClaimedDelivery) => number): Outbox {
  return {
    ...outbox,
    async claim(options) {
      const { deliveries, nextDueMs } = await outbox.claim({ ...options, limit: 1_000_000, perEndpoint: 1_000_000 });
      const ordered = deliveries.toSorted(order);
      const others = ordered.slice(options.limit);
      await outbox.settle(others.map(({ id, leaseToken }) => ({ id, leaseToken, status: "RETRYING", delayMs: 0, attempted: false })));
      const kept = ordered.slice(0, options.limit);
      // Done at once, so that the same endpoints are first again.
      await outbox.settle(kept.map(({ id, leaseToken }) => ({ id, leaseToken, status: "DELIVERED", attempted: true })));
      return { deliveries: kept, nextDueMs };
    },
  };
}

export const outboxMutants: readonly PortMutant<"outbox">[] = [
  {
    mistake: "a claim looks, then leases",
    breaks: ["OUTBOX-01"],
    spoil: (outbox) => {
      let shared: Promise<readonly ClaimedDelivery[]> | undefined;
      return {
        ...outbox,
        async claim(options) {
          shared ??= Promise.resolve(outbox.claim(options)).then(({ deliveries }) => deliveries);
          const deliveries = await shared;
          shared = undefined;
          return { deliveries, nextDueMs: 0 };
        },
      };
    },
  },
  {
    mistake: "endpoints have no bound",
    breaks: ["OUTBOX-02"],
    spoil: (outbox) => ({ ...outbox, claim: (options) => outbox.claim({ ...options, perEndpoint: Infinity }) }),
  },
  {
    mistake: "first in, first out over all endpoints",
    breaks: ["OUTBOX-03"],
    spoil: (outbox) => claimingBy(outbox, (a, b) => Number(b.endpointId === "slow") - Number(a.endpointId === "slow")),
  },
  {
    mistake: "endpoints go by name, not by turn",
    breaks: ["OUTBOX-04"],
    spoil: (outbox) => claimingBy(outbox, (a, b) => (a.endpointId < b.endpointId ? -1 : 1)),
  },
  {
    mistake: "bodies are text",
    breaks: ["OUTBOX-05"],
    spoil: (outbox) => ({
      ...outbox,
      enqueue: (deliveries) =>
        outbox.enqueue(
          deliveries.map((delivery) => ({ ...delivery, body: new TextEncoder().encode(new TextDecoder().decode(delivery.body)) })),
        ),
    }),
  },
  {
    mistake: "enqueue looks whether the id is known, then stores",
    breaks: ["OUTBOX-07"],
    spoil: (outbox) => ({
      ...outbox,
      async enqueue(deliveries) {
        const known = new Set((await outbox.list({ limit: 1_000_000 })).map(({ id }) => id));
        await gap();
        const results = await outbox.enqueue(deliveries);
        return results.map((result, index) => (result === "exists" && !known.has(deliveries[index]?.id ?? "") ? "created" : result));
      },
    }),
  },
  {
    mistake: "ids are trimmed",
    breaks: ["OUTBOX-15"],
    spoil: (outbox) => ({
      ...outbox,
      enqueue: (deliveries) => outbox.enqueue(deliveries.map((delivery) => ({ ...delivery, id: delivery.id.trim() }))),
    }),
  },
  {
    mistake: "the bound is per claim, not per endpoint",
    breaks: ["OUTBOX-02"],
    spoil: (outbox) => {
      let given = 0;
      return {
        ...outbox,
        async claim(options) {
          given += options.perEndpoint;
          return outbox.claim({ ...options, perEndpoint: given });
        },
      };
    },
  },
  {
    mistake: "a conflict leaves the rest of its batch queued",
    breaks: ["OUTBOX-06"],
    spoil: (outbox) => ({
      ...outbox,
      async enqueue(deliveries) {
        const results: ("created" | "exists" | "conflict")[] = [];
        for (const delivery of deliveries) results.push(...(await outbox.enqueue([delivery])));
        return results;
      },
    }),
  },
  {
    mistake: "other bytes under a known id count as the same",
    breaks: ["OUTBOX-06"],
    spoil: (outbox) => ({
      ...outbox,
      async enqueue(deliveries) {
        return (await outbox.enqueue(deliveries)).map((result) => (result === "conflict" ? "exists" : result));
      },
    }),
  },
  {
    mistake: "held at the lease's end still",
    breaks: ["OUTBOX-08"],
    spoil: (outbox) => ({ ...outbox, claim: (options) => outbox.claim({ ...options, leaseMs: options.leaseMs + 1 }) }),
  },
  {
    mistake: "a settlement needs no lease",
    breaks: ["OUTBOX-08", "OUTBOX-12"],
    spoil: (outbox) => {
      const tokens = new Map<string, string>();
      return {
        ...outbox,
        async claim(options) {
          const claim = await outbox.claim(options);
          for (const { id, leaseToken } of claim.deliveries) tokens.set(id, leaseToken);
          return claim;
        },
        settle: (settlements) =>
          outbox.settle(settlements.map((settlement) => ({ ...settlement, leaseToken: tokens.get(settlement.id) ?? "" }))),
      };
    },
  },
  {
    mistake: "a lost lease is not counted",
    breaks: ["OUTBOX-08", "OUTBOX-09"],
    spoil: (outbox) => ({
      ...outbox,
      async claim(options) {
        const { deliveries, nextDueMs } = await outbox.claim(options);
        return { deliveries: deliveries.map((delivery) => ({ ...delivery, reclaims: 0 })), nextDueMs };
      },
    }),
  },
  {
    mistake: "every settlement is an attempt",
    breaks: ["OUTBOX-10"],
    spoil: (outbox) => ({
      ...outbox,
      settle: (settlements) => outbox.settle(settlements.map((settlement) => ({ ...settlement, attempted: true }))),
    }),
  },
  {
    mistake: "a retry is due at once",
    breaks: ["OUTBOX-10"],
    spoil: (outbox) => ({
      ...outbox,
      settle: (settlements) => outbox.settle(settlements.map((settlement) => ({ ...settlement, delayMs: 0 }))),
    }),
  },
  {
    mistake: "the wait is for what a full endpoint holds back",
    breaks: ["OUTBOX-11"],
    spoil: (outbox) => ({
      ...outbox,
      async claim(options) {
        const claim = await outbox.claim(options);
        const waiting = await outbox.list({ statuses: ["PENDING"], limit: 1 });
        return waiting.length > 0 ? { ...claim, nextDueMs: 0 } : claim;
      },
    }),
  },
  {
    mistake: "redrive takes the delivered too",
    breaks: ["OUTBOX-13"],
    spoil: (outbox) => ({ ...outbox, redrive: async (ids) => Math.max(await outbox.redrive(ids), ids.length) }),
  },
  {
    mistake: "listed oldest first",
    breaks: ["OUTBOX-14"],
    spoil: (outbox) => ({ ...outbox, list: async (filter) => (await outbox.list(filter)).toReversed() }),
  },
  {
    mistake: "keeps the caller's bytes",
    breaks: ["OUTBOX-16"],
    spoil: (outbox) => {
      const bodies = new Map<string, Uint8Array>();
      return {
        ...outbox,
        enqueue(deliveries) {
          for (const { id, body } of deliveries) bodies.set(id, body);
          return outbox.enqueue(deliveries);
        },
        async list(filter) {
          return (await outbox.list(filter)).map((delivery) => ({ ...delivery, body: bodies.get(delivery.id) ?? delivery.body }));
        },
      };
    },
  },
];
