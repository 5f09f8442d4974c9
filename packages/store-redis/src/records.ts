import type { Records, StoredRecord } from "@portcullis/core";
import { keyOf, keyPart } from "./redis-key.js";
import { isYes, toList, toNumber, toText } from "./redis-reply.js";
import { readScript, type RunScript } from "./redis-script.js";

const script = readScript("records");

/** Small documents on Redis, kept for good. A collection lies on one node of a Cluster. */
export function createRedisRecords(run: RunScript, prefix: string): Records {
  const keys = (collection: string): readonly string[] =>
    ["records", "record-keys", "record-index"].map((kind) => keyOf(prefix, kind, collection));

  return Object.freeze({
    async insert(
      collection: string,
      record: { readonly id: string; readonly scope: string; readonly uniqueKey?: string; readonly value: string },
    ): Promise<StoredRecord | undefined> {
      const { id, scope, uniqueKey, value } = record;
      const unique = uniqueKey === undefined ? ["0", ""] : ["1", uniqueKey];
      return toRecord(await run(script, "records.insert", keys(collection), [id, scope, keyPart(scope), ...unique, value]));
    },
    async find(collection: string, by: { readonly id: string } | { readonly uniqueKey: string }): Promise<StoredRecord | undefined> {
      const reply =
        "id" in by
          ? run(script, "records.find", keys(collection), [by.id])
          : run(script, "records.findUnique", keys(collection), [by.uniqueKey]);
      return toRecord(await reply);
    },
    replace: async (collection: string, id: string, expectedRevision: number, value: string) =>
      toRecord(await run(script, "records.replace", keys(collection), [id, expectedRevision, value])),
    remove: async (collection: string, id: string, expectedRevision?: number) =>
      isYes(await run(script, "records.remove", keys(collection), [id, expectedRevision ?? ""])),
    async list(
      collection: string,
      page: { readonly scope: string; readonly limit: number; readonly after?: string; readonly offset?: number },
    ): Promise<{ readonly records: readonly StoredRecord[]; readonly total: number }> {
      const { scope, limit, after, offset = 0 } = page;
      const rest = after === undefined ? [] : [after];
      const [total, ...found] = toList(await run(script, "records.list", keys(collection), [keyPart(scope), limit, offset, ...rest]));
      return Object.freeze({ records: Object.freeze(found.flatMap((record) => toRecord(record) ?? [])), total: toNumber(total) });
    },
  });
}

function toRecord(reply: unknown): StoredRecord | undefined {
  const [id, scope, hasUniqueKey, uniqueKey, value, revision, createdAt, updatedAt] = toList(reply);
  if (id === undefined) return undefined;
  return Object.freeze({
    id: toText(id),
    scope: toText(scope),
    uniqueKey: hasUniqueKey === "1" ? toText(uniqueKey) : undefined,
    value: toText(value),
    revision: toNumber(revision),
    createdAt: toNumber(createdAt),
    updatedAt: toNumber(updatedAt),
  });
}
