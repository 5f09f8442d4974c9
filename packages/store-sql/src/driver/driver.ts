import type { BusTransport } from "@portcullis/core";
import type { Dialect } from "../dialect.js";

/** What a statement takes. */
export type SqlValue = string | number | Uint8Array | null;

/** A row as the driver gave it; read it with `./row.js`. */
export type Row = Readonly<Record<string, unknown>>;

/** One statement with `$1`-style values and `{fragments}`, or a script of several without values. */
export type Query = { readonly text: string; readonly values: readonly SqlValue[] } | { readonly script: string };

/**
 * Statements with the decisions between them, written once for both kinds of driver: PostgreSQL's answers later, SQLite's
 * at once. So a transaction on SQLite begins and ends within one turn of the event loop, and nobody else's statement on the
 * same connection can fall into it.
 */
export type Operation<T> = Generator<Query, T, readonly Row[]>;

/** A database that operations run on. */
export interface Driver {
  readonly dialect: Dialect;
  /** How processes on the database tell each other something. */
  readonly messages: BusTransport;
  /** Runs each statement on its own. @throws {StoreUnavailable} */
  run<T>(name: string, operation: () => Operation<T>): Promise<T>;
  /**
   * Runs all statements or none; asks `operation` again when the transaction has to be repeated.
   *
   * @throws {StoreUnavailable}
   */
  transaction<T>(name: string, operation: () => Operation<T>, deadlineMs?: number): Promise<T>;
  close(): Promise<void>;
}

/** A statement to yield. */
export function ask(text: string, ...values: readonly SqlValue[]): Query {
  return { text, values };
}

/** Another transaction was first in a way that only shows at the end: repeat this one. */
export class TransactionConflict extends Error {
  override readonly name = "TransactionConflict";
}

/** What the driver threw, so that it is not taken for an error of the operation itself. */
export class DriverFault extends Error {
  override readonly name = "DriverFault";
  constructor(override readonly cause: unknown) {
    super("The database driver failed.");
  }
}

/** Serialises what has no row to lock yet. */
export function* lockName(dialect: Dialect, name: string): Operation<void> {
  for (const text of dialect.lockName) yield ask(text, name);
}

/** A duration as the columns hold it: whole ms, never shorter than asked. */
export function wholeMs(durationMs: number): number {
  return Math.min(Math.ceil(durationMs), Number.MAX_SAFE_INTEGER / 4);
}
