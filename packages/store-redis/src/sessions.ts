import type { NewSession, SessionCap, SessionRecord, Sessions } from "@portcullis/core";
import { keyOf } from "./redis-key.js";
import { toList, toNumber, toOptionalText, toText } from "./redis-reply.js";
import { readScript, type RunScript } from "./redis-script.js";

const script = readScript("sessions");
const REFUSED = Object.freeze({ created: false, evicted: Object.freeze([]) });

/** Sessions on Redis. They lie under their subject; a pointer leads there from a session's id, at the price of a second round trip. */
export function createRedisSessions(run: RunScript, prefix: string): Sessions {
  const pointer = (id: string): readonly string[] => [keyOf(prefix, "session-pointer", id)];
  const ofSubject = (subjectId: string): readonly string[] => [keyOf(prefix, "sessions", subjectId)];
  const subjectOf = async (id: string): Promise<string | undefined> => toOptionalText(await run(script, "sessions.resolve", pointer(id)));

  async function end(subjectId: string, which: readonly ["id" | "except", string] | readonly []): Promise<readonly string[]> {
    return Object.freeze(toList(await run(script, "sessions.revoke", ofSubject(subjectId), which)).map(toText));
  }

  /** The sessions have ended already; a pointer that stays leads nowhere and expires by itself. */
  async function removePointers(ids: readonly string[]): Promise<void> {
    await Promise.allSettled(ids.map((id) => run(script, "sessions.unpoint", pointer(id))));
  }

  return Object.freeze({
    async create(session: NewSession, cap: SessionCap): Promise<{ readonly created: boolean; readonly evicted: readonly string[] }> {
      const { id, subjectId, refreshHash, ttlMs, idleMs, data } = session;
      // The pointer first: a session that no pointer leads to could be listed, but not found.
      const before = toList(await run(script, "sessions.point", pointer(id), [subjectId, ttlMs])).map(toText);
      const values = [id, refreshHash, ttlMs, idleMs, data, cap.limit, cap.whenFull];
      const [created, ...evicted] = toList(await run(script, "sessions.create", ofSubject(subjectId), values)).map(toText);
      if (created !== "1") {
        await run(script, "sessions.unpoint", pointer(id), before);
        return REFUSED;
      }
      const [former] = before;
      if (former !== undefined && former !== subjectId) await end(former, ["id", id]);
      await removePointers(evicted);
      return Object.freeze({ created: true, evicted: Object.freeze(evicted) });
    },
    async find(id: string, noteUseAfterMs?: number): Promise<SessionRecord | undefined> {
      const subjectId = await subjectOf(id);
      if (subjectId === undefined) return undefined;
      const values = noteUseAfterMs === undefined ? [id] : [id, noteUseAfterMs];
      return toRecord(subjectId, await run(script, "sessions.find", ofSubject(subjectId), values));
    },
    async rotate(id: string, expectedHash: string, nextHash: string): Promise<SessionRecord | undefined> {
      const subjectId = await subjectOf(id);
      if (subjectId === undefined) return undefined;
      return toRecord(subjectId, await run(script, "sessions.rotate", ofSubject(subjectId), [id, expectedHash, nextHash]));
    },
    async list(subjectId: string): Promise<readonly SessionRecord[]> {
      const records = toList(await run(script, "sessions.list", ofSubject(subjectId)));
      return Object.freeze(records.flatMap((record) => toRecord(subjectId, record) ?? []));
    },
    async revoke(subjectId: string, which?: { readonly id: string } | { readonly except: string }): Promise<readonly string[]> {
      const ended = await end(subjectId, which === undefined ? [] : "id" in which ? ["id", which.id] : ["except", which.except]);
      await removePointers(ended);
      return ended;
    },
  });
}

function toRecord(subjectId: string, reply: unknown): SessionRecord | undefined {
  if (reply === null) return undefined;
  const [id, refreshHash, previousHash, createdAt, rotatedAt, lastUsedAt, expiresAt, idleMs, readAt, data] = toList(reply);
  return Object.freeze({
    id: toText(id),
    subjectId,
    refreshHash: toText(refreshHash),
    previousHash: toOptionalText(previousHash),
    createdAt: toNumber(createdAt),
    rotatedAt: toNumber(rotatedAt),
    lastUsedAt: toNumber(lastUsedAt),
    expiresAt: toNumber(expiresAt),
    idleMs: toNumber(idleMs),
    readAt: toNumber(readAt),
    data: toText(data),
  });
}
