import type { NewSession, SessionCap, SessionRecord, Sessions } from "@portcullis/core";
import { gap, type PortMutant, sharing } from "./port-mutant.js";

const NO_CAP: SessionCap = Object.freeze({ limit: 0, whenFull: "evict-oldest" });

/** Makes room as asked, in steps that others come between. */
async function createInSteps(sessions: Sessions, session: NewSession, cap: SessionCap, order: (ids: string[]) => string[]) {
  const live = (await sessions.list(session.subjectId)).map(({ id }) => id);
  await gap();
  const excess = cap.limit > 0 ? Math.max(0, live.length + 1 - cap.limit) : 0;
  if (excess > 0 && cap.whenFull === "refuse") return { created: false, evicted: [] };
  const evicted = order(live).slice(0, excess);
  for (const id of evicted) await sessions.revoke(session.subjectId, { id });
  await sessions.create(session, NO_CAP);
  return { created: true, evicted };
}

/** What each session answers, changed. */
function showing(sessions: Sessions, change: (record: SessionRecord) => SessionRecord): Sessions {
  const changed = (record: SessionRecord | undefined): SessionRecord | undefined => record && change(record);
  return {
    ...sessions,
    find: async (id, noteUseAfterMs) => changed(await sessions.find(id, noteUseAfterMs)),
    rotate: async (id, expectedHash, nextHash) => changed(await sessions.rotate(id, expectedHash, nextHash)),
    list: async (subjectId) => (await sessions.list(subjectId)).map(change),
  };
}

export const sessionMutants: readonly PortMutant<"sessions">[] = [
  {
    mistake: "parallel logins pass the cap",
    breaks: ["SESSIONS-02", "SESSIONS-11"],
    spoil: (sessions) => ({ ...sessions, create: (session, cap) => createInSteps(sessions, session, cap, (ids) => ids.toReversed()) }),
  },
  {
    mistake: "the newest goes first",
    breaks: ["SESSIONS-03"],
    spoil: (sessions) => ({ ...sessions, create: (session, cap) => createInSteps(sessions, session, cap, (ids) => ids) }),
  },
  {
    mistake: "the cap is forgotten",
    breaks: ["SESSIONS-02", "SESSIONS-03", "SESSIONS-11", "SESSIONS-12"],
    spoil: (sessions) => ({ ...sessions, create: (session) => sessions.create(session, NO_CAP) }),
  },
  {
    mistake: "a full cap always evicts",
    breaks: ["SESSIONS-11", "SESSIONS-12"],
    spoil: (sessions) => ({
      ...sessions,
      create: (session, { limit }) => sessions.create(session, { limit, whenFull: "evict-oldest" }),
    }),
  },
  {
    mistake: "a full cap always refuses",
    breaks: ["SESSIONS-02", "SESSIONS-03"],
    spoil: (sessions) => ({ ...sessions, create: (session, { limit }) => sessions.create(session, { limit, whenFull: "refuse" }) }),
  },
  {
    mistake: "a login that is refused has ended the earlier session of its id",
    breaks: ["SESSIONS-12"],
    spoil: (sessions) => ({
      ...sessions,
      async create(session, cap) {
        const before = await sessions.find(session.id);
        if (before !== undefined) await sessions.revoke(before.subjectId, { id: session.id });
        return sessions.create(session, cap);
      },
    }),
  },
  {
    mistake: "rotation compares, then stores",
    breaks: ["SESSIONS-01"],
    spoil: (sessions) => ({
      ...sessions,
      async rotate(id, expectedHash, nextHash) {
        const found = await sessions.find(id);
        if (found === undefined || found.refreshHash !== expectedHash) return undefined;
        await gap();
        for (;;) {
          const stored = await sessions.rotate(id, (await sessions.find(id))?.refreshHash ?? "", nextHash);
          if (stored !== undefined) return stored;
        }
      },
    }),
  },
  {
    mistake: "rotation compares nothing",
    breaks: ["SESSIONS-01", "SESSIONS-13"],
    spoil: (sessions) => ({
      ...sessions,
      rotate: async (id, _expectedHash, nextHash) => sessions.rotate(id, (await sessions.find(id))?.refreshHash ?? "", nextHash),
    }),
  },
  {
    mistake: "rotation accepts the hash before, too",
    breaks: ["SESSIONS-01", "SESSIONS-13"],
    spoil: (sessions) => ({
      ...sessions,
      async rotate(id, expectedHash, nextHash) {
        const found = await sessions.find(id);
        const isPrevious = found !== undefined && found.previousHash === expectedHash;
        return sessions.rotate(id, isPrevious ? found.refreshHash : expectedHash, nextHash);
      },
    }),
  },
  {
    mistake: "rotation answers the session before it",
    breaks: ["SESSIONS-01", "SESSIONS-13"],
    spoil: (sessions) => ({
      ...sessions,
      async rotate(id, expectedHash, nextHash) {
        const before = await sessions.find(id);
        return (await sessions.rotate(id, expectedHash, nextHash)) && before;
      },
    }),
  },
  {
    mistake: "rotation writes the session back that it read",
    breaks: ["SESSIONS-18"],
    spoil: (sessions) => ({
      ...sessions,
      async rotate(id, expectedHash, nextHash) {
        const found = await sessions.find(id);
        if (found === undefined || found.refreshHash !== expectedHash) return undefined;
        for (let turn = 0; turn < 20; turn += 1) await gap();
        await sessions.create({ ...found, refreshHash: nextHash, ttlMs: found.expiresAt - found.createdAt }, NO_CAP);
        return sessions.find(id);
      },
    }),
  },
  {
    mistake: "no hash before is remembered",
    breaks: ["SESSIONS-13"],
    spoil: (sessions) => showing(sessions, (record) => ({ ...record, previousHash: undefined })),
  },
  {
    mistake: "the first hash stays the one before",
    breaks: ["SESSIONS-13"],
    spoil: (sessions) => {
      const firstOf = new Map<string, string>();
      return showing(sessions, (record) => {
        const { id, previousHash } = record;
        if (previousHash !== undefined && !firstOf.has(id)) firstOf.set(id, previousHash);
        return { ...record, previousHash: firstOf.get(id) };
      });
    },
  },
  {
    mistake: "a session given anew remembers the hash of the earlier one",
    breaks: ["SESSIONS-08"],
    spoil: (sessions) => {
      const lastOf = new Map<string, string>();
      return showing(sessions, (record) => {
        const previousHash = record.previousHash ?? lastOf.get(record.id);
        if (previousHash !== undefined) lastOf.set(record.id, previousHash);
        return { ...record, previousHash };
      });
    },
  },
  {
    mistake: "a noted use passes for a rotation",
    breaks: ["SESSIONS-13"],
    spoil: (sessions) => showing(sessions, (record) => ({ ...record, rotatedAt: record.lastUsedAt })),
  },
  {
    mistake: "rotation is no use",
    breaks: ["SESSIONS-13"],
    spoil: (sessions) => showing(sessions, (record) => ({ ...record, lastUsedAt: record.createdAt })),
  },
  {
    mistake: "an answer says when the session was made, not when it was read",
    breaks: ["SESSIONS-05", "SESSIONS-15"],
    spoil: (sessions) => showing(sessions, (record) => ({ ...record, readAt: record.createdAt })),
  },
  {
    mistake: "no session is ever idle",
    breaks: ["SESSIONS-14", "SESSIONS-15"],
    spoil: (sessions) => ({ ...sessions, create: (session, cap) => sessions.create({ ...session, idleMs: 0 }, cap) }),
  },
  {
    mistake: "a session is live at the end of its idle time still",
    breaks: ["SESSIONS-14", "SESSIONS-15"],
    spoil: (sessions) => ({
      ...sessions,
      create: (session, cap) => sessions.create({ ...session, idleMs: session.idleMs > 0 ? session.idleMs + 1 : 0 }, cap),
    }),
  },
  {
    mistake: "an idle session is not shown, but counts",
    breaks: ["SESSIONS-14"],
    spoil: (sessions, clock) => {
      const isIdle = (record: SessionRecord | undefined, idleMs: number | undefined): boolean =>
        record !== undefined && idleMs !== undefined && idleMs > 0 && clock.now() >= record.lastUsedAt + idleMs;
      const idleMsOf = new Map<string, number>();
      const shown = (record: SessionRecord | undefined) => (record && !isIdle(record, idleMsOf.get(record.id)) ? record : undefined);
      return {
        ...sessions,
        create(session, cap) {
          idleMsOf.set(session.id, session.idleMs);
          return sessions.create({ ...session, idleMs: 0 }, cap);
        },
        find: async (id, noteUseAfterMs) => shown(await sessions.find(id)) && sessions.find(id, noteUseAfterMs),
        rotate: async (id, expectedHash, nextHash) => shown(await sessions.find(id)) && sessions.rotate(id, expectedHash, nextHash),
        list: async (subjectId) => (await sessions.list(subjectId)).flatMap((record) => shown(record) ?? []),
      };
    },
  },
  {
    mistake: "each find starts the idle time anew",
    breaks: ["SESSIONS-15", "SESSIONS-16"],
    spoil: (sessions) => ({ ...sessions, find: (id) => sessions.find(id, 0) }),
  },
  {
    mistake: "no use is noted",
    breaks: ["SESSIONS-13", "SESSIONS-15", "SESSIONS-16"],
    spoil: (sessions) => ({ ...sessions, find: (id) => sessions.find(id) }),
  },
  {
    mistake: "a use is noted an instant late",
    breaks: ["SESSIONS-16"],
    spoil: (sessions) => ({
      ...sessions,
      find: (id, noteUseAfterMs) => sessions.find(id, noteUseAfterMs === undefined ? undefined : noteUseAfterMs + 1),
    }),
  },
  {
    mistake: "the answer does not show the use that it noted",
    breaks: ["SESSIONS-16"],
    spoil: (sessions) => ({
      ...sessions,
      async find(id, noteUseAfterMs) {
        const before = await sessions.find(id);
        await sessions.find(id, noteUseAfterMs);
        return before;
      },
    }),
  },
  {
    mistake: "an id given again leaves the earlier session listed",
    breaks: ["SESSIONS-08"],
    spoil: (sessions) => {
      const idsOf = new Map<string, Set<string>>();
      return {
        ...sessions,
        create(session, cap) {
          idsOf.set(session.subjectId, (idsOf.get(session.subjectId) ?? new Set()).add(session.id));
          return sessions.create(session, cap);
        },
        async list(subjectId) {
          const found = await Promise.all([...(idsOf.get(subjectId) ?? [])].map(async (id) => sessions.find(id)));
          return found.filter((session) => session !== undefined).toReversed();
        },
      };
    },
  },
  {
    mistake: "ids without case",
    breaks: ["SESSIONS-09"],
    spoil: (sessions) => ({
      ...sessions,
      create: (session, cap) => sessions.create({ ...session, id: session.id.toLowerCase() }, cap),
      find: (id) => sessions.find(id.toLowerCase()),
    }),
  },
  {
    mistake: "gives out its own list",
    breaks: ["SESSIONS-10"],
    spoil: (sessions) => ({ ...sessions, list: sharing((subjectId) => sessions.list(subjectId)) }),
  },
  {
    mistake: "a session is live at its end still",
    breaks: ["SESSIONS-06"],
    spoil: (sessions) => ({ ...sessions, create: (session, cap) => sessions.create({ ...session, ttlMs: session.ttlMs + 1 }, cap) }),
  },
  {
    mistake: "rotation extends the session",
    breaks: ["SESSIONS-06"],
    spoil: (sessions) => ({
      ...sessions,
      async rotate(id, expectedHash, nextHash) {
        const rotated = await sessions.rotate(id, expectedHash, nextHash);
        if (rotated !== undefined) await sessions.create({ ...rotated, ttlMs: rotated.expiresAt - rotated.createdAt }, NO_CAP);
        return rotated;
      },
    }),
  },
  {
    mistake: "revoke ends another's session",
    breaks: ["SESSIONS-07"],
    spoil: (sessions) => ({
      ...sessions,
      revoke: async (subjectId, which) =>
        sessions.revoke(
          which !== undefined && "id" in which ? ((await sessions.find(which.id))?.subjectId ?? subjectId) : subjectId,
          which,
        ),
    }),
  },
  {
    mistake: "all others than one means all",
    breaks: ["SESSIONS-09", "SESSIONS-17"],
    spoil: (sessions) => ({
      ...sessions,
      revoke: (subjectId, which) => sessions.revoke(subjectId, which !== undefined && "id" in which ? which : undefined),
    }),
  },
  {
    mistake: "all others than none of the subject's are none",
    breaks: ["SESSIONS-17"],
    spoil: (sessions) => ({
      ...sessions,
      async revoke(subjectId, which) {
        const live = (await sessions.list(subjectId)).map(({ id }) => id);
        return which !== undefined && "except" in which && !live.includes(which.except) ? [] : sessions.revoke(subjectId, which);
      },
    }),
  },
  {
    mistake: "capped at 10 without a cap",
    breaks: ["SESSIONS-04"],
    spoil: (sessions) => ({
      ...sessions,
      create: (session, { limit, whenFull }) => sessions.create(session, { limit: limit === 0 ? 10 : limit, whenFull }),
    }),
  },
  {
    mistake: "listed oldest first",
    breaks: ["SESSIONS-04"],
    spoil: (sessions) => ({ ...sessions, list: async (subjectId) => (await sessions.list(subjectId)).toReversed() }),
  },
];
