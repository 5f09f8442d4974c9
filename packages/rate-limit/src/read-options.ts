import { invalidOption } from "@portcullis/core";
import type { OutagePolicy } from "./decision.js";
import type { BatchOptions, RateLimiterOptions } from "./rate-limiter-options.js";
import type { RateLimitHeaders } from "./rate-limit-headers.js";

/** How a limiter works, checked and complete; what it limits is `readPlan`'s. */
export interface CheckedOptions {
  readonly headers: RateLimitHeaders;
  readonly onOutage: OutagePolicy;
  readonly instances: number;
  readonly deadlineMs: number;
  readonly breaker: { readonly failures: number; readonly probeMs: number };
  readonly denials: { readonly maxEntries: number; readonly maxAgeMs: number } | undefined;
  readonly batching: Required<BatchOptions> | undefined;
  readonly retryJitter: number;
}

const DEFAULTS = Object.freeze({
  headers: "draft",
  onOutage: "local",
  instances: 1,
  deadlineMs: 100,
  breaker: Object.freeze({ failures: 5, probeMs: 1_000 }),
  denials: Object.freeze({ maxEntries: 10_000, maxAgeMs: 1_000 }),
  batches: Object.freeze({ fromChecksPerSecond: 50, share: 0.05, holdMs: 250 }),
  retryJitter: 0,
} as const);
/** Every option: one that is misspelt would silently have no effect. */
const NAMES: ReadonlySet<string> = new Set(
  Object.keys({
    ...{
      store: 1,
      floor: 1,
      unauthenticated: 1,
      tiers: 1,
      defaultTier: 1,
      tierOf: 1,
      apiKeys: 1,
      organizations: 1,
      service: 1,
      operations: 1,
    },
    ...{ exclude: 1, allow: 1, deny: 1, shadow: 1, headers: 1, problemTypes: 1, retryJitter: 1, onOutage: 1, deadlineMs: 1, breaker: 1 },
    ...{ instances: 1, denials: 1, batches: 1, metrics: 1, onEvent: 1, clock: 1, random: 1 },
  } satisfies Record<keyof RateLimiterOptions, 1>),
);
const HEADERS = ["draft", "legacy", "both", "none"];
const OUTAGES = ["closed", "open", "local"];

/** @throws {ConfigurationError} `invalid_option` */
export function readOptions(options: RateLimiterOptions): CheckedOptions {
  if (typeof options !== "object" || options === null) throw invalidOption("options", options, "an object with a store and a floor");
  for (const name of Object.keys(options))
    if (!NAMES.has(name)) throw invalidOption(name, Reflect.get(options, name), "absent: no option has this name");
  const { headers = DEFAULTS.headers, onOutage = DEFAULTS.onOutage, instances = DEFAULTS.instances, tierOf, onEvent, random } = options;
  const { deadlineMs = DEFAULTS.deadlineMs, retryJitter = DEFAULTS.retryJitter } = options;
  if (!HEADERS.includes(headers)) throw invalidOption("headers", headers, `one of ${HEADERS.join(", ")}`);
  if (!OUTAGES.includes(onOutage)) throw invalidOption("onOutage", onOutage, `one of ${OUTAGES.join(", ")}`);
  requireInteger("instances", instances, 1, 10_000);
  requireNumber("deadlineMs", deadlineMs, 1, 60_000);
  requireNumber("retryJitter", retryJitter, 0, 1);
  if (typeof options.store?.limits?.consume !== "function") throw invalidOption("store", options.store, "a store with limits");
  for (const [name, callback] of Object.entries({ tierOf, onEvent, random })) {
    if (callback !== undefined && typeof callback !== "function") throw invalidOption(name, callback, "a function");
  }
  const breaker = { ...DEFAULTS.breaker, ...options.breaker };
  requireInteger("breaker.failures", breaker.failures, 1, 1_000);
  requireNumber("breaker.probeMs", breaker.probeMs, 10, 600_000);
  return Object.freeze({
    ...{ headers, onOutage, instances, deadlineMs, breaker, retryJitter },
    denials: readDenials(options.denials),
    batching: readBatches(options.batches),
  });
}

function readDenials(given: RateLimiterOptions["denials"]): CheckedOptions["denials"] {
  if (given === false) return undefined;
  const denials = { ...DEFAULTS.denials, ...given };
  requireInteger("denials.maxEntries", denials.maxEntries, 1, 1_000_000);
  requireNumber("denials.maxAgeMs", denials.maxAgeMs, 1, 60_000);
  return denials;
}

function readBatches(given: RateLimiterOptions["batches"]): CheckedOptions["batching"] {
  if (given === undefined || given === false) return undefined;
  const batches = { ...DEFAULTS.batches, ...(given === true ? {} : given) };
  requireNumber("batches.fromChecksPerSecond", batches.fromChecksPerSecond, 1, 1_000_000);
  requireNumber("batches.share", batches.share, Number.MIN_VALUE, 0.5);
  requireNumber("batches.holdMs", batches.holdMs, 10, 10_000);
  return batches;
}

function requireInteger(option: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) throw invalidOption(option, value, `an integer of ${least} to ${most}`);
}

function requireNumber(option: string, value: number, least: number, most: number): void {
  if (typeof value !== "number" || !(value >= least && value <= most))
    throw invalidOption(option, value, `a number from ${least} to ${most}`);
}
