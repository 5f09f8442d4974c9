import { quietly as droppingFaults } from "@portcullis/core";
import { type AuditReceipt, AppendQueue } from "./append-queue.js";
import { type AuditOptions, type AuditSettings, readAuditOptions } from "./audit-options.js";
import type { AuditLogEvent } from "./audit-log-event.js";
import { auditRecords, type AuditRecords } from "./audit-records.js";
import { AuditError } from "./errors.js";
import { AUDIT_CATEGORIES, AUDIT_OUTCOMES, type AuditCategory, type AuditEvent, type AuditEventInput } from "./event/audit-event.js";
import { prepareEvent, readEvent, serialiseEvent } from "./event/prepare-event.js";
import { type ExportFormat, type OpenExport, openExport } from "./export/export-log.js";
import { type Checkpoint, CheckpointBook } from "./tree/checkpoint-book.js";
import { readEntry, readHead } from "./tree/log-entry.js";
import { type ConsistencyProof, type InclusionProof, proveConsistency, proveInclusion } from "./tree/prove.js";
import { type AuditVerdict, verifyLog, type VerifyOptions } from "./tree/verify-log.js";

/** Which events; every given member must hold. Instants are epoch ms and half-open: `from <= at < to`. */
export interface AuditFilter {
  readonly from?: number;
  readonly to?: number;
  readonly category?: AuditCategory;
  /** The actor's id. */
  readonly actor?: string;
  readonly action?: string;
  readonly workspaceId?: string;
}

/** A recorded event. */
export interface AuditEntry {
  readonly index: number;
  readonly event: AuditEvent;
}

/** Part of the log. */
export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  /** Where the next page begins; `undefined` on the last one. */
  readonly nextIndex: number | undefined;
}

/** A tamper-evident log of what happened. */
export interface Audit extends AuditRecords {
  readonly name: string;
  /** Verifier keys of the signers: what others need to check checkpoints. */
  readonly verifierKeys: readonly string[];
  /**
   * Records an event; resolves when it is as durable as the store makes it. Events of one tick, and those that wait for the
   * store, share a transaction.
   *
   * @throws {AuditError} `invalid_event`, `queue_full`, `log_corrupt`: nothing was recorded.
   * @throws {StoreUnavailable} Whether it was recorded is unknown; append it again under the same id.
   */
  append(event: AuditEventInput): Promise<AuditReceipt>;
  /** Resolves when nothing waits for the store any more; call it before the process ends. */
  flush(): Promise<void>;
  /** Size and root of the log now, as the log itself keeps them. */
  head(): Promise<{ readonly size: number; readonly root: string }>;
  /** Events in order of recording. @param page `fromIndex` default 0; `limit` 1 to 1,000, default 50. */
  query(filter?: AuditFilter, page?: { readonly fromIndex?: number; readonly limit?: number }): Promise<AuditPage>;
  /** Signs the log's size and root; of an unchanged log the same checkpoint. @throws {AuditError} `no_signer`, `inconsistent_checkpoint`. */
  checkpoint(): Promise<Checkpoint>;
  /** Recomputes the tree from the stored bytes. Reads the whole log. */
  verify(options?: VerifyOptions): Promise<AuditVerdict>;
  /** Proof that an entry is in the log. Reads the whole log. @throws {AuditError} `out_of_range`, `log_corrupt`. */
  proveInclusion(index: number, treeSize?: number): Promise<InclusionProof>;
  /** Proof that the log of the first size is how the log of the second begins. Reads the whole log. @throws {AuditError} `out_of_range`, `log_corrupt`. */
  proveConsistency(fromSize: number, toSize?: number): Promise<ConsistencyProof>;
  /** Opens an export, for its header before its lines. @param treeSize Export the log as it was then, to get the same bytes again. */
  openExport(format: ExportFormat, filter?: AuditFilter, treeSize?: number): Promise<OpenExport>;
  /** One JSON document with a line for each event. */
  exportJson(filter?: AuditFilter, treeSize?: number): AsyncGenerator<string, void, undefined>;
  /** A line for each event, exactly as stored; `verifyExport` checks it without the log. */
  exportNdjson(filter?: AuditFilter, treeSize?: number): AsyncGenerator<string, void, undefined>;
  /** For spreadsheets: text that they would run is made harmless, so that this is no evidence. */
  exportCsv(filter?: AuditFilter, treeSize?: number): AsyncGenerator<string, void, undefined>;
}

/**
 * Makes an audit log in a store.
 *
 * @throws {ConfigurationError} `invalid_option`.
 * @example
 * ```ts
 * import { createMemoryStore } from "@portcullis/core";
 * import { createAudit, createSigner, generateSigningSeed } from "@portcullis/audit";
 *
 * const signer = createSigner({ name: "example.com/audit", seed: generateSigningSeed() });
 * const audit = createAudit({ store: createMemoryStore(), name: "example.com/audit", signer });
 *
 * await audit.login({ actor: { type: "user", id: "ada" }, ip: "192.0.2.7" });
 * await audit.data("update", { actor: { type: "user", id: "ada" }, target: { type: "workflow", id: "w1" }, details: { password: "hunter2" } });
 *
 * const { note } = await audit.checkpoint(); // keep it where the database's administrator cannot write
 * const verdict = await audit.verify({ expectedCheckpoint: note });
 * console.log(verdict.verdict, verdict.size); // intact 2
 * ```
 */
export function createAudit(options: AuditOptions): Audit {
  const settings = readAuditOptions(options);
  const { store, name, signers, clock } = settings;
  const { log } = store;
  const instruments = createInstruments(settings);
  const checkpoints = new CheckpointBook(log, name, signers);
  const verifierKeys = Object.freeze(signers.map(({ verifierKey }) => verifierKey));
  const queue = new AppendQueue({ log, logId: name, clock, maxQueued: settings.maxQueued, maxBatch: settings.maxBatch, ...instruments });

  async function append(input: AuditEventInput): Promise<AuditReceipt> {
    try {
      const event = prepare(input, settings);
      const receipt = await queue.append({ event, body: serialiseEvent(event) });
      instruments.recorded(event, receipt);
      return receipt;
    } catch (error) {
      instruments.failed(input, error);
      throw error;
    }
  }

  const exportAs = (format: ExportFormat) =>
    async function* (filter: AuditFilter = {}, treeSize?: number): AsyncGenerator<string, void, undefined> {
      yield* (await openExport({ log, logId: name, filter, treeSize }, format)).chunks;
    };

  return Object.freeze({
    name,
    verifierKeys,
    append,
    ...auditRecords(append),
    flush: () => queue.idle(),
    async head() {
      const head = await log.head(name);
      return Object.freeze({ size: head.size, root: readHead(head).frontier.root().toString("base64") });
    },
    async query(filter: AuditFilter = {}, { fromIndex = 0, limit = 50 }: { readonly fromIndex?: number; readonly limit?: number } = {}) {
      if (!Number.isSafeInteger(fromIndex) || fromIndex < 0) throw outOfRange("fromIndex must be an integer of 0 and up");
      if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw outOfRange("limit must be an integer of 1 to 1,000");
      // One more than asked for: it says whether there is a next page.
      const found = await log.read(name, fromIndex, limit + 1, filter);
      const entries = found.slice(0, limit).map(({ index, bytes }): AuditEntry => {
        const event = readEvent(readEntry(bytes)?.json);
        if (event === undefined)
          throw new AuditError("log_corrupt", `Entry ${index} of the audit log is not readable. Run verify, and restore the log.`);
        return Object.freeze({ index, event: Object.freeze(event) });
      });
      return Object.freeze({ entries: Object.freeze(entries), nextIndex: found[limit]?.index });
    },
    async checkpoint() {
      const checkpoint = await checkpoints.sign();
      instruments.signed(checkpoint);
      return checkpoint;
    },
    async verify(given: VerifyOptions = {}) {
      const verdict = await verifyLog({ log, logId: name, checkpoints }, { ...given, verifierKeys: given.verifierKeys ?? verifierKeys });
      if (verdict.verdict !== "intact") instruments.emit({ kind: "verification_failed", verdict });
      return verdict;
    },
    proveInclusion: (index: number, treeSize?: number) => proveInclusion(log, name, index, treeSize),
    proveConsistency: (fromSize: number, toSize?: number) => proveConsistency(log, name, fromSize, toSize),
    openExport: (format: ExportFormat, filter: AuditFilter = {}, treeSize?: number) =>
      openExport({ log, logId: name, filter, treeSize }, format),
    exportJson: exportAs("json"),
    exportNdjson: exportAs("ndjson"),
    exportCsv: exportAs("csv"),
  });
}

function prepare(input: AuditEventInput, { clock, isSecretName }: AuditSettings): AuditEvent {
  try {
    return prepareEvent(input, { now: () => clock.now(), isSecretName });
  } catch (error) {
    if (error instanceof AuditError) throw error;
    // A getter of the event itself threw. Its error may hold anything: it is not passed on.
    throw new AuditError("invalid_event", "The event cannot be recorded: it cannot be read.");
  }
}

function outOfRange(what: string): AuditError {
  return new AuditError("out_of_range", `${what}.`);
}

/** What the log tells of itself. Observers cannot change a result: what they throw is dropped. */
function createInstruments({ metrics, clock, onEvent }: AuditSettings) {
  const events = metrics.counter({ name: "audit_events_total", help: "Events recorded.", labelNames: ["category", "outcome"] });
  const failures = metrics.counter({
    name: "audit_append_failures_total",
    help: "Events that could not be recorded.",
    labelNames: ["category"],
  });
  const seconds = metrics.histogram({
    name: "audit_append_seconds",
    help: "Duration of one append to the store.",
    buckets: [1e-4, 1e-3, 5e-3, 2.5e-2, 0.1, 0.5, 2.5],
  });
  const depth = metrics.gauge({ name: "audit_queue_depth", help: "Events that wait for the store." });
  const age = metrics.gauge({ name: "audit_checkpoint_age_seconds", help: "Since the last checkpoint, at the time of the last event." });
  let signedAt: number | undefined;

  // Core's takes what an observer rejects with, too: a promise passes for nothing.
  const quietly = (observe: () => void): void => droppingFaults(observe)(undefined);
  const emit = (event: AuditLogEvent): void => quietly(() => onEvent?.(event));
  return {
    emit,
    onDepth: (waiting: number) => quietly(() => depth.set(waiting)),
    onAppended: (durationMs: number) => quietly(() => seconds.observe(durationMs / 1000)),
    recorded({ category, outcome, id }: AuditEvent, { index }: AuditReceipt) {
      if (index === undefined) return emit({ kind: "duplicate_event", id });
      quietly(() => {
        events.add({ category, outcome });
        if (signedAt !== undefined) age.set((clock.monotonic() - signedAt) / 1000);
      });
    },
    failed(input: AuditEventInput, error: unknown) {
      quietly(() => {
        const { category, action, outcome } = input;
        // Of an event that is wrong, what it says is not a label yet.
        const isKnown = AUDIT_CATEGORIES.includes(category) && AUDIT_OUTCOMES.includes(outcome);
        failures.add({ category: isKnown ? category : "invalid" });
        if (isKnown) emit({ kind: "append_failed", category, action: action.slice(0, 128), error: codeOf(error) });
      });
    },
    signed({ size, root }: Checkpoint) {
      signedAt = clock.monotonic();
      quietly(() => age.set(0));
      emit({ kind: "checkpoint_signed", size, root });
    },
  };
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
