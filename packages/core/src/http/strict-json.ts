import { invalidOption } from "../problem/errors.js";
import type { JsonValue } from "../problem/problem.js";

/** Why a text is refused; `message` says where, never what. */
export class JsonRefused extends Error {
  override readonly name = "JsonRefused";
  readonly code = "json_refused";
}

/** Bounds of {@link parseStrictJson}. */
export interface StrictJsonOptions {
  /** Deepest nesting of arrays and objects. Default 64. */
  readonly maxDepth?: number;
}

const DEFAULT_MAX_DEPTH = 64;
// With these a later merge of the parsed object would change every object of the process (CWE-1321).
const PROTOTYPE_KEYS = new Set(["__proto__", "constructor", "prototype"]);

/**
 * Parses JSON that means one thing only: UTF-8 that is well formed, no member name twice, no prototype keys, bounded depth.
 * Two parsers that read a duplicate member differently are a known way around checks (RFC 8259 §4, RFC 7493 §2.3).
 *
 * @throws {JsonRefused} Nothing of the text is kept or shown.
 * @throws {ConfigurationError} `invalid_option`: the depth is no whole number of 0 or more.
 * @example
 * ```ts
 * import { parseStrictJson } from "@portcullis/core";
 *
 * console.log(parseStrictJson('{"role":"viewer"}')); // { role: "viewer" }
 * ```
 */
export function parseStrictJson(source: string | Uint8Array, options: StrictJsonOptions = {}): JsonValue {
  const { maxDepth = DEFAULT_MAX_DEPTH } = options;
  if (!Number.isInteger(maxDepth) || maxDepth < 0) throw invalidOption("maxDepth", maxDepth, "an integer of 0 or more");
  const text = typeof source === "string" ? source : decodeUtf8(source);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue; // JSON.parse makes nothing else
  } catch {
    // The engine's message quotes the text, which may hold a secret.
    throw new JsonRefused("The text is not JSON.");
  }
  checkMembers(text, maxDepth);
  return value;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new JsonRefused("The text is not well-formed UTF-8.");
  }
}

// Walks the structure of a text that JSON.parse accepted, so that every character is where the grammar wants it.
function checkMembers(text: string, maxDepth: number): void {
  const scopes: (Set<string> | undefined)[] = []; // one for each open bracket; a set of names for objects
  let expectsName = false;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(text, at);
        if (expectsName) {
          checkName(text.slice(at, end + 1), scopes.at(-1));
          expectsName = false;
        }
        at = end;
        break;
      }
      case OPEN_BRACE:
        scopes.push(new Set());
        expectsName = true;
        break;
      case OPEN_BRACKET:
        scopes.push(undefined);
        expectsName = false;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        scopes.pop();
        expectsName = false;
        break;
      case COMMA:
        expectsName = scopes.at(-1) !== undefined;
        break;
      default:
    }
    if (scopes.length > maxDepth) throw new JsonRefused(`The JSON is nested deeper than ${maxDepth}.`);
  }
}

function checkName(literal: string, names: Set<string> | undefined): void {
  // Names that differ in spelling only ("a" and "\u0061") are the same name.
  const name = literal.includes("\\") ? (JSON.parse(literal) as string) : literal.slice(1, -1); // a string literal by construction
  if (PROTOTYPE_KEYS.has(name)) throw new JsonRefused("The JSON has a member that would reach an object's prototype.");
  if (names?.has(name) === true) throw new JsonRefused("The JSON has a member name twice.");
  names?.add(name);
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
