import { type Clock, invalidOption, type Ports, type StoreLifecycle } from "@portcullis/core";
import { createSqlApiKeys } from "./api-keys.js";
import { createSqlApprovals } from "./approvals.js";
import { createSqlBus } from "./bus.js";
import { createSqlCounters } from "./counters.js";
import { createSqlGrants } from "./grants.js";
import { createSqlLeases } from "./leases.js";
import { createSqlLimits } from "./limits.js";
import { createSqlLog } from "./log.js";
import { checkMigrations, migrateWith, ping } from "./migrate.js";
import { createSqlOutbox } from "./outbox.js";
import { createSqlRecords } from "./records.js";
import { createSqlSessions } from "./sessions.js";
import { DEFAULT_SETTINGS, openDriver, rememberDriver, type SqlTarget } from "./sql-target.js";
import { createSqlSubjects } from "./subjects.js";
import { createSqlTickets } from "./tickets.js";

/** How a SQL store works. */
export interface SqlStoreOptions {
  /** Whether opening applies pending migrations (`up`, the default) or refuses to open with any (`check`). */
  readonly migrate?: "up" | "check";
  /**
   * Ms until an operation that got no answer fails with `StoreUnavailable`; 1 to 600,000, default 5,000. On SQLite: how long
   * to wait for another process's lock.
   */
  readonly deadlineMs?: number;
  /**
   * SQLite files that this call opens: `full` (default) survives power loss with every acknowledged write, `normal` may lose
   * the last ones then, and is many times faster. Either survives the end of the process.
   */
  readonly durability?: "full" | "normal";
  /** Replaces the database's clock, for tests. By default PostgreSQL's server clock decides, and SQLite's host's. */
  readonly clock?: Clock;
}

/** Every port, in a SQL database. */
export type SqlStore = Ports & StoreLifecycle;

const LONGEST_DEADLINE_MS = 600_000;

/**
 * Opens the store that survives the process: every port on SQLite or PostgreSQL, safe under any number of processes.
 *
 * @param target `"file:data.db"`, `":memory:"`, `"postgres://…"`, an open SQLite database, or a pool of pg. What this call
 *   opened itself, `close` closes.
 * @throws {ConfigurationError} `invalid_option`
 * @throws {SqlStoreError} No driver is installed, or the database's migrations do not fit this package.
 * @throws {StoreUnavailable} The database did not answer within the deadline.
 * @example
 * ```ts
 * import { openSqlStore } from "@portcullis/store-sql";
 *
 * const store = await openSqlStore(":memory:");
 * console.log(await store.counters.add("login:ada", 1, { limit: 5, windowMs: 900_000 })); // { accepted: true, value: 1, remainingMs: 900000 }
 * await store.close();
 * ```
 */
export async function openSqlStore(target: Exclude<SqlTarget, SqlStore>, options: SqlStoreOptions = {}): Promise<SqlStore> {
  const settings = { ...DEFAULT_SETTINGS, ...options };
  const { migrate = "up", deadlineMs, durability, clock } = settings;
  if (!Number.isInteger(deadlineMs) || deadlineMs < 1 || deadlineMs > LONGEST_DEADLINE_MS) {
    throw invalidOption("deadlineMs", deadlineMs, `an integer of 1 to ${LONGEST_DEADLINE_MS}`);
  }
  if (!["full", "normal"].includes(durability)) throw invalidOption("durability", durability, '"full" or "normal"');
  if (!["up", "check"].includes(migrate)) throw invalidOption("migrate", migrate, '"up" or "check"');

  const driver = await openDriver(target, { deadlineMs, durability, clock });
  try {
    await (migrate === "up" ? migrateWith(driver, "up") : checkMigrations(driver));
  } catch (error) {
    await driver.close();
    throw error;
  }
  const { bus, close } = createSqlBus(driver);
  const store: SqlStore = Object.freeze({
    tickets: createSqlTickets(driver),
    counters: createSqlCounters(driver),
    limits: createSqlLimits(driver),
    subjects: createSqlSubjects(driver),
    sessions: createSqlSessions(driver),
    apiKeys: createSqlApiKeys(driver),
    approvals: createSqlApprovals(driver),
    log: createSqlLog(driver),
    outbox: createSqlOutbox(driver),
    leases: createSqlLeases(driver),
    records: createSqlRecords(driver),
    grants: createSqlGrants(driver),
    bus,
    ping: () => ping(driver),
    async close() {
      close();
      await driver.close();
    },
  });
  rememberDriver(store, driver);
  return store;
}
