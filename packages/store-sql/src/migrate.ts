import { createHash } from "node:crypto";
import { invalidOption } from "@portcullis/core";
import { ask, type Driver, lockName, type Operation } from "./driver/driver.js";
import { number, text } from "./driver/row.js";
import { SqlStoreError } from "./errors.js";
import { migrations } from "./migrations/all.js";
import type { Migration } from "./migrations/migration.js";
import { type SqlTarget, withDriver } from "./sql-target.js";

/** A migration and whether the database has it. */
export interface MigrationState {
  readonly version: number;
  readonly name: string;
  /** Epoch ms; `undefined` where it is pending. */
  readonly appliedAt: number | undefined;
}

/** `up` applies all that are pending, `down` takes the newest applied one back with its data, `status` only looks. */
export type MigrateCommand = "up" | "down" | "status";

const COMMANDS: readonly string[] = ["up", "down", "status"] satisfies readonly MigrateCommand[];

// Tables may be large and another instance may be migrating: longer than any request waits.
const DEADLINE_MS = 120_000;

const CREATE = `CREATE TABLE IF NOT EXISTS portcullis_migrations (
  version {integer} NOT NULL PRIMARY KEY, name {text} NOT NULL, checksum {text} NOT NULL, applied_at {integer} NOT NULL
) {strict}`;
const READ = "SELECT version, name, checksum, applied_at FROM portcullis_migrations ORDER BY version";
const ADD = "INSERT INTO portcullis_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, {now})";
const REMOVE = "DELETE FROM portcullis_migrations WHERE version = $1";

/**
 * Brings the tables of a database to this package's version, or one step back; all in one transaction, one instance at a time.
 *
 * @param target As for `openSqlStore`, or a store that it returned.
 * @returns every migration of this package, after the command.
 * @throws {SqlStoreError} `migration_changed`: an applied migration is not the one this package has; `migration_unknown`: the
 *   database has one that this package has not, so a newer release was here. Nothing was changed.
 * @throws {StoreUnavailable}
 * @example
 * ```ts
 * import { migrate, openSqlStore } from "@portcullis/store-sql";
 *
 * const store = await openSqlStore(":memory:");
 * const [first] = await migrate(store, "status");
 * console.log(first?.name, first?.appliedAt !== undefined); // ports true
 * await store.close();
 * ```
 */
export async function migrate(target: SqlTarget, command: MigrateCommand): Promise<readonly MigrationState[]> {
  if (!COMMANDS.includes(command)) throw invalidOption("command", command, '"up", "down" or "status"');
  return withDriver(target, (driver) => migrateWith(driver, command));
}

/** Answers when the database does. */
export function ping(driver: Driver): Promise<void> {
  return driver.run("ping", function* () {
    yield ask("SELECT 1 AS one");
  });
}

/** Fails where something is pending. */
export async function checkMigrations(driver: Driver): Promise<void> {
  const pending = (await migrateWith(driver, "status")).filter(({ appliedAt }) => appliedAt === undefined);
  if (pending.length === 0) return;
  const names = pending.map(({ version, name }) => `${version} ${name}`).join(", ");
  throw new SqlStoreError(
    "migration_pending",
    `The database lacks migrations: ${names}. Run migrate(target, "up") before this release starts.`,
  );
}

/** What `migrate` does, on an open database. */
export async function migrateWith(driver: Driver, command: MigrateCommand): Promise<readonly MigrationState[]> {
  // Within the ordinary deadline: whether there is a database at all.
  await ping(driver);
  return driver.transaction(
    "migrate",
    function* () {
      yield* lockName(driver.dialect, "migrations");
      yield { script: CREATE };
      const applied = yield* readApplied();
      if (command === "up") yield* applyPending(applied);
      if (command === "down") yield* takeBack(applied);
      const after = command === "status" ? applied : yield* readApplied();
      return Object.freeze(migrations.map(({ version, name }) => Object.freeze({ version, name, appliedAt: after.get(version) })));
    },
    DEADLINE_MS,
  );
}

function* readApplied(): Operation<ReadonlyMap<number, number>> {
  const applied = new Map<number, number>();
  for (const row of yield ask(READ)) {
    const version = number(row, "version");
    const known = migrations.find((migration) => migration.version === version);
    if (known === undefined) {
      const named = `${version} ${text(row, "name")}`;
      throw new SqlStoreError(
        "migration_unknown",
        `The database has migration ${named}, which this package has not: use the release that made it, or a later one.`,
      );
    }
    if (text(row, "checksum") !== checksumOf(known)) {
      throw new SqlStoreError(
        "migration_changed",
        `Migration ${version} ${known.name} was applied in another form than this package has it: released migrations never change.`,
      );
    }
    applied.set(version, number(row, "applied_at"));
  }
  return applied;
}

function* applyPending(applied: ReadonlyMap<number, number>): Operation<void> {
  for (const migration of migrations) {
    if (applied.has(migration.version)) continue;
    yield { script: migration.up };
    yield ask(ADD, migration.version, migration.name, checksumOf(migration));
  }
}

function* takeBack(applied: ReadonlyMap<number, number>): Operation<void> {
  const newest = migrations.findLast(({ version }) => applied.has(version));
  if (newest === undefined) return;
  yield { script: newest.down };
  yield ask(REMOVE, newest.version);
}

/** Of the shared text: the same on each database. */
function checksumOf({ up, down }: Migration): string {
  return createHash("sha256").update(`${up}\0${down}`).digest("hex");
}
