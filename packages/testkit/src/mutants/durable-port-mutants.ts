import type { ApprovalRecord, Approvals, ClaimedDelivery, Outbox } from "@portcullis/core";
import { gap, type PortMutant, sharing } from "./port-mutant.js";

/** The last writer wins. */
async function changeAnyhow(
  approvals: Approvals,
  ...[id, condition, change]: Parameters<Approvals["update"]>
): Promise<ApprovalRecord | undefined> {
  for (;;) {
    const found = await approvals.find(id);
    if (found === undefined) return undefined;
    const changed = await approvals.update(id, { ...condition, revision: found.record.revision }, change);
    if (changed !== undefined) return changed;
  }
}

export const approvalMutants: readonly PortMutant<"approvals">[] = [
  {
    mistake: "open looks for an open one, then creates",
    breaks: ["APPROVALS-01"],
    spoil: (approvals) => {
      const known = new Set<string>();
      return {
        ...approvals,
        async open(approval) {
          const request = JSON.stringify([approval.workspaceId, approval.requesterId, approval.digest]);
          if (known.has(request)) return approvals.open(approval);
          await gap();
          known.add(request);
          const { record } = await approvals.open({ ...approval, digest: `${approval.digest} ${approval.id}` });
          return { record, created: true };
        },
      };
    },
  },
  {
    mistake: "joins workspace and requester into one key",
    breaks: ["APPROVALS-02"],
    spoil: (approvals) => {
      const open = new Map<string, string>();
      return {
        ...approvals,
        async open(approval) {
          const request = `${approval.workspaceId}${approval.requesterId}${approval.digest}`;
          const known = await approvals.find(open.get(request) ?? "none");
          if (known !== undefined) return { record: known.record, created: false };
          open.set(request, approval.id);
          return approvals.open(approval);
        },
      };
    },
  },
  {
    mistake: "a change goes by no revision",
    breaks: ["APPROVALS-04"],
    spoil: (approvals) => ({
      ...approvals,
      update: (id, condition, change) => changeAnyhow(approvals, id, condition, change),
    }),
  },
  {
    mistake: "a change compares, then stores",
    breaks: ["APPROVALS-04"],
    spoil: (approvals) => ({
      ...approvals,
      async update(id, condition, change) {
        if ((await approvals.find(id))?.record.revision !== condition.revision) return undefined;
        await gap();
        return changeAnyhow(approvals, id, condition, change);
      },
    }),
  },
  {
    mistake: "in time at the deadline still",
    breaks: ["APPROVALS-06"],
    spoil: (approvals) => ({
      ...approvals,
      update: (id, { revision, before }, change) =>
        approvals.update(id, before === undefined ? { revision } : { revision, before: before + 1 }, change),
    }),
  },
  {
    mistake: "`before` is not looked at",
    breaks: ["APPROVALS-06"],
    spoil: (approvals) => ({ ...approvals, update: (id, { revision }, change) => approvals.update(id, { revision }, change) }),
  },
  {
    mistake: "durations are taken for instants",
    breaks: ["APPROVALS-05"],
    spoil: (approvals, clock) => ({
      ...approvals,
      update: (id, condition, change) =>
        approvals.update(
          id,
          condition,
          change.executeWithinMs === undefined ? change : { ...change, executeWithinMs: change.executeWithinMs - clock.now() },
        ),
    }),
  },
  {
    mistake: "an expired one keeps its request from being opened again",
    breaks: ["APPROVALS-07"],
    spoil: (approvals) => {
      const first = new Map<string, string>();
      return {
        ...approvals,
        async open(approval) {
          const known = await approvals.find(first.get(approval.digest) ?? "none");
          if (known?.record.status === "PENDING") return { record: known.record, created: false };
          first.set(approval.digest, approval.id);
          return approvals.open(approval);
        },
      };
    },
  },
  {
    mistake: "an approved one is opened again",
    breaks: ["APPROVALS-08"],
    spoil: (approvals) => ({
      ...approvals,
      async open(approval) {
        const { record, created } = await approvals.open(approval);
        if (record.status !== "APPROVED") return { record, created };
        return approvals.open({ ...approval, digest: `${approval.digest} again` });
      },
    }),
  },
  {
    mistake: "instants in whole seconds",
    breaks: ["APPROVALS-03"],
    spoil: (approvals) => ({
      ...approvals,
      async open(approval) {
        const { record, created } = await approvals.open(approval);
        return { record: { ...record, createdAt: record.createdAt / 1_000, expiresAt: record.expiresAt / 1_000 }, created };
      },
    }),
  },
  {
    mistake: "ids are trimmed",
    breaks: ["APPROVALS-10"],
    spoil: (approvals) => ({ ...approvals, open: (approval) => approvals.open({ ...approval, id: approval.id.trim() }) }),
  },
  {
    mistake: "gives out its own list",
    breaks: ["APPROVALS-11"],
    spoil: (approvals) => ({ ...approvals, list: sharing((filter) => approvals.list(filter)) }),
  },
  {
    mistake: "the list knows no workspace",
    breaks: ["APPROVALS-09"],
    spoil: (approvals) => ({
      ...approvals,
      async list(filter) {
        const own = await approvals.list(filter);
        const foreign = await approvals.list({ ...filter, workspaceId: "w2" });
        return { ...own, records: [...own.records, ...foreign.records] };
      },
    }),
  },
  {
    mistake: "a page begins with the last of the page before",
    breaks: ["APPROVALS-09"],
    spoil: (approvals) => ({
      ...approvals,
      async list(filter) {
        const page = await approvals.list(filter);
        const last = filter.after === undefined ? undefined : await approvals.find(filter.after);
        return last === undefined ? page : { ...page, records: [last.record, ...page.records].slice(0, filter.limit) };
      },
    }),
  },
];

export const logMutants: readonly PortMutant<"log">[] = [
  {
    mistake: "the head is read before the append is alone",
    breaks: ["LOG-02"],
    spoil: (log) => ({
      ...log,
      async append(name, build) {
        const head = await log.head(name);
        await gap();
        return log.append(name, () => build(head));
      },
    }),
  },
  {
    mistake: "a batch is stored up to the entry that is refused",
    breaks: ["LOG-04"],
    spoil: (log) => ({
      ...log,
      async append(name, build) {
        const { entries, frontier } = build(await log.head(name));
        for (const entry of entries) await log.append(name, () => ({ entries: [entry], frontier }));
        return log.append(name, () => ({ entries: [], frontier }));
      },
    }),
  },
  {
    mistake: "a key that exists is left out without a word",
    breaks: ["LOG-04"],
    spoil: (log) => ({
      ...log,
      async append(name, build) {
        const known = new Set((await log.read(name, 0, 1_000_000)).map(({ key }) => key));
        return log.append(name, (head) => {
          const { entries, frontier } = build(head);
          const fresh = entries.filter(({ key }) => !known.has(key) && known.add(key) !== undefined);
          return { entries: fresh, frontier };
        });
      },
    }),
  },
  {
    mistake: "of a key appended by many at once, all are told it was theirs",
    breaks: ["LOG-05"],
    spoil: (log) => ({
      ...log,
      async append(name, build) {
        try {
          return await log.append(name, build);
        } catch {
          return log.head(name);
        }
      },
    }),
  },
  {
    mistake: "a new log has a frontier of zeros",
    breaks: ["LOG-01"],
    spoil: (log) => ({
      ...log,
      async head(name) {
        const head = await log.head(name);
        return head.size === 0 ? { ...head, frontier: new Uint8Array(32) } : head;
      },
    }),
  },
  {
    mistake: "a batch without entries is not stored",
    breaks: ["LOG-07"],
    spoil: (log) => ({
      ...log,
      async append(name, build) {
        const head = await log.head(name);
        return build(head).entries.length === 0 ? head : log.append(name, build);
      },
    }),
  },
  {
    mistake: "a batch is cut at a thousand",
    breaks: ["LOG-08"],
    spoil: (log) => ({
      ...log,
      append: (name, build) =>
        log.append(name, (head) => {
          const { entries, frontier } = build(head);
          return { entries: entries.slice(0, 1_000), frontier };
        }),
    }),
  },
  {
    mistake: "logs are files, on a disk without case",
    breaks: ["LOG-10"],
    spoil: (log) => ({
      ...log,
      append: (name, build) => log.append(name.toLowerCase(), build),
      read: (name, ...rest) => log.read(name.toLowerCase(), ...rest),
    }),
  },
  {
    mistake: "bytes pass through text",
    breaks: ["LOG-03"],
    spoil: (log) => ({
      ...log,
      async read(name, fromIndex, limit, filter) {
        const entries = await log.read(name, fromIndex, limit, filter);
        return entries.map((entry) => ({ ...entry, bytes: new TextEncoder().encode(new TextDecoder().decode(entry.bytes)) }));
      },
    }),
  },
  {
    mistake: "what the build throws is wrapped",
    breaks: ["LOG-06"],
    spoil: (log) => ({
      ...log,
      async append(name, build) {
        try {
          return await log.append(name, build);
        } catch (cause) {
          throw new Error("append failed", { cause });
        }
      },
    }),
  },
  {
    mistake: "the end of a time range is in it",
    breaks: ["LOG-09"],
    spoil: (log) => ({
      ...log,
      read: (name, fromIndex, limit, filter = {}) =>
        log.read(name, fromIndex, limit, filter.to === undefined ? filter : { ...filter, to: filter.to + 1 }),
    }),
  },
  {
    mistake: "the limit counts before the filter",
    breaks: ["LOG-09"],
    spoil: (log) => ({
      ...log,
      async read(name, fromIndex, limit, filter) {
        const from = new Set((await log.read(name, fromIndex, limit)).map(({ index }) => index));
        return (await log.read(name, fromIndex, 1_000_000, filter)).filter(({ index }) => from.has(index));
      },
    }),
  },
  {
    mistake: "gives out its own entries",
    breaks: ["LOG-11"],
    spoil: (log) => ({ ...log, read: sharing((name, fromIndex, limit, filter) => log.read(name, fromIndex, limit, filter)) }),
  },
];

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
