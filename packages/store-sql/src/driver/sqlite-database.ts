import { StoreUnavailable } from "@portcullis/core";
import { SqlStoreError } from "../errors.js";

/** A prepared statement: the part that node:sqlite, better-sqlite3, libsql and @photostructure/sqlite share. */
export interface SqliteStatement {
  run(...values: unknown[]): unknown;
  all(...values: unknown[]): unknown[];
}

/** An open SQLite database: the part that node:sqlite, better-sqlite3, libsql and @photostructure/sqlite share. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): unknown;
}

/** What either module exports. */
interface SqliteModule {
  readonly DatabaseSync: new (path: string) => SqliteDatabase;
}

/** Opens a database file, or `:memory:`, with the SQLite that the runtime has or the one that is installed. */
export async function openSqliteDatabase(path: string): Promise<SqliteDatabase> {
  const { DatabaseSync } = builtInSqlite() ?? (await installedSqlite());
  try {
    return new DatabaseSync(path);
  } catch (cause) {
    throw new StoreUnavailable("open", { cause });
  }
}

/** Node 22.13 and later. Asked for this way, no bundler takes the `node:` off its name. */
function builtInSqlite(): SqliteModule | undefined {
  const builtIn: unknown = process.getBuiltinModule("node:sqlite");
  // A fact of Node: the module of this name exports this class.
  return builtIn as SqliteModule | undefined;
}

async function installedSqlite(): Promise<SqliteModule> {
  try {
    return await import("@photostructure/sqlite");
  } catch (cause) {
    throw new SqlStoreError(
      "sqlite_driver_missing",
      "There is no SQLite: this Node has no node:sqlite. Use Node 22.13 or later, or run `npm install @photostructure/sqlite`, or pass an open database.",
      { cause },
    );
  }
}

/** Another connection holds the lock: nothing happened, try again. */
export function isBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown };
  // The low byte is the primary result code: SQLITE_BUSY_SNAPSHOT and SQLITE_BUSY_RECOVERY are kinds of SQLITE_BUSY (5).
  if (typeof errcode === "number") return (errcode & 0xff) === 5;
  return (typeof code === "string" && code.startsWith("SQLITE_BUSY")) || error.message.includes("database is locked");
}
