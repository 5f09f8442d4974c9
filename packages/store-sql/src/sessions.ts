import type { SessionRecord, Sessions } from "@portcullis/core";
import { after, type Database, number, type Row, text } from "./database.js";
import { createSweep } from "./sweep.js";

const COLUMNS = "id, subject_id, refresh_hash, created_at, last_used_at, expires_at, data";

/** Sessions in a table. Creating one is serialised by subject, so that the cap holds. */
export function createSqlSessions(database: Database): Sessions {
  const sweep = createSweep(database, "sessions", "expires_at");
  return Object.freeze({
    create(session: Parameters<Sessions["create"]>[0], cap: number): Promise<readonly string[]> {
      sweep();
      const { id, subjectId, refreshHash, ttlMs, data } = session;
      return database.serialised(["sessions", subjectId], async (connection) => {
        await connection.query("DELETE FROM sessions WHERE id = $1", [id]);
        const live = await connection.query("SELECT id FROM sessions WHERE subject_id = $1 AND expires_at > :now ORDER BY sequence", [
          subjectId,
        ]);
        const evicted = cap > 0 ? live.slice(0, Math.max(0, live.length + 1 - cap)).map((row) => text(row, "id")) : [];
        for (const old of evicted) await connection.query("DELETE FROM sessions WHERE id = $1", [old]);
        await connection.query(`INSERT INTO sessions (${COLUMNS}) VALUES ($1, $2, $3, :now, :now, :now + $4, $5)`, [
          id,
          subjectId,
          refreshHash,
          ttlMs,
          data,
        ]);
        return Object.freeze(evicted);
      });
    },
    find: (id: string) =>
      after(database.query(`SELECT ${COLUMNS} FROM sessions WHERE id = $1 AND expires_at > :now`, [id]), ([row]) =>
        row === undefined ? undefined : toSession(row),
      ),
    rotate: (id: string, expectedHash: string, nextHash: string) =>
      after(
        database.query(
          "UPDATE sessions SET refresh_hash = $3, last_used_at = :now WHERE id = $1 AND refresh_hash = $2 AND expires_at > :now RETURNING id",
          [id, expectedHash, nextHash],
        ),
        (rows) => rows.length > 0,
      ),
    list: (subjectId: string) =>
      after(
        database.query(`SELECT ${COLUMNS} FROM sessions WHERE subject_id = $1 AND expires_at > :now ORDER BY sequence DESC`, [subjectId]),
        (rows) => Object.freeze(rows.map(toSession)),
      ),
    revoke(subjectId: string, id?: string) {
      const live = "subject_id = $1 AND expires_at > :now";
      const revoked =
        id === undefined
          ? database.query(`DELETE FROM sessions WHERE ${live} RETURNING id`, [subjectId])
          : database.query(`DELETE FROM sessions WHERE ${live} AND id = $2 RETURNING id`, [subjectId, id]);
      return after(revoked, (rows) => rows.length);
    },
  });
}

function toSession(row: Row): SessionRecord {
  return Object.freeze({
    id: text(row, "id"),
    subjectId: text(row, "subject_id"),
    refreshHash: text(row, "refresh_hash"),
    createdAt: number(row, "created_at"),
    lastUsedAt: number(row, "last_used_at"),
    expiresAt: number(row, "expires_at"),
    data: text(row, "data"),
  });
}
