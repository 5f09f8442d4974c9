import type { ApiKeyRecord, ApiKeys } from "@portcullis/core";
import { ask, type Driver, type Row } from "./driver/driver.js";
import { number, numberOrNone, text } from "./driver/row.js";

const COLUMNS = "id, owner_id, name, hash, pepper_id, last_four, created_at, expires_at, revoked_at, last_used_at, data";
const ADD = `INSERT INTO portcullis_api_keys (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
  ON CONFLICT (id) DO NOTHING RETURNING id`;
const FIND = `SELECT ${COLUMNS} FROM portcullis_api_keys WHERE id = $1`;
const LIST = `SELECT ${COLUMNS} FROM portcullis_api_keys WHERE owner_id = $1 ORDER BY created_at DESC, seq DESC`;
const REVOKE = "UPDATE portcullis_api_keys SET revoked_at = {now} WHERE id = $1 AND owner_id = $2 AND revoked_at IS NULL RETURNING id";
const TOUCH = `UPDATE portcullis_api_keys SET last_used_at = {now}
  WHERE id = $1 AND (last_used_at IS NULL OR {now} - last_used_at >= $2)`;

/** API keys in a table. */
export function createSqlApiKeys(driver: Driver): ApiKeys {
  return Object.freeze({
    insert: (record: ApiKeyRecord) =>
      driver.run("apiKeys.insert", function* () {
        const { id, ownerId, name, hash, pepperId, lastFour, createdAt, expiresAt, revokedAt, lastUsedAt, data } = record;
        const instants = [createdAt, expiresAt ?? null, revokedAt ?? null, lastUsedAt ?? null];
        return (yield ask(ADD, id, ownerId, name, hash, pepperId, lastFour, ...instants, data)).length === 1;
      }),
    find: (id: string) =>
      driver.run("apiKeys.find", function* () {
        const [row] = yield ask(FIND, id);
        return row && recordOf(row);
      }),
    list: (ownerId: string) =>
      driver.run("apiKeys.list", function* () {
        return Object.freeze((yield ask(LIST, ownerId)).map(recordOf));
      }),
    revoke: (id: string, ownerId: string) =>
      driver.run("apiKeys.revoke", function* () {
        return (yield ask(REVOKE, id, ownerId)).length === 1;
      }),
    touch: (id: string, minIntervalMs: number) =>
      driver.run("apiKeys.touch", function* () {
        yield ask(TOUCH, id, minIntervalMs);
      }),
  });
}

function recordOf(row: Row): ApiKeyRecord {
  return Object.freeze({
    id: text(row, "id"),
    ownerId: text(row, "owner_id"),
    name: text(row, "name"),
    hash: text(row, "hash"),
    pepperId: text(row, "pepper_id"),
    lastFour: text(row, "last_four"),
    createdAt: number(row, "created_at"),
    expiresAt: numberOrNone(row, "expires_at"),
    revokedAt: numberOrNone(row, "revoked_at"),
    lastUsedAt: numberOrNone(row, "last_used_at"),
    data: text(row, "data"),
  });
}
