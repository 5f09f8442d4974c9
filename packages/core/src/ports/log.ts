import type { MaybePromise } from "../guard/guard.js";

/** The end of a log: how many entries it has and the hashes that summarise them. A log never written has size 0 and an empty frontier. */
export interface LogHead {
  readonly size: number;
  /** Opaque to the store; of the audit package the Merkle tree's frontier. */
  readonly frontier: Uint8Array;
}

/** One entry: bytes that are hashed as they are stored, and columns to search by. */
export interface LogEntry {
  /** Unique within its log: appending a key again is refused as a whole. */
  readonly key: string;
  readonly bytes: Uint8Array;
  /** Epoch ms, data of the event. */
  readonly at: number;
  readonly category: string;
  readonly actor: string;
  readonly action: string;
  readonly workspaceId: string;
}

/** An entry with its place: 0, 1, 2 … without a gap. */
export interface StoredLogEntry extends LogEntry {
  readonly index: number;
}

/** What `append` adds: the entries and the head after them. */
export interface LogBatch {
  readonly entries: readonly LogEntry[];
  readonly frontier: Uint8Array;
}

/** Every given member must hold. Instants are half-open: `from <= at < to`. */
export interface LogFilter {
  readonly from?: number;
  readonly to?: number;
  readonly category?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly workspaceId?: string;
}

/** Append-only logs, gap-free under any number of writers. Durable when `append` resolves (as the store's settings say). */
export interface Log {
  /**
   * Appends in one transaction: reads the head, asks `build` for the batch, stores entries and new head together.
   * Appends to one log are serialised, across processes too.
   *
   * @param build Pure and synchronous; asked again when the transaction is retried. When it throws, nothing is stored and the error is passed on.
   * @returns the head after it.
   * @throws {DuplicateLogKey} A key exists already; nothing was stored.
   * @throws {StoreUnavailable}
   */
  append(log: string, build: (head: LogHead) => LogBatch): MaybePromise<LogHead>;
  head(log: string): MaybePromise<LogHead>;
  /** Entries in order of index, from `fromIndex` on, at most `limit`. */
  read(log: string, fromIndex: number, limit: number, filter?: LogFilter): MaybePromise<readonly StoredLogEntry[]>;
}
