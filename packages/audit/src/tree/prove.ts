import type { Log } from "@portcullis/core";
import { AuditError } from "../errors.js";
import { readHead } from "./log-entry.js";
import { leafHash, MerkleFrontier } from "./merkle.js";
import { consistencyRanges, inclusionRanges, type LeafRange, RangeHashes } from "./proof-ranges.js";
import { readEntries } from "./read-entries.js";

/** That an entry is in the log. Hashes are base64; check it with `verifyInclusion`. */
export interface InclusionProof {
  readonly log: string;
  readonly index: number;
  readonly treeSize: number;
  readonly root: string;
  readonly leafHash: string;
  readonly hashes: readonly string[];
  /** The entry as stored: hash its UTF-8 bytes to get `leafHash`. */
  readonly entry: string;
}

/** That the log of `fromSize` is how the log of `toSize` begins. Hashes are base64; check it with `verifyConsistency`. */
export interface ConsistencyProof {
  readonly log: string;
  readonly fromSize: number;
  readonly fromRoot: string;
  readonly toSize: number;
  readonly toRoot: string;
  readonly hashes: readonly string[];
}

export async function proveInclusion(log: Log, logId: string, index: number, size?: number): Promise<InclusionProof> {
  const treeSize = await sizeWithin(log, logId, size);
  if (!Number.isSafeInteger(index) || index < 0 || index >= treeSize) {
    throw new AuditError("out_of_range", `The tree of ${treeSize} entries has no entry ${index}.`);
  }
  let entry: Uint8Array = Buffer.alloc(0);
  const { root, hashes } = await hashRanges(log, logId, treeSize, inclusionRanges(index, treeSize), (at, bytes) => {
    if (at === index) entry = bytes;
  });
  const leaf = leafHash(entry).toString("base64");
  return Object.freeze({
    log: logId,
    index,
    treeSize,
    root: root.toString("base64"),
    leafHash: leaf,
    hashes,
    entry: Buffer.from(entry).toString("utf8"),
  });
}

export async function proveConsistency(log: Log, logId: string, fromSize: number, size?: number): Promise<ConsistencyProof> {
  const toSize = await sizeWithin(log, logId, size);
  if (!Number.isSafeInteger(fromSize) || fromSize < 0 || fromSize > toSize) {
    throw new AuditError("out_of_range", `The tree of ${toSize} entries does not begin with one of ${fromSize}.`);
  }
  const first = new MerkleFrontier();
  const { root, hashes } = await hashRanges(log, logId, toSize, consistencyRanges(fromSize, toSize), (at, bytes) => {
    if (at < fromSize) first.push(leafHash(bytes));
  });
  return Object.freeze({
    log: logId,
    fromSize,
    fromRoot: first.root().toString("base64"),
    toSize,
    toRoot: root.toString("base64"),
    hashes,
  });
}

async function sizeWithin(log: Log, logId: string, size: number | undefined): Promise<number> {
  const head = await log.head(logId);
  if (size !== undefined && (!Number.isSafeInteger(size) || size < 0 || size > head.size)) {
    throw new AuditError("out_of_range", `The audit log has ${head.size} entries; there is no tree of ${size}.`);
  }
  return size ?? head.size;
}

/** One pass over the log: the root and the subtrees asked for. @throws {AuditError} `log_corrupt`: a proof of what is stored would prove the tampering. */
async function hashRanges(
  log: Log,
  logId: string,
  size: number,
  ranges: readonly LeafRange[],
  onEntry: (index: number, bytes: Uint8Array) => void,
): Promise<{ readonly root: Buffer; readonly hashes: readonly string[] }> {
  const frontier = new MerkleFrontier();
  const subtrees = new RangeHashes(ranges);
  for await (const { index, bytes } of readEntries(log, logId, 0, size)) {
    if (index !== frontier.size) break;
    const leaf = leafHash(bytes);
    frontier.push(leaf);
    subtrees.push(index, leaf);
    onEntry(index, bytes);
  }
  const head = await log.head(logId);
  const isWhole = frontier.size === size && (head.size !== size || frontier.toBytes().equals(readHead(head).frontier.toBytes()));
  if (!isWhole)
    throw new AuditError("log_corrupt", "The entries do not give the root that the audit log keeps. Run verify, and restore the log.");
  return { root: frontier.root(), hashes: Object.freeze(subtrees.hashes().map((hash) => hash.toString("base64"))) };
}
