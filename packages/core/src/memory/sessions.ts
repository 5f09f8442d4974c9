import type { SessionRecord, Sessions } from "../ports/sessions.js";
import type { Clock } from "../runtime/clock.js";
import { ExpiringMap } from "./expiring-map.js";

interface Slot {
  readonly key: string;
  readonly expiresAt: number;
  record: SessionRecord;
}

/** Sessions in this process. Instants are shown to callers, so they are wall time. */
export function createMemorySessions(clock: Clock): Sessions {
  const idsOfSubject = new Map<string, Set<string>>();
  const forget = (record: SessionRecord): void => {
    const ids = idsOfSubject.get(record.subjectId);
    ids?.delete(record.id);
    if (ids?.size === 0) idsOfSubject.delete(record.subjectId);
  };
  const slots = new ExpiringMap<Slot>(Number.MAX_SAFE_INTEGER, (slot) => forget(slot.record));
  const end = (record: SessionRecord): void => {
    slots.delete(record.id);
    forget(record);
  };
  // A set keeps insertion order: oldest first.
  const liveOf = (subjectId: string, now: number): SessionRecord[] =>
    [...(idsOfSubject.get(subjectId) ?? [])].flatMap((id) => slots.get(id, now)?.record ?? []);

  return Object.freeze({
    create(
      session: {
        readonly id: string;
        readonly subjectId: string;
        readonly refreshHash: string;
        readonly ttlMs: number;
        readonly data: string;
      },
      cap: number,
    ): readonly string[] {
      const now = clock.now();
      const { id, subjectId, refreshHash, ttlMs, data } = session;
      const known = slots.get(id, now);
      if (known !== undefined) end(known.record);
      const live = liveOf(subjectId, now);
      const evicted = cap > 0 ? live.slice(0, Math.max(0, live.length + 1 - cap)) : [];
      for (const record of evicted) end(record);
      const record = Object.freeze({ id, subjectId, refreshHash, createdAt: now, lastUsedAt: now, expiresAt: now + ttlMs, data });
      slots.set({ key: id, expiresAt: record.expiresAt, record }, now, "sessions.create");
      const ids = idsOfSubject.get(subjectId);
      if (ids === undefined) idsOfSubject.set(subjectId, new Set([id]));
      else ids.add(id);
      return Object.freeze(evicted.map((record) => record.id));
    },
    find: (id: string): SessionRecord | undefined => slots.get(id, clock.now())?.record,
    rotate(id: string, expectedHash: string, nextHash: string): boolean {
      const now = clock.now();
      const slot = slots.get(id, now);
      if (slot === undefined || slot.record.refreshHash !== expectedHash) return false;
      slot.record = Object.freeze({ ...slot.record, refreshHash: nextHash, lastUsedAt: now });
      return true;
    },
    list: (subjectId: string): readonly SessionRecord[] => Object.freeze(liveOf(subjectId, clock.now()).reverse()),
    revoke(subjectId: string, id?: string): number {
      const ended = liveOf(subjectId, clock.now()).filter((record) => id === undefined || record.id === id);
      for (const record of ended) end(record);
      return ended.length;
    },
  });
}
