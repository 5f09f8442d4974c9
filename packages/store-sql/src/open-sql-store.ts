import { type Clock, invalidOption, type Ports, type StoreLifecycle, StoreUnavailable, systemClock } from "@portcullis/core";
import { createSqlApiKeys } from "./api-keys.js";
import { createSqlApprovals } from "./approvals.js";
import { createSqlCounters } from "./counters.js";
import type { Database } from "./database.js";
import { SqlStoreError } from "./errors.js";
import { createSqlLeases } from "./leases.js";
import { createSqlLimits } from "./limits.js";
import { createSqlLog } from "./log.js";
import { migrateDown, migrateUp, type Migration, type MigrationState, migrationStatus, readMigrations } from "./migrate.js";
import { createSqlOutbox } from "./outbox.js";
import { createPostgresDatabase, type PostgresPool } from "./postgres-database.js";
import { createSqlRecords } from "./records.js";
import { createSqlSessions } from "./sessions.js";
import { createSqliteDatabase, type SqliteDatabase } from "./sqlite-database.js";
import { createSqlSubjects } from "./subjects.js";
import { createSqlTickets } from "./tickets.js";

/** How a store is opened. */
export interface SqlStoreOptions {
  /**
   * Replaces the store's own clock, for tests. Default: the server's for PostgreSQL, the machine's for SQLite.
   */
  readonly clock?: Clock;
  /** Ms until an unanswered statement, or another process's write, counts as `StoreUnavailable`. 10 to 600,000, default 5,000. */
  readonly deadlineMs?: number;
  /** `up` (default) applies missing migrations; `check` refuses to open without them; `manual` leaves it to {@link SqlMigrations}. */
  readonly migrate?: "up" | "check" | "manual";
  /**
   * What SQLite promises of a committed transaction: `full` (default) survives a power cut, `normal` a killed process only
   * and writes faster.
   */
  readonly durability?: "full" | "normal";
}

/** The schema of an open store. */
export interface SqlMigrations {
  /** Applies what is missing; safe when several instances do at once. @returns what this call applied. */
  up(): Promise<readonly Migration[]>;
  /** Takes back the newest one, with its data. */
  down(): Promise<Migration | undefined>;
  status(): Promise<readonly MigrationState[]>;
}

/** Every port, in SQLite or PostgreSQL. */
export type SqlStore = Ports & StoreLifecycle & { readonly migrations: SqlMigrations };

const DEFAULTS = Object.freeze({ deadlineMs: 5000, migrate: "up", durability: "full" } as const);

/**
 * Opens a store.
 *
 * @param target `file:data.db` or `:memory:` for SQLite (node:sqlite where the runtime has it, else the package
 *   `@photostructure/sqlite`), `postgres://…` for PostgreSQL (the package `pg`), or an open database or pool of your own, which
 *   stays yours to close.
 * @throws {ConfigurationError} `invalid_option`.
 * @throws {SqlStoreError} `driver_missing`, `schema_outdated`, `schema_changed`.
 * @throws {StoreUnavailable} The database cannot be reached.
 * @example
 * ```ts
 * import { openSqlStore } from "@portcullis/store-sql";
 *
 * const store = await openSqlStore(":memory:");
 * await store.tickets.put("invite:ada", "welcome", 60_000);
 * console.log(await store.tickets.take("invite:ada")); // welcome
 * await store.close();
 * ```
 */
export async function openSqlStore(target: string | SqliteDatabase | PostgresPool, options: SqlStoreOptions = {}): Promise<SqlStore> {
  const { deadlineMs = DEFAULTS.deadlineMs, migrate = DEFAULTS.migrate, durability = DEFAULTS.durability, clock } = options;
  if (!Number.isInteger(deadlineMs) || deadlineMs < 10 || deadlineMs > 600_000)
    throw invalidOption("deadlineMs", deadlineMs, "an integer from 10 to 600,000");
  if (!["up", "check", "manual"].includes(migrate)) throw invalidOption("migrate", migrate, '"up", "check" or "manual"');
  if (!["full", "normal"].includes(durability)) throw invalidOption("durability", durability, '"full" or "normal"');
  const database = await openDatabase(target, { clock, deadlineMs, durability });
  const scripts = readMigrations();
  const migrations: SqlMigrations = Object.freeze({
    up: () => migrateUp(database, scripts),
    down: () => migrateDown(database, scripts),
    status: () => migrationStatus(database, scripts),
  });
  try {
    if (migrate === "up") await migrations.up();
    if (migrate === "check") await requireMigrated(migrations);
  } catch (error) {
    await database.close();
    throw error;
  }
  return Object.freeze({
    tickets: createSqlTickets(database),
    counters: createSqlCounters(database),
    limits: createSqlLimits(database),
    subjects: createSqlSubjects(database),
    sessions: createSqlSessions(database),
    apiKeys: createSqlApiKeys(database),
    approvals: createSqlApprovals(database),
    log: createSqlLog(database),
    outbox: createSqlOutbox(database),
    leases: createSqlLeases(database),
    records: createSqlRecords(database),
    migrations,
    ping: () => database.ping(),
    close: () => database.close(),
  });
}

async function requireMigrated(migrations: SqlMigrations): Promise<void> {
  const missing = (await migrations.status()).filter(({ applied }) => !applied);
  if (missing.length === 0) return;
  throw new SqlStoreError(
    "schema_outdated",
    `The database lacks ${missing.length} migrations, from ${missing[0]?.name}. Apply them with store.migrations.up(), or open with migrate: "up".`,
  );
}

interface OpenSettings {
  readonly clock: Clock | undefined;
  readonly deadlineMs: number;
  readonly durability: "full" | "normal";
}

async function openDatabase(target: string | SqliteDatabase | PostgresPool, settings: OpenSettings): Promise<Database> {
  if (typeof target === "string") {
    if (/^postgres(?:ql)?:\/\//.test(target)) return onPostgres(await openPool(target, settings.deadlineMs), settings, true);
    if (target === ":memory:") return onSqlite(await openFile(":memory:"), settings, true);
    if (target.startsWith("file:")) return onSqlite(await openFile(target.slice("file:".length)), settings, true);
    throw invalidOption("target", target, "file:PATH, :memory: or postgres://…");
  }
  if (isDatabase(target)) return onSqlite(target, settings, false);
  if (isPool(target)) return onPostgres(target, settings, false);
  throw invalidOption("target", target, "a SQLite database (exec, prepare) or a PostgreSQL pool (query, connect)");
}

function onSqlite(sqlite: SqliteDatabase, { clock = systemClock, deadlineMs, durability }: OpenSettings, closes: boolean): Database {
  try {
    // Waiting inside SQLite would block this process; sqlite-database.ts waits outside of it.
    sqlite.exec("PRAGMA busy_timeout = 0");
    sqlite.exec("PRAGMA journal_mode = WAL");
    sqlite.exec(`PRAGMA synchronous = ${durability === "full" ? "FULL" : "NORMAL"}`);
  } catch (error) {
    if (closes) sqlite.close();
    throw new StoreUnavailable("sqlite open", { cause: error });
  }
  return createSqliteDatabase(sqlite, { clock, deadlineMs, closes });
}

function onPostgres(pool: PostgresPool, { clock, deadlineMs }: OpenSettings, closes: boolean): Database {
  return createPostgresDatabase(pool, { clock, deadlineMs, closes });
}

async function openFile(path: string): Promise<SqliteDatabase> {
  const open = await loadSqlite();
  try {
    return open(path);
  } catch (error) {
    throw new StoreUnavailable("sqlite open", { cause: error });
  }
}

// The two packages have the same class; which of them is there depends on the runtime.
async function loadSqlite(): Promise<(path: string) => SqliteDatabase> {
  for (const name of ["node:sqlite", "@photostructure/sqlite"]) {
    try {
      const { DatabaseSync } = (await import(name)) as { readonly DatabaseSync: new (path: string) => SqliteDatabase }; // both export it
      return (path) => new DatabaseSync(path);
    } catch {
      // Not there: the next one.
    }
  }
  throw new SqlStoreError(
    "driver_missing",
    "This Node has no node:sqlite. Run npm install @photostructure/sqlite, or pass an open database.",
  );
}

async function openPool(connectionString: string, deadlineMs: number): Promise<PostgresPool> {
  let pg: typeof import("pg");
  try {
    pg = await import("pg");
  } catch (error) {
    throw new SqlStoreError("driver_missing", "The package pg is not there. Run npm install pg, or pass a pool.", { cause: error });
  }
  // Under ESM the classes of this CommonJS package are on its default export.
  const { Pool } = pg.default;
  const pool = new Pool({ connectionString, connectionTimeoutMillis: deadlineMs, statement_timeout: deadlineMs, max: 10 });
  // An idle connection that the server closes is no error: the next query opens another.
  pool.on("error", () => {});
  return pool;
}

function isDatabase(target: object): target is SqliteDatabase {
  return "exec" in target && typeof target.exec === "function" && "prepare" in target && typeof target.prepare === "function";
}

function isPool(target: object): target is PostgresPool {
  return "query" in target && typeof target.query === "function" && "connect" in target && typeof target.connect === "function";
}
