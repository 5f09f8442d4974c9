import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { type Connection, type Database, number, text } from "./database.js";
import type { Dialect } from "./dialect.js";
import { SqlStoreError } from "./errors.js";

/** One step of the schema. */
export interface Migration {
  readonly version: number;
  readonly name: string;
}

/** A migration and whether the database has it. */
export interface MigrationState extends Migration {
  readonly applied: boolean;
}

/** A migration's files, before the dialect's words are put in. */
export interface MigrationScript extends Migration {
  readonly up: string;
  readonly down: string;
}

const FILE = /^(\d{4})-([a-z0-9-]+)\.(up|down)\.sql$/;
const TABLE = "CREATE TABLE IF NOT EXISTS portcullis_migrations (version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL)";

/** The migrations beside this module, in order. */
export function readMigrations(folder: URL = new URL("./migrations/", import.meta.url)): readonly MigrationScript[] {
  const scripts = new Map<number, { -readonly [Key in keyof MigrationScript]: MigrationScript[Key] }>();
  for (const file of readdirSync(folder).toSorted()) {
    const [, digits, name, direction] = FILE.exec(file) ?? [];
    if (digits === undefined || name === undefined) continue;
    const version = Number(digits);
    const script = scripts.get(version) ?? { version, name, up: "", down: "" };
    script[direction === "up" ? "up" : "down"] = readFileSync(new URL(file, folder), "utf8");
    scripts.set(version, script);
  }
  return [...scripts.values()];
}

/**
 * Applies what is missing. Two instances that start at once apply it once: the second waits and finds it done.
 *
 * @returns what this call applied.
 * @throws {SqlStoreError} `schema_changed`; nothing was applied.
 */
export function migrateUp(database: Database, scripts: readonly MigrationScript[]): Promise<readonly Migration[]> {
  return inOneTransaction(database, async (connection) => {
    const applied = await readApplied(connection);
    checkApplied(applied, scripts);
    const missing = scripts.filter(({ version }) => !applied.has(version));
    for (const { version, name, up } of missing) {
      await connection.execute(translate(up, database.dialect));
      await connection.query("INSERT INTO portcullis_migrations (version, name, checksum) VALUES ($1, $2, $3)", [
        version,
        name,
        checksum(up),
      ]);
    }
    return missing.map(({ version, name }) => ({ version, name }));
  });
}

/** Takes back the newest migration, with the data it made room for. @returns it, or `undefined` when none is applied. */
export function migrateDown(database: Database, scripts: readonly MigrationScript[]): Promise<Migration | undefined> {
  return inOneTransaction(database, async (connection) => {
    const applied = await readApplied(connection);
    checkApplied(applied, scripts);
    const newest = scripts.findLast(({ version }) => applied.has(version));
    if (newest === undefined) return undefined;
    await connection.execute(translate(newest.down, database.dialect));
    await connection.query("DELETE FROM portcullis_migrations WHERE version = $1", [newest.version]);
    return { version: newest.version, name: newest.name };
  });
}

/** Every migration and whether it is applied. @throws {SqlStoreError} `schema_changed`. */
export function migrationStatus(database: Database, scripts: readonly MigrationScript[]): Promise<readonly MigrationState[]> {
  return inOneTransaction(database, async (connection) => {
    const applied = await readApplied(connection);
    checkApplied(applied, scripts);
    return scripts.map(({ version, name }) => ({ version, name, applied: applied.has(version) }));
  });
}

type MigrationConnection = Parameters<Parameters<Database["transaction"]>[0]>[0];

// Schema changes are transactional in both databases. The lock: SQLite's write lock, and in PostgreSQL the first statement,
// an advisory lock of the transaction that every instance takes before it looks.
function inOneTransaction<T>(database: Database, work: (connection: MigrationConnection) => Promise<T>): Promise<T> {
  return database.transaction(async (connection) => {
    const lock = database.dialect.migrationLock;
    if (lock !== undefined) await connection.execute(lock);
    await connection.execute(TABLE);
    return work(connection);
  });
}

async function readApplied(connection: Connection): Promise<ReadonlyMap<number, string>> {
  const rows = await connection.query("SELECT version, checksum FROM portcullis_migrations");
  return new Map(rows.map((row) => [number(row, "version"), text(row, "checksum")]));
}

function checkApplied(applied: ReadonlyMap<number, string>, scripts: readonly MigrationScript[]): void {
  for (const [version, sum] of applied) {
    const script = scripts.find((candidate) => candidate.version === version);
    if (script === undefined) {
      throw new SqlStoreError(
        "schema_changed",
        `The database has migration ${version}, which this version does not know. Run the version that applied it, or migrate down with it first.`,
      );
    }
    if (checksum(script.up) !== sum) {
      throw new SqlStoreError(
        "schema_changed",
        `Migration ${version} was applied with another content. Restore its file; a change of the schema is a new migration.`,
      );
    }
  }
}

function translate(sql: string, { fragments }: Dialect): string {
  return sql
    .replaceAll(/^--.*$/gm, "")
    .replaceAll(/\{(key|bytes|sequence)\}/g, (_whole, name: keyof Dialect["fragments"]) => fragments[name]);
}

// Of the statements: a comment or a line break may be mended.
function checksum(sql: string): string {
  return createHash("sha256")
    .update(
      sql
        .replaceAll(/^--.*$/gm, "")
        .replaceAll(/\s+/g, " ")
        .trim(),
    )
    .digest("hex");
}
