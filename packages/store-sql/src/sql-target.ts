import { type Clock, invalidOption, systemClock } from "@portcullis/core";
import type { Driver } from "./driver/driver.js";
import { PostgresDriver } from "./driver/postgres-driver.js";
import { openPostgresPool, type PostgresPool } from "./driver/postgres-pool.js";
import { openSqliteDatabase, type SqliteDatabase } from "./driver/sqlite-database.js";
import { SqliteDriver } from "./driver/sqlite-driver.js";
import type { SqlStore } from "./open-sql-store.js";

/**
 * Which database: `file:` with a path, `:memory:`, a `postgres://` URL; or one that is open already, an SQLite database
 * (node:sqlite, better-sqlite3, libsql, @photostructure/sqlite) or a pool of pg; or a store that stands on one.
 */
export type SqlTarget = string | SqliteDatabase | PostgresPool | SqlStore;

/** How a driver is set up. */
export interface DriverSettings {
  readonly clock: Clock | undefined;
  readonly deadlineMs: number;
  readonly durability: "full" | "normal";
}

export const DEFAULT_SETTINGS: DriverSettings = Object.freeze({ clock: undefined, deadlineMs: 5_000, durability: "full" });

const ACCEPTED = '"file:<path>", ":memory:", "postgres://…", an open SQLite database or a pool of pg';
/** The drivers of open stores, for those who hold the store only. */
const driversOfStores = new WeakMap<object, Driver>();

/** Remembers which database a store stands on. */
export function rememberDriver(store: SqlStore, driver: Driver): void {
  driversOfStores.set(store, driver);
}

/** Runs `use` on the target's database; what this call opened it closes again. */
export async function withDriver<T>(target: SqlTarget, use: (driver: Driver) => Promise<T>): Promise<T> {
  const known = typeof target === "string" ? undefined : driversOfStores.get(target);
  if (known !== undefined) return use(known);
  const driver = await openDriver(target, DEFAULT_SETTINGS);
  try {
    return await use(driver);
  } finally {
    await driver.close();
  }
}

/** @throws {ConfigurationError} The target is none of those accepted. */
export async function openDriver(target: SqlTarget, settings: DriverSettings): Promise<Driver> {
  if (typeof target === "string") return openAddress(target, settings);
  if (isSqliteDatabase(target)) return new SqliteDriver(target, settings.clock ?? systemClock, settings.deadlineMs, false);
  if (isPostgresPool(target)) return new PostgresDriver(target, settings.clock, settings.deadlineMs, false);
  throw invalidOption("target", target, ACCEPTED);
}

async function openAddress(address: string, settings: DriverSettings): Promise<Driver> {
  if (/^postgres(ql)?:/.test(address)) {
    return new PostgresDriver(await openPostgresPool(address, settings.deadlineMs), settings.clock, settings.deadlineMs, true);
  }
  const path = address === ":memory:" ? address : /^file:(.+)$/.exec(address)?.[1];
  if (path === undefined || /[?#]/.test(path)) throw invalidOption("target", address, ACCEPTED);
  const database = await openSqliteDatabase(path.replace(/^\/\/(?=\/)/, ""));
  const driver = new SqliteDriver(database, settings.clock ?? systemClock, settings.deadlineMs, true);
  try {
    // SQLite itself never waits, since it would hold up the event loop: the driver waits.
    const synchronous = settings.durability === "full" ? "FULL" : "NORMAL";
    await driver.run("open", function* () {
      yield { script: "PRAGMA busy_timeout = 0" };
      yield { script: "PRAGMA journal_mode = WAL" };
      yield { script: `PRAGMA synchronous = ${synchronous}` };
    });
    return driver;
  } catch (error) {
    await driver.close();
    throw error;
  }
}

function isSqliteDatabase(target: object): target is SqliteDatabase {
  return "prepare" in target && typeof target.prepare === "function" && "exec" in target && typeof target.exec === "function";
}

function isPostgresPool(target: object): target is PostgresPool {
  return "connect" in target && typeof target.connect === "function" && "end" in target && typeof target.end === "function";
}
