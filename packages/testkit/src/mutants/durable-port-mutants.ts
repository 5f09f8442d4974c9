import type { ApprovalRecord, Approvals } from "@portcullis/core";
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
