import type { MaybePromise } from "@portcullis/core";
import type { Dialect } from "./dialect.js";
import { decodeText, type SqlValue } from "./statement.js";

/** One row of a result. */
export type Row = Readonly<Record<string, unknown>>;

/** Runs statements, one after the other. */
export interface Connection {
  /** @throws {StoreUnavailable} Whether it took effect is unknown. */
  query(sql: string, values?: readonly SqlValue[]): MaybePromise<readonly Row[]>;
}

/** A database, as the ports see it. */
export interface Database extends Connection {
  readonly dialect: Dialect;
  /**
   * Runs `work` in a transaction that no other with the same key overlaps, in any process. Everything it wrote is kept, or nothing.
   *
   * @throws what `work` threw; nothing was kept.
   * @throws {StoreUnavailable}
   */
  serialised<T>(key: readonly string[], work: (connection: Connection) => Promise<T>): Promise<T>;
  /** Runs statements without parameters as they are; for migrations. */
  transaction<T>(work: (connection: Connection & { execute(sql: string): MaybePromise<void> }) => Promise<T>): Promise<T>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Applies a function now or later. */
export function after<A, B>(value: MaybePromise<A>, use: (value: A) => B): MaybePromise<B> {
  return value instanceof Promise ? value.then(use) : use(value);
}

/** A text column. */
export function text(row: Row, column: string): string {
  return decodeText(String(row[column]));
}

/** A text column that may be null. */
export function optionalText(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}

/** A number column. Drivers give 64-bit integers as text. */
export function number(row: Row, column: string): number {
  return Number(row[column]);
}

/** A number column that may be null. */
export function optionalNumber(row: Row, column: string): number | undefined {
  return row[column] === null ? undefined : Number(row[column]);
}

/** A byte string column, as bytes of its own. */
export function bytes(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new TypeError(`Column "${column}" holds no bytes; the database was changed by something else.`);
  return new Uint8Array(value);
}

/** The `VALUES` of several rows: `($1, $2), ($3, $4)`. */
export function valuesOf(rows: number, columns: number): string {
  return Array.from(
    { length: rows },
    (_row, row) => `(${Array.from({ length: columns }, (_column, column) => `$${row * columns + column + 1}`).join(", ")})`,
  ).join(", ");
}
