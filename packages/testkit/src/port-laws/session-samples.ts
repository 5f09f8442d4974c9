import type { NewSession, SessionCap, Sessions } from "@portcullis/core";

/** A session of ada, but for the details. */
export function session(id: string, details: Partial<NewSession> = {}): NewSession {
  return { ...{ id, subjectId: "ada", refreshHash: `hash of ${id}`, ttlMs: 60_000, idleMs: 0, data: `{"of":"${id}"}` }, ...details };
}

export const ofBob = Object.freeze({ subjectId: "bob" });
export const NO_CAP: SessionCap = Object.freeze({ limit: 0, whenFull: "evict-oldest" });
export const evicting = (limit: number): SessionCap => ({ limit, whenFull: "evict-oldest" });
export const refusing = (limit: number): SessionCap => ({ limit, whenFull: "refuse" });

/** What `create` answers when it stored the session and these went for it. */
export const stored = (...evicted: readonly string[]) => ({ created: true, evicted });
export const REFUSED = Object.freeze({ created: false, evicted: Object.freeze([]) });

/** As listed. */
export async function idsOf(sessions: Sessions, subjectId = "ada"): Promise<string[]> {
  return (await sessions.list(subjectId)).map(({ id }) => id);
}
