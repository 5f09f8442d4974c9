import type { Row } from "./driver.js";
import { unescapeText } from "./escape-text.js";

// Drivers differ in how they give a value: integers as numbers, strings or bigints, bytes as Buffers or arrays, truth as 1.

export function text(row: Row | undefined, column: string): string {
  const value = row?.[column];
  if (typeof value !== "string") throw unreadable(column, value);
  return unescapeText(value);
}

export function textOrNone(row: Row | undefined, column: string): string | undefined {
  return isNone(row, column) ? undefined : text(row, column);
}

export function number(row: Row | undefined, column: string): number {
  const value = row?.[column];
  if (typeof value === "number") return value;
  if (typeof value === "string" || typeof value === "bigint") return Number(value);
  throw unreadable(column, value);
}

export function numberOrNone(row: Row | undefined, column: string): number | undefined {
  return isNone(row, column) ? undefined : number(row, column);
}

/** The caller's own copy. */
export function bytes(row: Row | undefined, column: string): Uint8Array {
  const value = row?.[column];
  // libsql gives the bare memory.
  if (!(value instanceof Uint8Array || value instanceof ArrayBuffer)) throw unreadable(column, value);
  return Uint8Array.from(new Uint8Array(value));
}

export function flag(row: Row | undefined, column: string): boolean {
  const value = row?.[column];
  return value === true || value === 1 || value === 1n;
}

function isNone(row: Row | undefined, column: string): boolean {
  return row?.[column] === null || row?.[column] === undefined;
}

function unreadable(column: string, value: unknown): TypeError {
  return new TypeError(`Column "${column}" came as ${value === null ? "null" : typeof value}: the table is not the one of the migrations.`);
}
