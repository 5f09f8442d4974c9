import type { LogHead } from "@portcullis/core";
import { AuditError } from "../errors.js";
import { HASH_BYTES, leafHash, MerkleFrontier } from "./merkle.js";

/** What every entry carries beside its event, so that a copy elsewhere in this log or in another one shows. */
export interface EntryPlace {
  readonly log: string;
  readonly index: number;
  /** Leaf hash of the entry before, base64url; of the first entry 43 times `A`. It locates a change to one entry. */
  readonly previous: string;
}

/** `previous` of the first entry. */
export const NO_PREVIOUS = Buffer.alloc(HASH_BYTES).toString("base64url");

// The end of an entry's bytes, as sealEntry() writes it; the text of the log's name is JSON.
const PLACE = /,"log":("(?:[^"\\]|\\.)*"),"index":(0|[1-9]\d{0,15}),"previous":"([A-Za-z0-9_-]{43})"\}$/;

/** The bytes that are stored and hashed: the event's JSON and the place, in one line. @param body JSON of an object. */
export function sealEntry(body: string, { log, index, previous }: EntryPlace): Buffer {
  return Buffer.from(`${body.slice(0, -1)},"log":${JSON.stringify(log)},"index":${index},"previous":"${previous}"}`);
}

/** The place in an entry's bytes, and the whole as JSON; `undefined` when they are not what `sealEntry` writes. */
export function readEntry(bytes: Uint8Array): { readonly place: EntryPlace; readonly json: unknown } | undefined {
  const text = Buffer.from(bytes).toString("utf8");
  const [, log, index, previous] = PLACE.exec(text) ?? [];
  if (log === undefined || index === undefined || previous === undefined) return undefined;
  try {
    return { place: { log: JSON.parse(log) as string, index: Number(index), previous }, json: JSON.parse(text) as unknown }; // log matched a JSON string
  } catch {
    return undefined;
  }
}

/** The same bytes with another `previous`: what an entry was, if only that was changed. @param bytes Of an entry that `readEntry` reads. */
export function withPrevious(bytes: Uint8Array, previous: string): Buffer {
  const text = Buffer.from(bytes).toString("utf8");
  return Buffer.from(`${text.slice(0, -2 - previous.length)}${previous}"}`);
}

/** `previous` of the entry that follows these bytes. */
export function linkTo(bytes: Uint8Array): string {
  return leafHash(bytes).toString("base64url");
}

/** The head of a log as audit keeps it: the tree's frontier and the hash of the last entry. */
export interface TreeHead {
  readonly frontier: MerkleFrontier;
  readonly previous: string;
}

/** Reads a stored head. @throws {AuditError} `log_corrupt`: it is not one that audit wrote. */
export function readHead(head: LogHead): TreeHead {
  if (head.size === 0 && head.frontier.length === 0) return { frontier: new MerkleFrontier(), previous: NO_PREVIOUS };
  const frontier = MerkleFrontier.fromBytes(head.frontier.subarray(HASH_BYTES), head.size);
  if (frontier === undefined || head.size === 0) {
    throw new AuditError(
      "log_corrupt",
      "The head of the audit log is not one that audit wrote; nothing was appended. Run verify, and restore the log.",
    );
  }
  return { frontier, previous: Buffer.from(head.frontier.subarray(0, HASH_BYTES)).toString("base64url") };
}

/** The bytes of a head for the store: the last leaf hash, then the frontier. */
export function writeHead({ frontier, previous }: TreeHead): Buffer {
  return Buffer.concat([Buffer.from(previous, "base64url"), frontier.toBytes()]);
}
