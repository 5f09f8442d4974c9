import type { ApiKeyRecord, ApiKeys } from "@portcullis/core";
import { after, type Database, number, optionalNumber, type Row, text } from "./database.js";

const COLUMNS = "id, owner_id, name, hash, pepper_id, last_four, created_at, expires_at, revoked_at, last_used_at, data";

/** API keys in a table. */
export function createSqlApiKeys(database: Database): ApiKeys {
  return Object.freeze({
    insert({ id, ownerId, name, hash, pepperId, lastFour, createdAt, expiresAt, revokedAt, lastUsedAt, data }: ApiKeyRecord) {
      const values = [
        id,
        ownerId,
        name,
        hash,
        pepperId,
        lastFour,
        createdAt,
        expiresAt ?? null,
        revokedAt ?? null,
        lastUsedAt ?? null,
        data,
      ];
      return after(
        database.query(
          `INSERT INTO api_keys (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING RETURNING id`,
          values,
        ),
        (rows) => rows.length > 0,
      );
    },
    find: (id: string) =>
      after(database.query(`SELECT ${COLUMNS} FROM api_keys WHERE id = $1`, [id]), ([row]) =>
        row === undefined ? undefined : toApiKey(row),
      ),
    list: (ownerId: string) =>
      after(
        database.query(`SELECT ${COLUMNS} FROM api_keys WHERE owner_id = $1 ORDER BY created_at DESC, sequence DESC`, [ownerId]),
        (rows) => Object.freeze(rows.map(toApiKey)),
      ),
    revoke: (id: string, ownerId: string) =>
      after(
        database.query("UPDATE api_keys SET revoked_at = :now WHERE id = $1 AND owner_id = $2 AND revoked_at IS NULL RETURNING id", [
          id,
          ownerId,
        ]),
        (rows) => rows.length > 0,
      ),
    touch: (id: string, minIntervalMs: number) =>
      after(
        database.query("UPDATE api_keys SET last_used_at = :now WHERE id = $1 AND (last_used_at IS NULL OR :now - last_used_at >= $2)", [
          id,
          minIntervalMs,
        ]),
        () => {},
      ),
  });
}

function toApiKey(row: Row): ApiKeyRecord {
  return Object.freeze({
    id: text(row, "id"),
    ownerId: text(row, "owner_id"),
    name: text(row, "name"),
    hash: text(row, "hash"),
    pepperId: text(row, "pepper_id"),
    lastFour: text(row, "last_four"),
    createdAt: number(row, "created_at"),
    expiresAt: optionalNumber(row, "expires_at"),
    revokedAt: optionalNumber(row, "revoked_at"),
    lastUsedAt: optionalNumber(row, "last_used_at"),
    data: text(row, "data"),
  });
}
