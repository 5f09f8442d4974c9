import {
  DuplicateLogKey,
  type Log,
  type LogBatch,
  type LogEntry,
  type LogFilter,
  type LogHead,
  type StoredLogEntry,
} from "@portcullis/core";
import { ask, type Driver, type Operation, type Row, type SqlValue } from "./driver/driver.js";
import { bytes, number, text } from "./driver/row.js";

const HEAD = "SELECT size, frontier FROM portcullis_log_heads WHERE log = $1";
const LOCK_HEAD = `${HEAD} {forUpdate}`;
const ADD_HEAD = "INSERT INTO portcullis_log_heads (log, size, frontier) VALUES ($1, 0, $2) ON CONFLICT (log) DO NOTHING";
const MOVE_HEAD = "UPDATE portcullis_log_heads SET size = $2, frontier = $3 WHERE log = $1";
const COLUMNS = "log, idx, key, bytes, at, category, actor, action, workspace_id";
const COLUMN_COUNT = 9;

/** Logs in a table of entries and one of heads. Who appends holds the head's row, so that entries follow each other without a gap. */
export function createSqlLog(driver: Driver): Log {
  return Object.freeze({
    append: (log: string, build: (head: LogHead) => LogBatch) =>
      driver.transaction("log.append", function* () {
        const head = yield* lockHead(log);
        const { entries, frontier } = build(head);
        const { rowsPerInsert } = driver.dialect;
        for (let from = 0; from < entries.length; from += rowsPerInsert) {
          yield* addEntries(log, head.size + from, entries.slice(from, from + rowsPerInsert));
        }
        const size = head.size + entries.length;
        yield ask(MOVE_HEAD, log, size, frontier);
        return Object.freeze({ size, frontier: Uint8Array.from(frontier) });
      }),
    head: (log: string) =>
      driver.run("log.head", function* () {
        return headOf((yield ask(HEAD, log))[0]);
      }),
    read: (log: string, fromIndex: number, limit: number, filter: LogFilter = {}) =>
      driver.run("log.read", function* () {
        const { sql, values } = readQuery(log, fromIndex, limit, filter);
        return Object.freeze((yield ask(sql, ...values)).map(entryOf));
      }),
  });
}

/** The head's row, ours until the transaction ends; added first where the log is new. */
function* lockHead(log: string): Operation<LogHead> {
  const [row] = yield ask(LOCK_HEAD, log);
  if (row !== undefined) return headOf(row);
  yield ask(ADD_HEAD, log, new Uint8Array());
  return headOf((yield ask(LOCK_HEAD, log))[0]);
}

function* addEntries(log: string, firstIndex: number, entries: readonly LogEntry[]): Operation<void> {
  const values = entries.flatMap((entry, offset) => rowValues(log, firstIndex + offset, entry));
  const added = yield ask(addStatement(entries.length), ...values);
  if (added.length === entries.length) return;
  const indexes = new Set(added.map((row) => number(row, "idx")));
  const refused = entries.find((_, offset) => !indexes.has(firstIndex + offset));
  throw new DuplicateLogKey(refused?.key ?? "");
}

function addStatement(count: number): string {
  const row = (index: number): string =>
    `(${Array.from({ length: COLUMN_COUNT }, (_, column) => `$${index * COLUMN_COUNT + column + 1}`).join(", ")})`;
  const rows = Array.from({ length: count }, (_, index) => row(index)).join(", ");
  return `INSERT INTO portcullis_log_entries (${COLUMNS}) VALUES ${rows} ON CONFLICT (log, key) DO NOTHING RETURNING idx`;
}

function rowValues(log: string, index: number, entry: LogEntry): SqlValue[] {
  const { key, bytes: content, at, category, actor, action, workspaceId } = entry;
  return [log, index, key, content, at, category, actor, action, workspaceId];
}

function readQuery(
  log: string,
  fromIndex: number,
  limit: number,
  filter: LogFilter,
): { readonly sql: string; readonly values: readonly SqlValue[] } {
  const conditions: readonly (readonly [string, SqlValue | undefined])[] = [
    ["at >=", filter.from],
    ["at <", filter.to],
    ["category =", filter.category],
    ["actor =", filter.actor],
    ["action =", filter.action],
    ["workspace_id =", filter.workspaceId],
  ];
  const values: SqlValue[] = [log, Math.max(0, fromIndex), limit];
  const clauses = conditions.flatMap(([clause, value]) => (value === undefined ? [] : [` AND ${clause} $${values.push(value)}`]));
  const sql = `SELECT ${COLUMNS} FROM portcullis_log_entries WHERE log = $1 AND idx >= $2${clauses.join("")} ORDER BY idx LIMIT $3`;
  return { sql, values };
}

function headOf(row: Row | undefined): LogHead {
  if (row === undefined) return Object.freeze({ size: 0, frontier: new Uint8Array() });
  return Object.freeze({ size: number(row, "size"), frontier: bytes(row, "frontier") });
}

function entryOf(row: Row): StoredLogEntry {
  return Object.freeze({
    index: number(row, "idx"),
    key: text(row, "key"),
    bytes: bytes(row, "bytes"),
    at: number(row, "at"),
    category: text(row, "category"),
    actor: text(row, "actor"),
    action: text(row, "action"),
    workspaceId: text(row, "workspace_id"),
  });
}
