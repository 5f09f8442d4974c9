import type { Leases } from "@portcullis/core";
import { after, type Database } from "./database.js";

/** Leases in a table: each call is one statement. */
export function createSqlLeases(database: Database): Leases {
  return Object.freeze({
    acquire: (name: string, holder: string, ttlMs: number) =>
      after(
        database.query(
          `INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, :now + $3)
           ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
           WHERE leases.expires_at <= :now OR leases.holder = excluded.holder RETURNING name`,
          [name, holder, ttlMs],
        ),
        (rows) => rows.length > 0,
      ),
    release: (name: string, holder: string) =>
      after(
        database.query("DELETE FROM leases WHERE name = $1 AND holder = $2 AND expires_at > :now RETURNING name", [name, holder]),
        (rows) => rows.length > 0,
      ),
  });
}
