import type { NewSession, SessionCap, SessionRecord, Sessions } from "@portcullis/core";
import { ask, type Driver, lockName, type Operation, type Row, wholeMs } from "./driver/driver.js";
import { flag, number, text, textOrNone } from "./driver/row.js";
import { createSweep } from "./sweep.js";

const COLUMNS = `id, subject_id, refresh_hash, previous_hash, created_at, COALESCE(rotated_at, created_at) AS rotated_at,
  last_used_at, expires_at, idle_ms, data`;
// One instant for the whole statement: a server's clock goes on within it.
const AT = "(SELECT {now} AS now) AS clock";
// Without what is over, what remains is live however late it is counted. It waits for a rotation or a noted use under way.
const CLEAR_OVER = "DELETE FROM portcullis_sessions WHERE subject_id = $1 AND ends_at <= {now}";
const COUNT_OTHERS = "SELECT COUNT(*) AS others FROM portcullis_sessions WHERE subject_id = $1 AND id <> $2";
// The id's own earlier session, and all but the newest $3 of the others. Some limit must stand before OFFSET.
const MAKE_ROOM = `DELETE FROM portcullis_sessions WHERE id = $2 OR seq IN (
    SELECT seq FROM portcullis_sessions WHERE subject_id = $1 AND id <> $2 ORDER BY seq DESC LIMIT 1000000000 OFFSET $3
  ) RETURNING id, seq`;
const ADD = `INSERT INTO portcullis_sessions (id, subject_id, refresh_hash, created_at, last_used_at, expires_at, idle_ms, data)
  SELECT $1, $2, $3, now, now, now + $4, $5, $6 FROM ${AT}`;
const FIND = `SELECT ${COLUMNS}, now AS read_at FROM portcullis_sessions, ${AT} WHERE id = $1 AND ends_at > now`;
const LIST = `SELECT ${COLUMNS}, now AS read_at FROM portcullis_sessions, ${AT} WHERE subject_id = $1 AND ends_at > now ORDER BY seq DESC`;
const NOTE_USE = `UPDATE portcullis_sessions SET last_used_at = now FROM ${AT}
  WHERE id = $1 AND ends_at > now AND now - last_used_at >= $2 RETURNING ${COLUMNS}, last_used_at AS read_at`;
const ROTATE = `UPDATE portcullis_sessions SET refresh_hash = $3, previous_hash = refresh_hash, rotated_at = now, last_used_at = now FROM ${AT}
  WHERE id = $1 AND refresh_hash = $2 AND ends_at > now RETURNING ${COLUMNS}, last_used_at AS read_at`;
const REVOKE = "DELETE FROM portcullis_sessions WHERE subject_id = $1 RETURNING id, seq, ends_at > {now} AS is_live";
const REVOKE_ONE = REVOKE.replace(" RETURNING", " AND id = $2 RETURNING");
const REVOKE_OTHERS = REVOKE.replace(" RETURNING", " AND id <> $2 RETURNING");

const NO_CAP = 1_000_000_000;
const REFUSED = Object.freeze({ created: false, evicted: Object.freeze([]) });

/** Sessions in a table. Logins of one subject take turns, so that the cap holds; rotation is one conditional statement. */
export function createSqlSessions(driver: Driver): Sessions {
  const sweep = createSweep("portcullis_sessions", "seq", "ends_at");
  return Object.freeze({
    create: (session: NewSession, cap: SessionCap) =>
      driver.transaction("sessions.create", function* () {
        const { id, subjectId, refreshHash, ttlMs, idleMs, data } = session;
        yield* lockName(driver.dialect, `sessions:${subjectId}`);
        yield* sweep();
        yield ask(CLEAR_OVER, subjectId);
        const isCapped = cap.limit > 0;
        if (isCapped && cap.whenFull === "refuse") {
          const [row] = yield ask(COUNT_OTHERS, subjectId, id);
          if (number(row, "others") >= cap.limit) return REFUSED;
        }
        const removed = yield ask(MAKE_ROOM, subjectId, id, isCapped ? cap.limit - 1 : NO_CAP);
        yield ask(ADD, id, subjectId, refreshHash, wholeMs(ttlMs), wholeMs(idleMs), data);
        return Object.freeze({ created: true, evicted: Object.freeze(oldestFirst(removed).filter((gone) => gone !== id)) });
      }),
    find: (id: string, noteUseAfterMs?: number) => driver.run("sessions.find", () => find(id, noteUseAfterMs)),
    rotate: (id: string, expectedHash: string, nextHash: string) =>
      driver.run("sessions.rotate", function* () {
        const [row] = yield ask(ROTATE, id, expectedHash, nextHash);
        return row && recordOf(row);
      }),
    list: (subjectId: string) =>
      driver.run("sessions.list", function* () {
        return Object.freeze((yield ask(LIST, subjectId)).map(recordOf));
      }),
    revoke: (subjectId: string, which?: { readonly id: string } | { readonly except: string }) =>
      driver.run("sessions.revoke", function* () {
        return Object.freeze(oldestFirst((yield revoke(subjectId, which)).filter((row) => flag(row, "is_live"))));
      }),
  });
}

/** Most often nothing is to be noted: it is read first, and written on a condition that excludes a second writer. */
function* find(id: string, noteUseAfterMs: number | undefined): Operation<SessionRecord | undefined> {
  const [row] = yield ask(FIND, id);
  if (row === undefined) return undefined;
  const seen = recordOf(row);
  if (noteUseAfterMs === undefined || seen.readAt - seen.lastUsedAt < noteUseAfterMs) return seen;
  const [noted] = yield ask(NOTE_USE, id, wholeMs(noteUseAfterMs));
  if (noted !== undefined) return recordOf(noted);
  // Somebody was first: noted it, or ended the session.
  const [again] = yield ask(FIND, id);
  return again && recordOf(again);
}

function revoke(subjectId: string, which: { readonly id: string } | { readonly except: string } | undefined) {
  if (which === undefined) return ask(REVOKE, subjectId);
  return "id" in which ? ask(REVOKE_ONE, subjectId, which.id) : ask(REVOKE_OTHERS, subjectId, which.except);
}

function oldestFirst(rows: readonly Row[]): string[] {
  return rows.toSorted((a, b) => number(a, "seq") - number(b, "seq")).map((row) => text(row, "id"));
}

function recordOf(row: Row): SessionRecord {
  return Object.freeze({
    id: text(row, "id"),
    subjectId: text(row, "subject_id"),
    refreshHash: text(row, "refresh_hash"),
    previousHash: textOrNone(row, "previous_hash"),
    createdAt: number(row, "created_at"),
    rotatedAt: number(row, "rotated_at"),
    lastUsedAt: number(row, "last_used_at"),
    expiresAt: number(row, "expires_at"),
    idleMs: number(row, "idle_ms"),
    readAt: number(row, "read_at"),
    data: text(row, "data"),
  });
}
