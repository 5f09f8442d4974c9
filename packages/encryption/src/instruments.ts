import { type Clock, type Counter, type Histogram, type Labels, type Metrics, quietly } from "@portcullis/core";
import { EncryptionError } from "./errors.js";

/** What happened; feed it into audit and logs. Never holds a value or a key. */
export type EncryptionEvent =
  | {
      /** A sensitive field was read that is not encrypted (policies off, write and migrate). */
      readonly kind: "plaintext_read";
      readonly table: string;
      readonly pointer: string;
    }
  | {
      /** A key has made as many envelopes in this process as `limits.maxMessagesPerKey` allows. Rotate it. */
      readonly kind: "message_limit_reached";
      readonly keyId: string;
      readonly messages: number;
    };

/** What is done with a value; bounded, as a metric label must be. */
export type Operation = "encrypt" | "decrypt" | "encrypt_fields" | "decrypt_fields";

/** What an encryption tells of itself. Observers cannot change a result: what they throw is dropped. */
export class Instruments {
  readonly #operations: Counter;
  readonly #latency: Histogram;
  readonly #errors: Counter;
  readonly #plaintextReads: Counter;
  readonly #messages: Counter;
  readonly #keyLabels = new Map<string, Labels>();

  constructor(
    metrics: Metrics,
    private readonly clock: Clock,
    private readonly onEvent: ((event: EncryptionEvent) => void) | undefined,
  ) {
    this.#operations = metrics.counter({
      name: "encryption_operations_total",
      help: "Operations done.",
      labelNames: ["operation", "store"],
    });
    this.#latency = metrics.histogram({
      name: "encryption_operation_latency_seconds",
      help: "Duration of an operation.",
      labelNames: ["operation"],
      buckets: [5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 1e-2],
    });
    this.#errors = metrics.counter({
      name: "encryption_errors_total",
      help: "Operations failed.",
      labelNames: ["operation", "error_type"],
    });
    this.#plaintextReads = metrics.counter({
      name: "encryption_plaintext_reads_total",
      help: "Sensitive fields read that were not encrypted.",
    });
    this.#messages = metrics.counter({ name: "encryption_messages_total", help: "Envelopes made.", labelNames: ["kid"] });
  }

  /** Runs one operation, timed and counted. @param store Name of the encrypted store; "" outside of one. */
  measure<T>(operation: Operation, store: string, run: () => T): T {
    const startedAt = this.clock.monotonic();
    try {
      const result = run();
      this.#quietly(() => {
        this.#operations.add({ operation, store });
        this.#latency.observe((this.clock.monotonic() - startedAt) / 1000, { operation });
      });
      return result;
    } catch (error) {
      this.failed(operation, error);
      throw error;
    }
  }

  failed(operation: Operation, error: unknown): void {
    if (error instanceof EncryptionError) this.#quietly(() => this.#errors.add({ operation, error_type: error.code }));
  }

  message(keyId: string): void {
    this.#quietly(() => {
      const labels = this.#keyLabels.get(keyId) ?? Object.freeze({ kid: keyId });
      this.#keyLabels.set(keyId, labels);
      this.#messages.add(labels);
    });
  }

  plaintextRead(table: string, pointer: string): void {
    this.#quietly(() => this.#plaintextReads.add());
    this.emit({ kind: "plaintext_read", table, pointer });
  }

  emit(event: EncryptionEvent): void {
    this.#quietly(() => this.onEvent?.(event));
  }

  #quietly(observe: () => void): void {
    // Takes what an observer rejects with, too: a promise passes for nothing.
    quietly(observe)(undefined);
  }
}
