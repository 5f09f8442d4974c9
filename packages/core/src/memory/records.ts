import type { Records, StoredRecord } from "../ports/records.js";
import type { Clock } from "../runtime/clock.js";
import { compareCodePoints } from "./compare-code-points.js";

interface Collection {
  readonly byId: Map<string, StoredRecord>;
  readonly idByUniqueKey: Map<string, string>;
}

/** Documents in this process. */
export function createMemoryRecords(clock: Clock): Records {
  const collections = new Map<string, Collection>();
  const collectionOf = (name: string): Collection => {
    const known = collections.get(name);
    if (known !== undefined) return known;
    const created: Collection = { byId: new Map(), idByUniqueKey: new Map() };
    collections.set(name, created);
    return created;
  };

  return Object.freeze({
    insert(
      name: string,
      record: { readonly id: string; readonly scope: string; readonly uniqueKey?: string; readonly value: string },
    ): StoredRecord | undefined {
      const { byId, idByUniqueKey } = collectionOf(name);
      const { id, scope, uniqueKey, value } = record;
      if (byId.has(id) || (uniqueKey !== undefined && idByUniqueKey.has(uniqueKey))) return undefined;
      const now = clock.now();
      const stored: StoredRecord = Object.freeze({ id, scope, uniqueKey, value, revision: 1, createdAt: now, updatedAt: now });
      byId.set(id, stored);
      if (uniqueKey !== undefined) idByUniqueKey.set(uniqueKey, id);
      return stored;
    },
    find(name: string, by: { readonly id: string } | { readonly uniqueKey: string }): StoredRecord | undefined {
      const collection = collections.get(name);
      const id = "id" in by ? by.id : collection?.idByUniqueKey.get(by.uniqueKey);
      return id === undefined ? undefined : collection?.byId.get(id);
    },
    replace(name: string, id: string, expectedRevision: number, value: string): StoredRecord | undefined {
      const collection = collections.get(name);
      const record = collection?.byId.get(id);
      if (collection === undefined || record === undefined || record.revision !== expectedRevision) return undefined;
      const replaced = Object.freeze({ ...record, value, revision: record.revision + 1, updatedAt: clock.now() });
      collection.byId.set(id, replaced);
      return replaced;
    },
    remove(name: string, id: string, expectedRevision?: number): boolean {
      const collection = collections.get(name);
      const record = collection?.byId.get(id);
      if (collection === undefined || record === undefined) return false;
      if (expectedRevision !== undefined && record.revision !== expectedRevision) return false;
      if (record.uniqueKey !== undefined) collection.idByUniqueKey.delete(record.uniqueKey);
      return collection.byId.delete(id);
    },
    list(
      name: string,
      page: { readonly scope: string; readonly limit: number; readonly after?: string; readonly offset?: number },
    ): { readonly records: readonly StoredRecord[]; readonly total: number } {
      const { scope, limit, after, offset = 0 } = page;
      const scoped = [...(collections.get(name)?.byId.values() ?? [])]
        .filter((record) => record.scope === scope)
        .sort((a, b) => compareCodePoints(a.id, b.id));
      const rest = after === undefined ? scoped : scoped.filter((record) => compareCodePoints(record.id, after) > 0);
      return Object.freeze({ records: Object.freeze(rest.slice(offset, offset + limit)), total: scoped.length });
    },
  });
}
