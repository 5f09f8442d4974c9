import { type Clock, DuplicateLogKey, type Log, type LogBatch, type LogEntry, type LogHead } from "@portcullis/core";
import { AuditError } from "./errors.js";
import type { AuditEvent } from "./event/audit-event.js";
import { leafHash } from "./tree/merkle.js";
import { readHead, sealEntry, writeHead } from "./tree/log-entry.js";

/** Where an event went. */
export interface AuditReceipt {
  readonly id: string;
  /** Place in the log; `undefined` when an event with this id had been recorded before. */
  readonly index: number | undefined;
}

/** An event on its way, serialised already. */
export interface PendingEvent {
  readonly event: AuditEvent;
  /** JSON of the event. */
  readonly body: string;
}

/** What the queue needs to know. */
export interface AppendQueueOptions {
  readonly log: Log;
  readonly logId: string;
  readonly clock: Clock;
  readonly maxQueued: number;
  readonly maxBatch: number;
  /** Told of the number of waiting events whenever it changes. */
  readonly onDepth: (depth: number) => void;
  readonly onAppended: (durationMs: number) => void;
}

interface Waiting extends PendingEvent {
  readonly resolve: (receipt: AuditReceipt) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: what is appended while one transaction runs goes into the next one together. One transaction at a time leaves
 * the process; the store orders the processes.
 */
export class AppendQueue {
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(private readonly options: AppendQueueOptions) {}

  /** Resolves when the event is as durable as the store makes it. @throws {AuditError} `queue_full`. @throws {StoreUnavailable} */
  append(pending: PendingEvent): Promise<AuditReceipt> {
    if (this.#waiting.length >= this.options.maxQueued) {
      return Promise.reject(
        new AuditError(
          "queue_full",
          `${this.options.maxQueued} events wait for the store already; this one was not recorded. Slow down, or raise maxQueued.`,
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...pending, resolve, reject });
      this.options.onDepth(this.#waiting.length);
      // A microtask later, so that what one tick appends shares a transaction.
      this.#running ??= Promise.resolve().then(() => this.#run());
    });
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.options.maxBatch);
      this.options.onDepth(this.#waiting.length);
      await this.#commit(batch);
    }
    this.#running = undefined;
  }

  /** Never rejects: every event of the batch is resolved or rejected itself. */
  async #commit(batch: readonly Waiting[]): Promise<void> {
    const { log, logId, clock, onAppended } = this.options;
    const [first, repeated] = firstOfEachId(batch);
    let left = first;
    while (left.length > 0) {
      let start = 0;
      const startedAt = clock.monotonic();
      try {
        const entries = left;
        await log.append(logId, (head) => {
          start = head.size;
          return buildBatch(logId, head, entries);
        });
        onAppended(clock.monotonic() - startedAt);
        left.forEach(({ event, resolve }, offset) => resolve({ id: event.id, index: start + offset }));
        left = [];
      } catch (error) {
        const known = error instanceof DuplicateLogKey ? left.find(({ event }) => event.id === error.key) : undefined;
        if (known === undefined) {
          for (const { reject } of [...left, ...repeated]) reject(error);
          return;
        }
        // Recorded before; the rest of the batch is not to suffer for it.
        known.resolve({ id: known.event.id, index: undefined });
        left = left.filter((waiting) => waiting !== known);
      }
    }
    for (const { event, resolve } of repeated) resolve({ id: event.id, index: undefined });
  }
}

/** Pure: the store may ask again with another head. */
function buildBatch(logId: string, head: LogHead, pending: readonly PendingEvent[]): LogBatch {
  const { frontier, previous } = readHead(head);
  let link = previous;
  const entries = pending.map(({ event, body }): LogEntry => {
    const bytes = sealEntry(body, { log: logId, index: frontier.size, previous: link });
    const leaf = leafHash(bytes);
    frontier.push(leaf);
    link = leaf.toString("base64url");
    return { key: event.id, bytes, ...columnsOf(event) };
  });
  return { entries, frontier: writeHead({ frontier, previous: link }) };
}

/** What the store searches by; `verify` compares it with the bytes. */
export function columnsOf(event: AuditEvent): Omit<LogEntry, "key" | "bytes"> {
  const { at, category, actor, action, workspaceId = "" } = event;
  return { at, category, actor: actor.id, action, workspaceId };
}

function firstOfEachId(batch: readonly Waiting[]): readonly [first: readonly Waiting[], repeated: readonly Waiting[]] {
  const seen = new Set<string>();
  const first: Waiting[] = [];
  const repeated: Waiting[] = [];
  for (const waiting of batch) {
    (seen.has(waiting.event.id) ? repeated : first).push(waiting);
    seen.add(waiting.event.id);
  }
  return [first, repeated];
}
