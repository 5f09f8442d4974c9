import type { SessionRecord, Sessions } from "@portcullis/core";
import { NO_CAP } from "../port-laws/session-samples.js";
import { gap, type PortMutant } from "./port-mutant.js";

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

/** Mistakes about what comes between a session and its next use. */
export const sessionEndMutants: readonly PortMutant<"sessions">[] = [
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
];
