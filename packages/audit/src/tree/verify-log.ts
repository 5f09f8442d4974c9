import type { Log, LogHead, StoredLogEntry } from "@portcullis/core";
import { columnsOf } from "../append-queue.js";
import { AuditError } from "../errors.js";
import { readEvent } from "../event/prepare-event.js";
import { openCheckpoint } from "./checkpoint.js";
import type { CheckpointBook } from "./checkpoint-book.js";
import { linkTo, NO_PREVIOUS, readEntry, readHead, type TreeHead, withPrevious } from "./log-entry.js";
import { leafHash, MerkleFrontier } from "./merkle.js";
import type { LeafRange } from "./proof-ranges.js";
import { readEntries } from "./read-entries.js";

/** What was wrong first. */
export type TamperReason =
  /** An entry is missing where one must be. */
  | "missing_entry"
  /** The bytes of an entry are not an entry of this schema. */
  | "malformed_entry"
  /** An entry of another log. */
  | "foreign_entry"
  /** An entry of another place in this log. */
  | "moved_entry"
  /** The bytes of an entry are not those that the next one was written after. */
  | "changed_entry"
  /** What the store searches by is not what the entry says. */
  | "changed_columns"
  /** An entry behind the end of the log. */
  | "unrecorded_entry"
  /** The head is not one that audit wrote, or not this log's. */
  | "changed_head"
  /** The entries do not give the root that was signed. */
  | "contradicts_checkpoint"
  /** The log is shorter than what was signed. */
  | "truncated"
  /** A stored checkpoint was changed. */
  | "changed_checkpoint";

/** Why nothing can be said. */
export type UndecidedReason = "checkpoint_malformed" | "checkpoint_untrusted" | "checkpoint_bad_signature" | "checkpoint_of_another_log";

/** What the log's own bytes prove. */
export type AuditVerdict =
  | {
      readonly verdict: "intact";
      readonly size: number;
      /** Base64. */
      readonly root: string;
      /** Entries up to here are those that were signed. */
      readonly provenSize: number;
      /** `not_provable`: no checkpoint was pinned, so that entries cut off the end, or a whole older log put back, cannot be seen. */
      readonly tail: "proven" | "not_provable";
      /** Entries whose event time is before the one before: a clock was set back. Order is by index; this alone is no tampering. */
      readonly clockSteps: number;
    }
  | {
      readonly verdict: "tampered";
      /** Entries that the log says it has. */
      readonly size: number;
      readonly reason: TamperReason;
      /** The first bad entry; `undefined` where the evidence points to a range only. */
      readonly firstBad: number | undefined;
      /** The first bad entry lies in here. */
      readonly within: LeafRange;
    }
  | { readonly verdict: "undecided"; readonly size: number; readonly reason: UndecidedReason };

/** What the log is held against. */
export interface VerifyOptions {
  /** One checkpoint or several, kept outside the store. Without one the end of the log is not provable. */
  readonly expectedCheckpoint?: string | readonly string[];
  /** Keys whose signatures are trusted; the log's own signers unless given. */
  readonly verifierKeys?: readonly string[];
}

/** Where the log and its checkpoints are. */
export interface VerifySource {
  readonly log: Log;
  readonly logId: string;
  readonly checkpoints: CheckpointBook;
}

interface Pinned {
  readonly size: number;
  readonly root: Buffer;
}

type Finding = Omit<Extract<AuditVerdict, { verdict: "tampered" }>, "verdict" | "size">;

/** Recomputes the tree from the stored bytes, and holds it against the head, the stored checkpoints and the pinned ones. @throws {StoreUnavailable} */
export async function verifyLog(
  source: VerifySource,
  options: VerifyOptions & { readonly verifierKeys: readonly string[] },
): Promise<AuditVerdict> {
  const pinned = openPinned(source.logId, options);
  const trusted = "reason" in pinned ? [] : pinned;
  const stored = await openStored(source, options.verifierKeys);
  const head = await source.log.head(source.logId);
  const { size } = head;
  if ("reason" in stored) return Object.freeze({ verdict: "tampered", size, ...stored });
  const walk = new LogWalk(source.logId, [...trusted, ...stored]);
  const finding = await walk.through(source.log, head);
  if (finding !== undefined) return Object.freeze({ verdict: "tampered", size, ...finding });
  // Nothing found without it, and nothing to hold the end against.
  if ("reason" in pinned) return Object.freeze({ verdict: "undecided", size, ...pinned });
  return Object.freeze({
    verdict: "intact",
    size,
    root: walk.frontier.root().toString("base64"),
    provenSize: Math.max(0, ...trusted.map((checkpoint) => checkpoint.size)),
    tail: trusted.length === 0 ? "not_provable" : "proven",
    clockSteps: walk.clockSteps,
  });
}

class LogWalk {
  readonly frontier = new MerkleFrontier();
  clockSteps = 0;
  #link = NO_PREVIOUS;
  #before: StoredLogEntry | undefined;
  #provenTo = 0;
  readonly #pinned: readonly Pinned[];

  constructor(
    private readonly logId: string,
    pinned: readonly Pinned[],
  ) {
    this.#pinned = [...pinned].sort((a, b) => a.size - b.size);
  }

  /** Reads every entry; the first bad one ends it. Then holds the end against the head and against longer checkpoints. */
  async through(log: Log, head: LogHead): Promise<Finding | undefined> {
    const kept = readHeadIfWhole(head);
    if (kept === undefined) return tampered("changed_head", { from: 0, to: head.size });
    for await (const entry of readEntries(log, this.logId, 0, head.size)) {
      const finding = earlier(this.#contradiction(), await this.#take(entry, log));
      if (finding !== undefined) return finding;
    }
    if (this.frontier.size !== head.size) return exactly("missing_entry", this.frontier.size);
    return earlier(this.#contradiction(), this.#end(kept)) ?? (await this.#beyond(log));
  }

  #end(kept: TreeHead): Finding | undefined {
    const size = this.frontier.size;
    const longest = this.#pinned.at(-1);
    const own = this.frontier.peaks();
    const wrong = own.find(({ hash }, index) => Buffer.compare(hash, kept.frontier.peaks()[index]?.hash ?? Buffer.alloc(0)) !== 0);
    const isLinked = kept.previous === this.#link;
    if (wrong !== undefined)
      return isLinked ? tampered("changed_head", { from: wrong.from, to: wrong.to }) : exactly("changed_entry", size - 1);
    if (!isLinked) return tampered("changed_head", { from: Math.max(0, size - 1), to: size });
    return longest !== undefined && longest.size > size ? exactly("truncated", size) : undefined;
  }

  async #beyond(log: Log): Promise<Finding | undefined> {
    const size = this.frontier.size;
    const [entry] = await log.read(this.logId, size, 1);
    // Unless the log has grown meanwhile.
    return entry === undefined || (await log.head(this.logId)).size > size ? undefined : exactly("unrecorded_entry", size);
  }

  async #take(entry: StoredLogEntry, log: Log): Promise<Finding | undefined> {
    const index = this.frontier.size;
    if (entry.index !== index) return exactly("missing_entry", index);
    const read = readEntry(entry.bytes);
    const event = read === undefined ? undefined : readEvent(read.json);
    if (read === undefined || event === undefined) return exactly("malformed_entry", index);
    if (read.place.log !== this.logId) return exactly("foreign_entry", index);
    if (read.place.index !== index) return exactly("moved_entry", index);
    if (read.place.previous !== this.#link)
      return exactly("changed_entry", (await this.#isOnlyLinkChanged(entry, log)) ? index : Math.max(0, index - 1));
    const columns = columnsOf(event);
    const isSame =
      entry.key === event.id && (Object.keys(columns) as (keyof typeof columns)[]).every((name) => entry[name] === columns[name]); // the keys of columns
    if (!isSame) return exactly("changed_columns", index);
    if (this.#before !== undefined && entry.at < this.#before.at) this.clockSteps += 1;
    this.#before = entry;
    this.#link = linkTo(entry.bytes);
    this.frontier.push(leafHash(entry.bytes));
    return undefined;
  }

  /**
   * A link that does not fit has two possible causes: the entry before was changed, or the link. If putting the right link in gives
   * the entry that its successor was written after, it was the link.
   */
  async #isOnlyLinkChanged(entry: StoredLogEntry, log: Log): Promise<boolean> {
    if (entry.index === 0) return true;
    const repaired = linkTo(withPrevious(entry.bytes, this.#link));
    const [next] = await log.read(this.logId, entry.index + 1, 1);
    const following = next === undefined ? readHead(await log.head(this.logId)).previous : readEntry(next.bytes)?.place.previous;
    return following === repaired;
  }

  /** Every checkpoint of this size must state this root. */
  #contradiction(): Finding | undefined {
    const size = this.frontier.size;
    const here = this.#pinned.filter((pinned) => pinned.size === size);
    if (here.length === 0) return undefined;
    const root = this.frontier.root();
    const from = this.#provenTo;
    this.#provenTo = size;
    return here.every((pinned) => pinned.root.equals(root)) ? undefined : tampered("contradicts_checkpoint", { from, to: size });
  }
}

function openPinned(
  logId: string,
  { expectedCheckpoint = [], verifierKeys }: VerifyOptions & { readonly verifierKeys: readonly string[] },
): readonly Pinned[] | { readonly reason: UndecidedReason } {
  const pinned: Pinned[] = [];
  for (const note of typeof expectedCheckpoint === "string" ? [expectedCheckpoint] : expectedCheckpoint) {
    try {
      const { origin, size, root } = openCheckpoint(note, verifierKeys);
      if (origin !== logId) return { reason: "checkpoint_of_another_log" };
      pinned.push({ size, root });
    } catch (error) {
      const reason = error instanceof AuditError ? UNDECIDED[error.code] : undefined;
      if (reason === undefined) throw error;
      return { reason };
    }
  }
  return pinned;
}

const UNDECIDED: Readonly<Partial<Record<AuditError["code"], UndecidedReason>>> = Object.freeze({
  malformed_note: "checkpoint_malformed",
  untrusted_note: "checkpoint_untrusted",
  bad_signature: "checkpoint_bad_signature",
});

async function openStored({ checkpoints, logId }: VerifySource, verifierKeys: readonly string[]): Promise<readonly Pinned[] | Finding> {
  const found: Pinned[] = [];
  try {
    for await (const { note } of checkpoints.stored()) {
      try {
        const { origin, size, root } = openCheckpoint(note, verifierKeys);
        if (origin !== logId) return tampered("changed_checkpoint", { from: 0, to: size });
        found.push({ size, root });
      } catch (error) {
        // Signed by a key that is trusted no more, or by none that was named: no evidence either way.
        if (!(error instanceof AuditError && error.code === "untrusted_note")) throw error;
      }
    }
  } catch (error) {
    if (error instanceof AuditError) return tampered("changed_checkpoint", { from: 0, to: found.at(-1)?.size ?? 0 });
    throw error;
  }
  return found;
}

function readHeadIfWhole(head: LogHead): TreeHead | undefined {
  try {
    return readHead(head);
  } catch (error) {
    if (error instanceof AuditError) return undefined;
    throw error;
  }
}

/** A signed root says that something before it is wrong; a link that says exactly what, before that root, is the better finding. */
function earlier(contradiction: Finding | undefined, finding: Finding | undefined): Finding | undefined {
  if (contradiction === undefined) return finding;
  return finding?.firstBad !== undefined && finding.firstBad < contradiction.within.to ? finding : contradiction;
}

function exactly(reason: TamperReason, index: number): Finding {
  return { reason, firstBad: index, within: { from: index, to: index + 1 } };
}

function tampered(reason: TamperReason, within: LeafRange): Finding {
  return { reason, firstBad: undefined, within };
}
