import type { SessionRecord, Sessions } from "@portcullis/core";
import { ask, type Driver, lockName, type Row, wholeMs } from "./driver/driver.js";
import { flag, number, text } from "./driver/row.js";
import { createSweep } from "./sweep.js";

const COLUMNS = "id, subject_id, refresh_hash, created_at, last_used_at, expires_at, data";
// The id's own earlier session, what is over, and of the live ones all but the newest $3. Some limit must stand before OFFSET.
const MAKE_ROOM = `DELETE FROM portcullis_sessions WHERE id = $1 OR (subject_id = $2 AND (expires_at <= {now} OR seq IN (
    SELECT seq FROM portcullis_sessions WHERE subject_id = $2 AND id <> $1 AND expires_at > {now} ORDER BY seq DESC LIMIT 1000000000 OFFSET $3
  ))) RETURNING id, seq, expires_at > {now} AS is_live`;
const ADD = `INSERT INTO portcullis_sessions (${COLUMNS}) VALUES ($1, $2, $3, {now}, {now}, {now} + $4, $5)`;
const FIND = `SELECT ${COLUMNS} FROM portcullis_sessions WHERE id = $1 AND expires_at > {now}`;
const ROTATE = `UPDATE portcullis_sessions SET refresh_hash = $3, last_used_at = {now}
  WHERE id = $1 AND refresh_hash = $2 AND expires_at > {now} RETURNING id`;
const LIST = `SELECT ${COLUMNS} FROM portcullis_sessions WHERE subject_id = $1 AND expires_at > {now} ORDER BY seq DESC`;
const REVOKE = "DELETE FROM portcullis_sessions WHERE subject_id = $1 AND id = $2 RETURNING expires_at > {now} AS is_live";
const REVOKE_ALL = "DELETE FROM portcullis_sessions WHERE subject_id = $1 RETURNING expires_at > {now} AS is_live";

const NO_CAP = 1_000_000_000;

/** Sessions in a table. Logins of one subject take turns, so that the cap holds; rotation is one conditional statement. */
export function createSqlSessions(driver: Driver): Sessions {
  const sweep = createSweep("portcullis_sessions", "seq", "expires_at");
  return Object.freeze({
    create: (
      session: {
        readonly id: string;
        readonly subjectId: string;
        readonly refreshHash: string;
        readonly ttlMs: number;
        readonly data: string;
      },
      cap: number,
    ) =>
      driver.transaction("sessions.create", function* () {
        const { id, subjectId, refreshHash, ttlMs, data } = session;
        yield* lockName(driver.dialect, `sessions:${subjectId}`);
        yield* sweep();
        const removed = yield ask(MAKE_ROOM, id, subjectId, cap > 0 ? cap - 1 : NO_CAP);
        yield ask(ADD, id, subjectId, refreshHash, wholeMs(ttlMs), data);
        const evicted = removed.filter((row) => flag(row, "is_live") && text(row, "id") !== id);
        return Object.freeze(evicted.toSorted((a, b) => number(a, "seq") - number(b, "seq")).map((row) => text(row, "id")));
      }),
    find: (id: string) =>
      driver.run("sessions.find", function* () {
        const [row] = yield ask(FIND, id);
        return row && recordOf(row);
      }),
    rotate: (id: string, expectedHash: string, nextHash: string) =>
      driver.run("sessions.rotate", function* () {
        return (yield ask(ROTATE, id, expectedHash, nextHash)).length === 1;
      }),
    list: (subjectId: string) =>
      driver.run("sessions.list", function* () {
        return Object.freeze((yield ask(LIST, subjectId)).map(recordOf));
      }),
    revoke: (subjectId: string, id?: string) =>
      driver.run("sessions.revoke", function* () {
        const ended = id === undefined ? yield ask(REVOKE_ALL, subjectId) : yield ask(REVOKE, subjectId, id);
        return ended.filter((row) => flag(row, "is_live")).length;
      }),
  });
}

function recordOf(row: Row): SessionRecord {
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
