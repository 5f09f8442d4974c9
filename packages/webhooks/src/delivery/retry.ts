import { invalidOption } from "@portcullis/core";
import type { SendResult } from "./send.js";

/** When a delivery is tried again. */
export interface RetryOptions {
  /** After the first attempt; 0 to 100. Default 5. */
  readonly retries?: number;
  /** Nominal delay before the first retry; it doubles with each. Default 1 s: attempts at about 0, 1, 3, 7, 15, 31 s. */
  readonly baseMs?: number;
  /** Longest nominal delay. Default 300 s. */
  readonly capMs?: number;
  /** Most that a receiver can ask for with `Retry-After`. Default 1 h. */
  readonly maxRetryAfterMs?: number;
  /** Whether a 4xx other than 408, 410, 425 and 429 is final. Default `false`: a deployment that breaks a route gets mended. */
  readonly permanent4xx?: boolean;
}

/** What follows from one attempt. */
export type Consequence =
  | { readonly status: "DELIVERED" }
  | { readonly status: "RETRYING"; readonly error: string; readonly delayMs: number }
  | { readonly status: "DEAD_LETTERED"; readonly error: string; readonly disables?: string };

const DEFAULTS = Object.freeze({ retries: 5, baseMs: 1_000, capMs: 300_000, maxRetryAfterMs: 3_600_000, permanent4xx: false });
const RETRYABLE_4XX = new Set([408, 425, 429]);

/** A validated frozen copy. @throws {ConfigurationError} `invalid_option`. */
export function readRetryOptions(given: RetryOptions = {}): Required<RetryOptions> {
  const options = { ...DEFAULTS, ...given };
  const { retries, baseMs, capMs, maxRetryAfterMs } = options;
  if (!Number.isInteger(retries) || retries < 0 || retries > 100) throw invalidOption("retry.retries", retries, "0 to 100");
  if (!(baseMs >= 1 && baseMs <= capMs && Number.isFinite(capMs))) throw invalidOption("retry.baseMs", baseMs, "1 to capMs");
  if (!(maxRetryAfterMs >= 0 && Number.isFinite(maxRetryAfterMs)))
    throw invalidOption("retry.maxRetryAfterMs", maxRetryAfterMs, "0 or more");
  return Object.freeze(options);
}

/**
 * Delay before the attempt after `attempt`: exponential, with equal jitter (half of it fixed, half random).
 *
 * @param attempt 1 for the first.
 * @param random 0 to 1.
 */
export function backoffMs({ baseMs, capMs }: Required<RetryOptions>, attempt: number, random: number): number {
  // 2 ** 40 is above every cap: no overflow at attempt 10,000.
  const nominalMs = Math.min(capMs, baseMs * 2 ** Math.min(attempt - 1, 40));
  return Math.round(nominalMs * (0.5 + random / 2));
}

/** Decides by the status line alone; see the table in the README. */
export function consequenceOf(result: SendResult, attempt: number, options: Required<RetryOptions>, random: number): Consequence {
  if (result.kind === "blocked") return { status: "DEAD_LETTERED", error: "egress_blocked" };
  const error = result.kind === "response" ? `http_${result.status}` : result.error;
  const retryAfterMs = result.kind === "response" ? Math.min(result.retryAfterMs ?? 0, options.maxRetryAfterMs) : 0;
  if (result.kind === "response") {
    const { status, directive } = result;
    if (status >= 200 && status < 300) return { status: "DELIVERED" };
    if (status === 410) return { status: "DEAD_LETTERED", error, disables: "gone" };
    if (directive === "disable") return { status: "DEAD_LETTERED", error, disables: "receiver_disabled" };
    const isFinal4xx = options.permanent4xx && status >= 400 && status < 500 && !RETRYABLE_4XX.has(status);
    if (directive === "abort-message" || isFinal4xx) return { status: "DEAD_LETTERED", error };
  }
  if (attempt > options.retries) return { status: "DEAD_LETTERED", error };
  return { status: "RETRYING", error, delayMs: Math.max(backoffMs(options, attempt, random), retryAfterMs) };
}

/**
 * Reads `Retry-After` (RFC 9110 §10.2.3): seconds or a date. `undefined` for anything else.
 *
 * @param date The response's `Date`: a date is taken relative to the receiver's own clock where it tells it.
 */
export function parseRetryAfterMs(value: string | undefined, date: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,10}(?:\.\d{1,3})?$/.test(value)) return Math.ceil(Number(value) * 1000);
  // Not everything Date.parse takes ("1", "2030"): HTTP dates begin with the day's name.
  if (!/^[A-Z][a-z]{2,8},? /.test(value)) return undefined;
  const at = Date.parse(value);
  const base = date === undefined || Number.isNaN(Date.parse(date)) ? now : Date.parse(date);
  return Number.isNaN(at) ? undefined : Math.max(0, at - base);
}
