// The JSON objects of a token: base64url of one spelling, UTF-8 that is well formed, no member twice, none that reaches a prototype.

import { JsonRefused, parseStrictJson, type JsonValue } from "@portcullis/core";
import { isCanonicalBase64Url } from "./base64url.js";

/** The members of a token's header or payload. */
export type JwsClaims = { readonly [name: string]: JsonValue };

/** Longer texts are refused unread: a bound on what a stranger can make us hash. */
export const MAX_TOKEN_CHARACTERS = 8192;

export function encodeSegment(members: JwsClaims): string {
  return Buffer.from(JSON.stringify(members), "utf8").toString("base64url");
}

/** The object that a segment says; `undefined` where it says none, or more than one reader could understand by it. */
export function readSegment(segment: string): JwsClaims | undefined {
  if (segment.length > MAX_TOKEN_CHARACTERS) return undefined;
  const bytes = scratch.write(segment, 0, "base64url");
  if (!isOnlySpelling(segment, bytes)) return undefined;
  return readFlatObject(bytes) ?? readAnyObject(scratch.subarray(0, bytes));
}

// For one segment at a time: reading is synchronous.
const scratch = Buffer.alloc(MAX_TOKEN_CHARACTERS);
const REPLACEMENT_CHARACTER = "\uFFFD";

// Decides the same as isCanonicalBase64Url, at a fraction of its cost for long texts: the decoder skips what is in neither
// alphabet, so that bytes are missing, and what the two alphabets differ in is looked for.
function isOnlySpelling(segment: string, bytes: number): boolean {
  const { length } = segment;
  const rest = length % 4;
  return (
    bytes === Math.floor((length * 3) / 4) &&
    rest !== 1 &&
    length > 0 &&
    (rest === 0 || isCanonicalBase64Url(segment.slice(-rest))) &&
    !segment.includes("+") &&
    !segment.includes("/") &&
    Buffer.byteLength(segment) === length // all ASCII: the decoder may look at one byte of each character only
  );
}

/**
 * The short way, for what our own tokens are: an object of primitives and lists of them, without escapes. A member name that
 * occurs twice makes more colons than members. `undefined`: nothing is said of the text.
 */
function readFlatObject(bytes: number): JwsClaims | undefined {
  if (scratch[0] !== OPEN_BRACE) return undefined;
  const text = scratch.toString("utf8", 0, bytes);
  // What was no UTF-8 has become replacement characters; escapes could spell a name in two ways.
  if (text.includes("\\") || text.includes(REPLACEMENT_CHARACTER)) return undefined;
  let value: JwsClaims;
  try {
    value = JSON.parse(text) as JwsClaims; // it begins with a brace
  } catch {
    return undefined;
  }
  return countMembers(bytes) === Object.keys(value).length ? value : undefined;
}

// Of the JSON text without escapes in the scratch buffer, where each quote thus has its other one. -1: it is no flat object, or has
// a name that reaches a prototype.
function countMembers(bytes: number): number {
  let members = 0;
  let nameStart = 0;
  let nameEnd = 0;
  let inList = false;
  for (let at = 1; at < bytes; at += 1) {
    const byte = scratch[at];
    if (byte === QUOTE) {
      nameStart = at + 1;
      do at += 1;
      while (scratch[at] !== QUOTE);
      nameEnd = at;
    } else if (byte === COLON) {
      members += 1;
      if (isPrototypeName(nameStart, nameEnd)) return -1;
    } else if (byte === OPEN_BRACKET) {
      if (inList) return -1;
      inList = true;
    } else if (byte === CLOSE_BRACKET) {
      inList = false;
    } else if (byte === OPEN_BRACE) {
      return -1;
    }
  }
  return members;
}

function isPrototypeName(start: number, end: number): boolean {
  const length = end - start;
  return (length === 9 || length === 11) && PROTOTYPE_NAMES.has(scratch.toString("latin1", start, end)); // their lengths
}

function readAnyObject(bytes: Uint8Array): JwsClaims | undefined {
  try {
    const value = parseStrictJson(bytes);
    // Neither null, nor an array, nor a primitive: an object of members.
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JwsClaims) : undefined;
  } catch (error) {
    if (error instanceof JsonRefused) return undefined;
    throw error;
  }
}

const PROTOTYPE_NAMES = new Set(["__proto__", "constructor", "prototype"]);
const QUOTE = 0x22;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
