import type { Dialect } from "./dialect.js";

/** A value of a statement. */
export type SqlValue = string | number | Uint8Array | null;

/** A statement for one database: its text, and how the caller's values become its parameters. */
export interface Statement {
  readonly text: string;
  /** @param now The program's time, for databases without a clock of their own. */
  bind(values: readonly SqlValue[], now: () => number): SqlValue[];
}

const TOKEN = /\$(\d+)|:now\b|:texts\(\$(\d+)\)/g;

/**
 * Translates a statement: `$1` is the first value, `:now` the store's time, `:texts($1)` the texts of a JSON array.
 *
 * @param clockIsOurs The program's clock is the store's: SQLite, and every store with a clock given.
 */
export function compileStatement(source: string, dialect: Dialect, clockIsOurs: boolean): Statement {
  // The value of each parameter in order; NOW is the time.
  const places: number[] = [];
  const parameter = (value: number): string => {
    const known = dialect.reusesPlaceholders ? places.indexOf(value) : -1;
    if (known !== -1) return dialect.placeholder(known + 1);
    places.push(value);
    return dialect.placeholder(places.length);
  };
  const text = source.replaceAll(TOKEN, (token, value: string | undefined, texts: string | undefined) => {
    if (value !== undefined) return parameter(Number(value));
    if (texts !== undefined) return dialect.textsOf(parameter(Number(texts)));
    // A cast, because a parameter alone in an expression has no type.
    return clockIsOurs || dialect.serverNow === undefined ? `CAST(${parameter(NOW)} AS double precision)` : dialect.serverNow;
  });
  return {
    text,
    bind: (values, now) => places.map((place) => (place === NOW ? now() : encode(values[place - 1] ?? null))),
  };
}

const NOW = 0;

function encode(value: SqlValue): SqlValue {
  return typeof value === "string" ? encodeText(value) : value;
}

// PostgreSQL refuses U+0000 in text, and UTF-8 has no lone surrogates: two different keys would become one. Such characters
// are stored behind U+0001, in a way that keeps the order of all others.
const AWKWARD = /[\u0000\u0001]|\p{Surrogate}/gu;
const ENCODED = /\u0001(?:[\u0001\u0002]|\u0003[0-9a-f]{4})/g;

/** A text as it is stored. */
export function encodeText(text: string): string {
  return text.replaceAll(AWKWARD, (character) => {
    if (character === "\u0000") return "\u0001\u0001";
    if (character === "\u0001") return "\u0001\u0002";
    return `\u0001\u0003${character.charCodeAt(0).toString(16)}`;
  });
}

/** A stored text as it was given. */
export function decodeText(text: string): string {
  if (!text.includes("\u0001")) return text;
  return text.replaceAll(ENCODED, (code) => {
    if (code === "\u0001\u0001") return "\u0000";
    return code === "\u0001\u0002" ? "\u0001" : String.fromCharCode(Number.parseInt(code.slice(2), 16));
  });
}
