import type { SessionRecord, Sessions } from "@portcullis/core";
import { keyOf } from "./redis-key.js";
import { isYes, toList, toNumber, toOptionalText, toText } from "./redis-reply.js";
import { readScript, type RunScript } from "./redis-script.js";

const script = readScript("sessions");

/** Sessions on Redis. They lie under their subject; a pointer leads there from a session's id, at the price of a second round trip. */
export function createRedisSessions(run: RunScript, prefix: string): Sessions {
  const pointer = (id: string): readonly string[] => [keyOf(prefix, "session-pointer", id)];
  const ofSubject = (subjectId: string): readonly string[] => [keyOf(prefix, "sessions", subjectId)];
  const subjectOf = async (id: string): Promise<string | undefined> => toOptionalText(await run(script, "sessions.resolve", pointer(id)));

  async function end(subjectId: string, id?: string): Promise<readonly string[]> {
    return toList(await run(script, "sessions.revoke", ofSubject(subjectId), id === undefined ? [] : [id])).map(toText);
  }

  /** The sessions have ended already; a pointer that stays leads nowhere and expires by itself. */
  async function removePointers(ids: readonly string[]): Promise<void> {
    await Promise.allSettled(ids.map((id) => run(script, "sessions.unpoint", pointer(id))));
  }

  return Object.freeze({
    async create(
      session: {
        readonly id: string;
        readonly subjectId: string;
        readonly refreshHash: string;
        readonly ttlMs: number;
        readonly data: string;
      },
      cap: number,
    ): Promise<readonly string[]> {
      const { id, subjectId, refreshHash, ttlMs, data } = session;
      // The pointer first: a session that no pointer leads to could be listed, but not found.
      const before = toOptionalText(await run(script, "sessions.point", pointer(id), [subjectId, ttlMs]));
      if (before !== undefined && before !== subjectId) await end(before, id);
      const evicted = toList(await run(script, "sessions.create", ofSubject(subjectId), [id, refreshHash, ttlMs, data, cap])).map(toText);
      await removePointers(evicted);
      return Object.freeze(evicted);
    },
    async find(id: string): Promise<SessionRecord | undefined> {
      const subjectId = await subjectOf(id);
      if (subjectId === undefined) return undefined;
      const reply = await run(script, "sessions.find", ofSubject(subjectId), [id]);
      return reply === null ? undefined : toRecord(subjectId, reply);
    },
    async rotate(id: string, expectedHash: string, nextHash: string): Promise<boolean> {
      const subjectId = await subjectOf(id);
      if (subjectId === undefined) return false;
      return isYes(await run(script, "sessions.rotate", ofSubject(subjectId), [id, expectedHash, nextHash]));
    },
    async list(subjectId: string): Promise<readonly SessionRecord[]> {
      const records = toList(await run(script, "sessions.list", ofSubject(subjectId)));
      return Object.freeze(records.map((record) => toRecord(subjectId, record)));
    },
    async revoke(subjectId: string, id?: string): Promise<number> {
      const ended = await end(subjectId, id);
      await removePointers(ended);
      return ended.length;
    },
  });
}

function toRecord(subjectId: string, reply: unknown): SessionRecord {
  const [id, refreshHash, createdAt, lastUsedAt, expiresAt, data] = toList(reply);
  return Object.freeze({
    id: toText(id),
    subjectId,
    refreshHash: toText(refreshHash),
    createdAt: toNumber(createdAt),
    lastUsedAt: toNumber(lastUsedAt),
    expiresAt: toNumber(expiresAt),
    data: toText(data),
  });
}
