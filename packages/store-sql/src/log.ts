import {
  DuplicateLogKey,
  type Log,
  type LogBatch,
  type LogEntry,
  type LogFilter,
  type LogHead,
  type StoredLogEntry,
} from "@portcullis/core";
import { after, bytes, type Connection, type Database, number, type Row, text, valuesOf } from "./database.js";
import type { SqlValue } from "./statement.js";

const COLUMNS = "log, position, key, bytes, at, category, actor, action, workspace_id";
const COLUMN_COUNT = 9;
// SQLite takes 32,766 parameters, PostgreSQL 65,535; batches beyond this gain nothing.
const ROWS_PER_INSERT = 100;
const EMPTY: LogHead = Object.freeze({ size: 0, frontier: new Uint8Array() });

/** Logs in a table, each with a head that is written in the transaction of its entries. */
export function createSqlLog(database: Database): Log {
  return Object.freeze({
    append(log: string, build: (head: LogHead) => LogBatch): Promise<LogHead> {
      return database.serialised(["log", log], async (connection) => {
        const head = await readHead(connection, log);
        const { entries, frontier } = build(head);
        await refuseDuplicates(connection, log, entries);
        for (let start = 0; start < entries.length; start += ROWS_PER_INSERT) {
          const rows = entries.slice(start, start + ROWS_PER_INSERT);
          const values = rows.flatMap((entry, place): SqlValue[] => [
            ...[log, head.size + start + place, entry.key, entry.bytes, entry.at, entry.category],
            ...[entry.actor, entry.action, entry.workspaceId],
          ]);
          await connection.query(`INSERT INTO log_entries (${COLUMNS}) VALUES ${valuesOf(rows.length, COLUMN_COUNT)}`, values);
        }
        const size = head.size + entries.length;
        await connection.query(
          "INSERT INTO log_heads (log, size, frontier) VALUES ($1, $2, $3) ON CONFLICT (log) DO UPDATE SET size = excluded.size, frontier = excluded.frontier",
          [log, size, frontier],
        );
        return Object.freeze({ size, frontier: Uint8Array.from(frontier) });
      });
    },
    head: (log: string) => readHead(database, log),
    read(log: string, fromIndex: number, limit: number, filter: LogFilter = {}) {
      const values: SqlValue[] = [log, fromIndex, limit];
      const conditions = ["log = $1", "position >= $2"];
      const add = (value: SqlValue | undefined, condition: (parameter: string) => string): void => {
        if (value !== undefined) conditions.push(condition(`$${values.push(value)}`));
      };
      add(filter.from, (parameter) => `at >= ${parameter}`);
      add(filter.to, (parameter) => `at < ${parameter}`);
      add(filter.category, (parameter) => `category = ${parameter}`);
      add(filter.actor, (parameter) => `actor = ${parameter}`);
      add(filter.action, (parameter) => `action = ${parameter}`);
      add(filter.workspaceId, (parameter) => `workspace_id = ${parameter}`);
      return after(
        database.query(
          `SELECT ${COLUMNS} FROM log_entries WHERE ${conditions.join(" AND ")} ORDER BY position LIMIT CAST($3 AS integer)`,
          values,
        ),
        (rows) => Object.freeze(rows.map(toEntry)),
      );
    },
  });
}

function readHead(connection: Connection, log: string): Promise<LogHead> | LogHead {
  return after(connection.query("SELECT size, frontier FROM log_heads WHERE log = $1", [log]), ([row]) =>
    row === undefined ? EMPTY : Object.freeze({ size: number(row, "size"), frontier: bytes(row, "frontier") }),
  );
}

// Asked before inserting: a failed insert would end a PostgreSQL transaction without saying which key it was.
async function refuseDuplicates(connection: Connection, log: string, entries: readonly LogEntry[]): Promise<void> {
  const keys = new Set<string>();
  for (const { key } of entries) {
    if (keys.has(key)) throw new DuplicateLogKey(key);
    keys.add(key);
    const [known] = await connection.query("SELECT 1 AS one FROM log_entries WHERE log = $1 AND key = $2", [log, key]);
    if (known !== undefined) throw new DuplicateLogKey(key);
  }
}

function toEntry(row: Row): StoredLogEntry {
  return Object.freeze({
    index: number(row, "position"),
    key: text(row, "key"),
    bytes: bytes(row, "bytes"),
    at: number(row, "at"),
    category: text(row, "category"),
    actor: text(row, "actor"),
    action: text(row, "action"),
    workspaceId: text(row, "workspace_id"),
  });
}
