import type { ApiKeyRecord, ApiKeys } from "@portcullis/core";
import { keyOf } from "./redis-key.js";
import { isYes, toList, toText } from "./redis-reply.js";
import { readScript, type RunScript } from "./redis-script.js";

const script = readScript("api-keys");

/** API keys on Redis, kept for good: a revoked key stays in its owner's list. */
export function createRedisApiKeys(run: RunScript, prefix: string): ApiKeys {
  const keyed = (id: string): readonly string[] => [keyOf(prefix, "api-key", id)];
  const ofOwner = (ownerId: string): readonly string[] => [keyOf(prefix, "api-keys", ownerId)];
  const find = async (id: string): Promise<ApiKeyRecord | undefined> => toRecord(toList(await run(script, "apiKeys.find", keyed(id))));

  return Object.freeze({
    async insert(record: ApiKeyRecord): Promise<boolean> {
      // Listed first: what is listed without a record is passed over, what exists without being listed could not be revoked.
      await run(script, "apiKeys.enlist", ofOwner(record.ownerId), [record.id]);
      if (isYes(await run(script, "apiKeys.insert", keyed(record.id), toFields(record)))) return true;
      const taken = await find(record.id);
      if (taken?.ownerId !== record.ownerId) await run(script, "apiKeys.delist", ofOwner(record.ownerId), [record.id]);
      return false;
    },
    find,
    async list(ownerId: string): Promise<readonly ApiKeyRecord[]> {
      const ids = toList(await run(script, "apiKeys.listed", ofOwner(ownerId))).map(toText);
      const records = await Promise.all(ids.map(find));
      const owned = records.flatMap((record) => (record?.ownerId === ownerId ? [record] : []));
      // Newest listed first already, and the sort is stable.
      return Object.freeze(owned.sort((a, b) => b.createdAt - a.createdAt));
    },
    revoke: async (id: string, ownerId: string) => isYes(await run(script, "apiKeys.revoke", keyed(id), [ownerId])),
    touch: async (id: string, minIntervalMs: number) => void (await run(script, "apiKeys.touch", keyed(id), [minIntervalMs])),
  });
}

function toFields(record: ApiKeyRecord): readonly string[] {
  const { expiresAt, revokedAt, lastUsedAt, createdAt, ...texts } = record;
  const instants = { createdAt, expiresAt, revokedAt, lastUsedAt };
  return [...Object.entries(texts), ...Object.entries(instants)].flatMap(([name, value]) => [
    name,
    value === undefined ? "" : String(value),
  ]);
}

function toRecord(fields: readonly unknown[]): ApiKeyRecord | undefined {
  if (fields.length === 0) return undefined;
  const values = new Map<unknown, string>();
  for (let at = 0; at < fields.length; at += 2) values.set(fields[at], toText(fields[at + 1]));
  const text = (name: string): string => values.get(name) ?? "";
  const instant = (name: string): number | undefined => (text(name) === "" ? undefined : Number(text(name)));
  return Object.freeze({
    id: text("id"),
    ownerId: text("ownerId"),
    name: text("name"),
    hash: text("hash"),
    pepperId: text("pepperId"),
    lastFour: text("lastFour"),
    createdAt: Number(text("createdAt")),
    expiresAt: instant("expiresAt"),
    revokedAt: instant("revokedAt"),
    lastUsedAt: instant("lastUsedAt"),
    data: text("data"),
  });
}
