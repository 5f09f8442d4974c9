// What processes tell each other over the bus. Whoever can write to the bus can make others forget what they remember, and so ask
// the store; nothing a message says brings a credential back.

import { JsonRefused, parseStrictJson } from "@portcullis/core";
import { REVOCATION_KINDS, type RevocationKind } from "../instruments.js";

/** Something ended before its time. */
export interface Revocation {
  readonly subjectId: string;
  /** The one session that ended; absent: all of them. */
  readonly sessionId?: string | undefined;
  /** The one token of it that ended; absent: all of them. */
  readonly tokenId?: string | undefined;
  readonly kind: RevocationKind;
}

/** A revocation on its way. */
export interface RevocationMessage extends Revocation {
  /** Of the publisher, so that it knows its own messages. */
  readonly from: string;
  /** Epoch ms on the publisher's clock. */
  readonly at: number;
}

const FORMAT = 1;
const MAX_ID_CHARACTERS = 128;

export function writeRevocation({ subjectId, sessionId, tokenId, kind, from, at }: RevocationMessage): string {
  return JSON.stringify({ v: FORMAT, subjectId, sessionId, tokenId, kind, from, at });
}

/** @returns `undefined` for anything that {@link writeRevocation} did not write. */
export function readRevocation(text: string): RevocationMessage | undefined {
  const members = parseMembers(text);
  if (members === undefined) return undefined;
  const { v, subjectId, sessionId, tokenId, kind: name, from, at } = members;
  const kind = REVOCATION_KINDS.find((known) => known === name);
  if (v !== FORMAT || kind === undefined || !isId(subjectId) || !isId(from) || !isInstant(at)) return undefined;
  if (!(sessionId === undefined || isId(sessionId)) || !(tokenId === undefined || isId(tokenId))) return undefined;
  return { subjectId, sessionId, tokenId, kind, from, at };
}

function parseMembers(text: string): { readonly [name: string]: unknown } | undefined {
  try {
    const value = parseStrictJson(Buffer.from(text, "utf8"));
    // Neither null, nor an array, nor a primitive: an object of members.
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as { readonly [name: string]: unknown })
      : undefined;
  } catch (error) {
    if (error instanceof JsonRefused) return undefined;
    throw error;
  }
}

function isId(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= MAX_ID_CHARACTERS;
}

function isInstant(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0; // an integer is a number
}
