import { type Clock, invalidOption, type Metrics, type StoreWith } from "@portcullis/core";
import type { RetryOptions } from "./delivery/retry.js";
import type { EgressOptions } from "./egress/egress-rules.js";
import type { OpenSecret, SealSecret } from "./endpoint/endpoints.js";
import type { EventCatalogue } from "./event-catalogue.js";
import type { WebhookEvent } from "./webhook-event.js";

/** Options of `createWebhooks`. */
export interface WebhooksOptions<Events extends EventCatalogue = EventCatalogue> {
  readonly store: StoreWith<"outbox" | "records">;
  /** The events that there are; without it any type and any JSON is sent. */
  readonly events?: Events;
  /** Encrypts a signing secret for the store. No default: to keep secrets readable in the store, say so with `(secret) => secret`. */
  readonly sealSecret: SealSecret;
  readonly openSecret: OpenSecret;
  /** What may be called: public addresses over https unless it says otherwise. */
  readonly egress?: EgressOptions;
  readonly retry?: RetryOptions;
  /** Over connecting, headers and body of one attempt. 1,000 to 300,000; default 30 s. */
  readonly timeoutMs?: number;
  /** How long a worker holds a delivery; at least `timeoutMs` + 10 s, the default `timeoutMs` + 15 s. */
  readonly leaseMs?: number;
  /** Attempts at once in this process; 1 to 1,000, default 32. */
  readonly concurrency?: number;
  /** Attempts at once to one endpoint, over all processes; 1 to 100, default 4. */
  readonly perEndpoint?: number;
  /** How late an idle worker may notice what another process published; 100 to 60,000, default 1 s. */
  readonly pollMs?: number;
  /** Workers that may die over one delivery before it is dead-lettered; default 5. */
  readonly maxReclaims?: number;
  /** Longest message; default 256 KiB. */
  readonly maxPayloadBytes?: number;
  /** Default 100. */
  readonly maxEndpointsPerWorkspace?: number;
  readonly clock?: Clock;
  /** Cryptographically secure bytes, for ids, secrets and jitter. Default: the system's. */
  readonly random?: (size: number) => Uint8Array;
  readonly metrics?: Metrics;
  /** What it throws, or rejects with, is dropped. */
  readonly onEvent?: (event: WebhookEvent) => void;
}

/** The numbers among the options, checked and with defaults filled in. */
export type WebhookNumbers = { readonly [Name in keyof typeof DEFAULTS | "leaseMs"]: number };

const DEFAULTS = Object.freeze({
  timeoutMs: 30_000,
  concurrency: 32,
  perEndpoint: 4,
  pollMs: 1_000,
  maxReclaims: 5,
  maxPayloadBytes: 262_144,
  maxEndpointsPerWorkspace: 100,
});
const RANGES = Object.freeze({
  timeoutMs: [1_000, 300_000],
  concurrency: [1, 1_000],
  perEndpoint: [1, 100],
  pollMs: [100, 60_000],
  maxReclaims: [0, 1_000],
  maxPayloadBytes: [1, 16_777_216],
  maxEndpointsPerWorkspace: [1, 10_000],
} as const);
const LEASE_MARGIN_MS = 10_000;
const DEFAULT_LEASE_MARGIN_MS = 15_000;
/** @throws {ConfigurationError} `invalid_option`. */
export function readNumbers(options: Pick<WebhooksOptions, keyof WebhookNumbers>): WebhookNumbers {
  const read = (name: keyof typeof DEFAULTS): number => {
    const value = options[name] ?? DEFAULTS[name];
    const [least, most] = RANGES[name];
    if (!Number.isInteger(value) || value < least || value > most) throw invalidOption(name, value, `a whole number, ${least} to ${most}`);
    return value;
  };
  const timeoutMs = read("timeoutMs");
  const leaseMs = options.leaseMs ?? timeoutMs + DEFAULT_LEASE_MARGIN_MS;
  // A lease that ends during an attempt lets a second worker send the same while the first still does.
  if (!(leaseMs >= timeoutMs + LEASE_MARGIN_MS && Number.isFinite(leaseMs))) {
    throw invalidOption("leaseMs", leaseMs, `at least timeoutMs + ${LEASE_MARGIN_MS}`);
  }
  return Object.freeze({
    timeoutMs,
    leaseMs,
    concurrency: read("concurrency"),
    perEndpoint: read("perEndpoint"),
    pollMs: read("pollMs"),
    maxReclaims: read("maxReclaims"),
    maxPayloadBytes: read("maxPayloadBytes"),
    maxEndpointsPerWorkspace: read("maxEndpointsPerWorkspace"),
  });
}
