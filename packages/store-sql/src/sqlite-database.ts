import { type Clock, type MaybePromise, StoreUnavailable } from "@portcullis/core";
import type { Connection, Database, Row } from "./database.js";
import { sqliteDialect } from "./dialect.js";
import { compileStatement, type SqlValue, type Statement } from "./statement.js";

/** What node:sqlite, better-sqlite3, @photostructure/sqlite and libsql have in common. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): unknown;
}

/** A prepared statement. `all` also runs statements that return nothing. */
export interface SqliteStatement {
  all(...values: SqlValue[]): unknown[];
  run(...values: SqlValue[]): unknown;
  /** Of better-sqlite3: whether it returns rows; its `all` refuses those that do not. */
  readonly reader?: boolean;
}

/** How a SQLite file is shared. */
export interface SqliteSettings {
  readonly clock: Clock;
  /** How long to wait for another process that writes. */
  readonly deadlineMs: number;
  readonly closes: boolean;
}

const MAX_PREPARED = 500;
// Between attempts to get the write lock: short, since transactions are; uneven, so that nobody is always the one who waits.
const RETRY_MS = { least: 1, most: 15 };

/**
 * A SQLite connection. Statements run at once where nothing is in front of them; a transaction has the connection to itself.
 * While another process writes, waiting does not block this one.
 */
export function createSqliteDatabase(sqlite: SqliteDatabase, { clock, deadlineMs, closes }: SqliteSettings): Database {
  const statements = new Map<string, { readonly statement: Statement; readonly prepared: SqliteStatement }>();
  // The end of the queue of whoever needs the connection; undefined when it is free.
  let last: Promise<unknown> | undefined;
  let isClosed = false;

  function run(sql: string, values: readonly SqlValue[]): readonly Row[] {
    const { statement, prepared } = prepare(sql);
    const bound = statement.bind(values, () => Math.floor(clock.now()));
    if (prepared.reader === false) {
      prepared.run(...bound);
      return [];
    }
    return prepared.all(...bound) as Row[]; // rows are objects in every driver
  }

  function prepare(sql: string): { readonly statement: Statement; readonly prepared: SqliteStatement } {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const statement = compileStatement(sql, sqliteDialect, true);
    const made = { statement, prepared: sqlite.prepare(statement.text) };
    if (statements.size >= MAX_PREPARED) statements.clear();
    statements.set(sql, made);
    return made;
  }

  function query(sql: string, values: readonly SqlValue[] = []): MaybePromise<readonly Row[]> {
    if (last !== undefined) return exclusive(() => patiently("query", () => run(sql, values)));
    try {
      return run(sql, values);
    } catch (error) {
      if (!isBusy(error)) throw unavailable("query", error);
      return exclusive(() => patiently("query", () => run(sql, values)));
    }
  }

  /** Waits for the connection, then has it until `work` is done. */
  function exclusive<T>(work: () => Promise<T>): Promise<T> {
    const before = last ?? Promise.resolve();
    const mine = before.then(work, work);
    const settled = mine.catch(() => {});
    last = settled;
    void settled.then(() => {
      if (last === settled) last = undefined;
    });
    return mine;
  }

  async function patiently<T>(operation: string, attempt: () => T): Promise<T> {
    const giveUpAt = clock.monotonic() + deadlineMs;
    for (;;) {
      try {
        return attempt();
      } catch (error) {
        if (!isBusy(error) || clock.monotonic() >= giveUpAt) throw unavailable(operation, error);
      }
      await pause();
    }
  }

  function transaction<T>(work: (connection: Connection & { execute(sql: string): void }) => Promise<T>): Promise<T> {
    return exclusive(async () => {
      // IMMEDIATE takes the write lock now: a read that turns into a write later could only fail.
      await patiently("begin", () => sqlite.exec("BEGIN IMMEDIATE"));
      try {
        const result = await work({
          query: (sql, values = []) => inTransaction(() => run(sql, values)),
          execute: (sql) => inTransaction(() => void sqlite.exec(sql)),
        });
        await patiently("commit", () => sqlite.exec("COMMIT"));
        return result;
      } catch (error) {
        rollBack();
        throw error;
      }
    });
  }

  function rollBack(): void {
    try {
      sqlite.exec("ROLLBACK");
    } catch {
      // SQLite rolls back by itself on some errors (a full disk), and then there is nothing to roll back.
    }
  }

  return Object.freeze({
    dialect: sqliteDialect,
    query,
    // One writer at a time is SQLite's nature, whatever the key.
    serialised: <T>(_key: readonly string[], work: (connection: Connection) => Promise<T>) => transaction(work),
    transaction,
    async ping() {
      await query("SELECT 1 AS one");
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      await last;
      if (closes) sqlite.close();
    },
  });
}

function inTransaction<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw unavailable("query", error);
  }
}

// Drivers tell the code in `code` (SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT) or as a number in `errcode`.
function isBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, errcode } = error as Error & { readonly code?: unknown; readonly errcode?: unknown };
  if (typeof code === "string" && /^SQLITE_(?:BUSY|LOCKED)/.test(code)) return true;
  if (typeof errcode === "number") return (errcode & 0xff) === SQLITE_BUSY || (errcode & 0xff) === SQLITE_LOCKED;
  return /database (?:table )?is locked/.test(error.message);
}

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;

function unavailable(operation: string, cause: unknown): StoreUnavailable {
  return cause instanceof StoreUnavailable ? cause : new StoreUnavailable(`sqlite ${operation}`, { cause });
}

function pause(): Promise<void> {
  const ms = RETRY_MS.least + Math.random() * (RETRY_MS.most - RETRY_MS.least);
  return new Promise((resolve) => setTimeout(resolve, ms));
}
