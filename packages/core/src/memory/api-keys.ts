import type { ApiKeyRecord, ApiKeys } from "../ports/api-keys.js";
import type { Clock } from "../runtime/clock.js";

/** API keys in this process. */
export function createMemoryApiKeys(clock: Clock): ApiKeys {
  const records = new Map<string, ApiKeyRecord>();
  const idsOfOwner = new Map<string, string[]>();
  const change = (record: ApiKeyRecord, changed: Partial<ApiKeyRecord>): void => {
    records.set(record.id, Object.freeze({ ...record, ...changed }));
  };
  return Object.freeze({
    insert(record: ApiKeyRecord): boolean {
      if (records.has(record.id)) return false;
      records.set(record.id, Object.freeze({ ...record }));
      const ids = idsOfOwner.get(record.ownerId);
      if (ids === undefined) idsOfOwner.set(record.ownerId, [record.id]);
      else ids.push(record.id);
      return true;
    },
    find: (id: string): ApiKeyRecord | undefined => records.get(id),
    list(ownerId: string): readonly ApiKeyRecord[] {
      const owned = (idsOfOwner.get(ownerId) ?? []).flatMap((id) => records.get(id) ?? []);
      return Object.freeze(owned.reverse().sort((a, b) => b.createdAt - a.createdAt));
    },
    revoke(id: string, ownerId: string): boolean {
      const record = records.get(id);
      if (record === undefined || record.ownerId !== ownerId || record.revokedAt !== undefined) return false;
      change(record, { revokedAt: clock.now() });
      return true;
    },
    touch(id: string, minIntervalMs: number): void {
      const record = records.get(id);
      const now = clock.now();
      if (record !== undefined && (record.lastUsedAt === undefined || now - record.lastUsedAt >= minIntervalMs))
        change(record, { lastUsedAt: now });
    },
  });
}
