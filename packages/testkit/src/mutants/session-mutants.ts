import type { NewSession, SessionCap, Sessions } from "@portcullis/core";
import { NO_CAP } from "../port-laws/session-samples.js";
import { gap, type PortMutant, sharing } from "./port-mutant.js";
import { sessionEndMutants } from "./session-end-mutants.js";

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
  ...sessionEndMutants,
];
