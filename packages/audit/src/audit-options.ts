import { type Clock, ConfigurationError, invalidOption, type Metrics, noMetrics, type StoreWith, systemClock } from "@portcullis/core";
import type { AuditLogEvent } from "./audit-log-event.js";
import { type IsSecretName, type RedactOptions, secretNames } from "./event/secret-names.js";
import type { Signer } from "./tree/signed-note.js";

/** How to keep the audit log. */
export interface AuditOptions {
  readonly store: StoreWith<"log">;
  /** Name of the log in the store, in every entry and in every checkpoint, e.g. `example.com/audit`: 1 to 128 letters, digits, `.`, `_`, `-`, `/`, `:`. */
  readonly name: string;
  /** Signs checkpoints; several while a key is being replaced: each signs. Without one there are no checkpoints. */
  readonly signer?: Signer | readonly Signer[];
  /** What is secret beside passwords, tokens, keys, cookies and their like. */
  readonly redact?: RedactOptions;
  /** Events that may wait for the store; more are refused with `queue_full`. Default 10,000. */
  readonly maxQueued?: number;
  /** Events in one transaction. Default 256. */
  readonly maxBatch?: number;
  readonly clock?: Clock;
  readonly metrics?: Metrics;
  readonly onEvent?: (event: AuditLogEvent) => void;
}

/** The options, complete. */
export interface AuditSettings {
  readonly store: StoreWith<"log">;
  readonly name: string;
  readonly signers: readonly Signer[];
  readonly isSecretName: IsSecretName;
  readonly maxQueued: number;
  readonly maxBatch: number;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly onEvent: ((event: AuditLogEvent) => void) | undefined;
}

const LOG_NAME = /^[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}$/;
const DEFAULTS = Object.freeze({ maxQueued: 10_000, maxBatch: 256 });
const NAMES = new Set(["store", "name", "signer", "redact", "maxQueued", "maxBatch", "clock", "metrics", "onEvent"]);

/** Checks and copies the options. @throws {ConfigurationError} `invalid_option`. */
export function readAuditOptions(options: AuditOptions): AuditSettings {
  const unknown = Object.keys(options).find((name) => !NAMES.has(name));
  if (unknown !== undefined) throw new ConfigurationError("invalid_option", `createAudit has no option "${unknown.slice(0, 64)}".`);
  const { store, name, signer = [], redact, clock = systemClock, metrics = noMetrics, onEvent } = options;
  if (typeof store?.log?.append !== "function") throw invalidOption("store", store, "a store with the port log");
  if (typeof name !== "string" || !LOG_NAME.test(name))
    throw invalidOption("name", name, "1 to 128 letters, digits and ._/:-, e.g. example.com/audit");
  const signers = Object.freeze("sign" in signer ? [signer] : [...signer]);
  if (signers.length > 4) throw invalidOption("signer", signers, "at most 4 signers");
  return Object.freeze({
    store,
    name,
    signers,
    isSecretName: secretNames(redact),
    maxQueued: within("maxQueued", options.maxQueued ?? DEFAULTS.maxQueued, 1_000_000),
    maxBatch: within("maxBatch", options.maxBatch ?? DEFAULTS.maxBatch, 10_000),
    clock,
    metrics,
    onEvent,
  });
}

function within(option: string, value: number, most: number): number {
  if (!Number.isInteger(value) || value < 1 || value > most) throw invalidOption(option, value, `an integer of 1 to ${most}`);
  return value;
}
