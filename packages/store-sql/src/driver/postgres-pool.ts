import { invalidOption } from "@portcullis/core";
import type pg from "pg";
import { SqlStoreError } from "../errors.js";

/** A connection of a pool: the part of pg's `PoolClient` that is used. */
export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
  /** @param destroy Closes the connection instead of giving it back. */
  release(destroy?: boolean): void;
  /** Where there are events: a connection that breaks says so here as well. The port `bus` needs them. */
  on?(event: "error" | "end", listener: () => void): unknown;
  on?(event: "notification", listener: (notification: { readonly payload?: string | undefined }) => void): unknown;
  off?(event: "error", listener: () => void): unknown;
  /** Lets the process end while this connection is open. */
  unref?(): void;
}

/** A pool of connections: the part of pg's `Pool` that is used. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>;
  end(): Promise<void>;
}

/** Opens a pool with the installed `pg`. */
export async function openPostgresPool(url: string, deadlineMs: number): Promise<PostgresPool> {
  // Before pg parses it: its error would carry the whole URL, with the password.
  if (!URL.canParse(url)) throw invalidOption("target", url, "a URL such as postgres://user:password@host:5432/database");
  const { Pool } = (await importPg()).default;
  const pool = new Pool({
    connectionString: url,
    application_name: "portcullis",
    connectionTimeoutMillis: deadlineMs,
    statement_timeout: deadlineMs,
    keepAlive: true,
  });
  // An idle connection that breaks is replaced by the next call; unheard, its error would end the process.
  pool.on("error", () => {});
  return pool;
}

/** Its classes are on the default export under each of its module systems. */
async function importPg(): Promise<{ readonly default: typeof pg }> {
  try {
    return await import("pg");
  } catch (cause) {
    throw new SqlStoreError("postgres_driver_missing", "There is no PostgreSQL driver: run `npm install pg`, or pass a pool.", { cause });
  }
}

/** The database chose this transaction as the one to repeat: nothing of it happened. */
export function isRepeatable(error: unknown): boolean {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  // serialization_failure, deadlock_detected.
  return code === "40001" || code === "40P01";
}

/**
 * A PostgreSQL error's `detail`, `where` and `internalQuery` may quote what a statement carried: hashes, records. Whoever logs an error
 * prints its cause with all members, so only what names the failure goes on.
 */
export function withoutValues(cause: unknown): Error {
  if (!(cause instanceof Error)) return new Error("The driver failed with something that is no Error.");
  const bare = new Error(cause.message);
  bare.name = cause.name;
  return "code" in cause && typeof cause.code === "string" ? Object.assign(bare, { code: cause.code }) : bare;
}
