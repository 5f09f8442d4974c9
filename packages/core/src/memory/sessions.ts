import type { NewSession, SessionCap, SessionRecord, Sessions } from "../ports/sessions.js";
import type { Clock } from "../runtime/clock.js";
import { ExpiringMap } from "./expiring-map.js";

interface Slot {
  readonly key: string;
  readonly expiresAt: number;
  record: SessionRecord;
}

const NONE: readonly string[] = Object.freeze([]);

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
  // What lay idle too long is over like what expired; nothing else looks for it, so whoever meets it clears it away.
  const live = (id: string, now: number): Slot | undefined => {
    const slot = slots.get(id, now);
    if (slot === undefined || !isIdle(slot.record, now)) return slot;
    end(slot.record);
    return undefined;
  };
  // A set keeps insertion order: oldest first.
  const liveOf = (subjectId: string, now: number): SessionRecord[] =>
    [...(idsOfSubject.get(subjectId) ?? [])].flatMap((id) => live(id, now)?.record ?? []);
  const change = (slot: Slot, fields: Partial<SessionRecord>): SessionRecord =>
    (slot.record = copyOf({ ...slot.record, ...fields }, fields.readAt ?? slot.record.readAt));

  return Object.freeze({
    create(session: NewSession, cap: SessionCap): { readonly created: boolean; readonly evicted: readonly string[] } {
      const now = clock.now();
      const { id, subjectId, refreshHash, ttlMs, idleMs, data } = session;
      const known = live(id, now);
      const others = liveOf(subjectId, now).filter((record) => record.id !== id);
      const excess = cap.limit > 0 ? Math.max(0, others.length + 1 - cap.limit) : 0;
      if (excess > 0 && cap.whenFull === "refuse") return Object.freeze({ created: false, evicted: NONE });
      const evicted = others.slice(0, excess);
      for (const record of known === undefined ? evicted : [...evicted, known.record]) end(record);
      const expiresAt = now + ttlMs;
      const written = { id, subjectId, refreshHash, previousHash: undefined, createdAt: now, rotatedAt: now, lastUsedAt: now };
      const record = copyOf({ ...written, expiresAt, idleMs, readAt: now, data }, now);
      slots.set({ key: id, expiresAt, record }, now, "sessions.create");
      const ids = idsOfSubject.get(subjectId);
      if (ids === undefined) idsOfSubject.set(subjectId, new Set([id]));
      else ids.add(id);
      return Object.freeze({ created: true, evicted: Object.freeze(evicted.map((gone) => gone.id)) });
    },
    find(id: string, noteUseAfterMs?: number): SessionRecord | undefined {
      const now = clock.now();
      const slot = live(id, now);
      if (slot === undefined) return undefined;
      if (noteUseAfterMs !== undefined && now - slot.record.lastUsedAt >= noteUseAfterMs) change(slot, { lastUsedAt: now });
      return (slot.record = seenAt(slot.record, now));
    },
    rotate(id: string, expectedHash: string, nextHash: string): SessionRecord | undefined {
      const now = clock.now();
      const slot = live(id, now);
      if (slot === undefined || slot.record.refreshHash !== expectedHash) return undefined;
      return change(slot, { refreshHash: nextHash, previousHash: expectedHash, rotatedAt: now, lastUsedAt: now, readAt: now });
    },
    list(subjectId: string): readonly SessionRecord[] {
      const now = clock.now();
      return Object.freeze(
        liveOf(subjectId, now)
          .reverse()
          .map((record) => seenAt(record, now)),
      );
    },
    revoke(subjectId: string, which?: { readonly id: string } | { readonly except: string }): readonly string[] {
      const isMeant = ({ id }: SessionRecord): boolean => which === undefined || ("id" in which ? id === which.id : id !== which.except);
      const ended = liveOf(subjectId, clock.now()).filter(isMeant);
      for (const record of ended) end(record);
      return Object.freeze(ended.map(({ id }) => id));
    },
  });
}

function isIdle({ idleMs, lastUsedAt }: SessionRecord, now: number): boolean {
  return idleMs > 0 && now >= lastUsedAt + idleMs;
}

// Every request reads: within one ms the same snapshot serves.
function seenAt(record: SessionRecord, now: number): SessionRecord {
  return record.readAt === now ? record : copyOf(record, now);
}

// Each by name: a spread costs ten times as much, and this happens once in each ms with a request.
function copyOf(record: SessionRecord, readAt: number): SessionRecord {
  const { id, subjectId, refreshHash, previousHash, createdAt, rotatedAt, lastUsedAt, expiresAt, idleMs, data } = record;
  return Object.freeze({ id, subjectId, refreshHash, previousHash, createdAt, rotatedAt, lastUsedAt, expiresAt, idleMs, readAt, data });
}
