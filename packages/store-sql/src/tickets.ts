import type { Tickets } from "@portcullis/core";
import { after, type Database, type Row, text } from "./database.js";
import { createSweep } from "./sweep.js";

/** Tickets in a table: each call is one statement. */
export function createSqlTickets(database: Database): Tickets {
  const sweep = createSweep(database, "tickets", "expires_at");
  const valueOf = ([row]: readonly Row[]): string | undefined => (row === undefined || row.value === null ? undefined : text(row, "value"));
  const isFound = (rows: readonly Row[]): boolean => rows.length > 0;
  return Object.freeze({
    put(key: string, value: string, ttlMs: number) {
      sweep();
      return after(
        database.query(
          `INSERT INTO tickets (key, value, expires_at) VALUES ($1, $2, :now + $3)
           ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
           WHERE tickets.expires_at <= :now RETURNING key`,
          [key, value, ttlMs],
        ),
        isFound,
      );
    },
    take: (key: string) =>
      after(
        database.query("DELETE FROM tickets WHERE key = $1 RETURNING CASE WHEN expires_at > :now THEN value END AS value", [key]),
        valueOf,
      ),
    peek: (key: string) => after(database.query("SELECT value FROM tickets WHERE key = $1 AND expires_at > :now", [key]), valueOf),
    replace: (key: string, expected: string, value: string, ttlMs: number) =>
      after(
        database.query(
          "UPDATE tickets SET value = $3, expires_at = :now + $4 WHERE key = $1 AND value = $2 AND expires_at > :now RETURNING key",
          [key, expected, value, ttlMs],
        ),
        isFound,
      ),
  });
}
