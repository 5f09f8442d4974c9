import type { HeaderField, HeaderList } from "@portcullis/core";
import type { ConcurrencyReport, LimitReport } from "./decision.js";
import type { Limit } from "./limit-rule.js";

/**
 * Which header fields tell clients their limits.
 * - `draft`: `RateLimit` and `RateLimit-Policy` of the IETF draft (draft-ietf-httpapi-ratelimit-headers, 10 and 11).
 * - `legacy`: `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds from now) of the limit that is nearest to its end.
 */
export type RateLimitHeaders = "draft" | "legacy" | "both" | "none";

// RFC 9651 §3.3.1: an integer has at most 15 digits.
const MOST_SF_INTEGER = 999_999_999_999_999;
const NONE: HeaderList = Object.freeze([]);

/** The constant part of what a limit is told by. */
export interface LimitTexts {
  /** Its name as a structured string. */
  readonly label: string;
  /** Its item of `RateLimit-Policy`. */
  readonly policy: string;
}

// w is the time in which an empty bucket fills up, so that q/w is the true sustained rate. The period would promise more:
// q=60;w=60 for 10 a minute with a burst of 60.
export function limitTexts(name: string, capacity: number, fullMs: number): LimitTexts {
  const label = sfString(name);
  return Object.freeze({ label, policy: `${label};q=${capacity};w=${Math.max(1, toSeconds(fullMs))}` });
}

/** Of a cap on requests in flight: its quota has a unit of its own and no window. */
export function concurrencyTexts(name: string, capacity: number): LimitTexts {
  const label = sfString(name);
  return Object.freeze({ label, policy: `${label};q=${capacity};qu="concurrent-requests"` });
}

/** What one decision tells. */
export interface Told {
  readonly limits: readonly Limit[];
  /** One for each of the limits. */
  readonly reports: readonly LimitReport[];
  readonly concurrency: (ConcurrencyReport & { readonly texts: LimitTexts }) | undefined;
  /** Whether this process answered for the store: what it enforces is its part, so no policy is promised. */
  readonly isDegraded: boolean;
  /** Of the whole request so far: legacy fields have room for one limit only. */
  readonly tightest: LimitReport | undefined;
}

/** The fields of one decision. */
export function rateLimitHeaders(style: RateLimitHeaders, { limits, reports, concurrency, isDegraded, tightest }: Told): HeaderList {
  if (style === "none" || (limits.length === 0 && concurrency === undefined)) return NONE;
  const fields: HeaderField[] = [];
  if (style !== "legacy") {
    let policies = "";
    let states = "";
    for (let index = 0; index < limits.length; index += 1) {
      const { texts } = limits[index] as Limit; // index < length
      const separator = index === 0 ? "" : ", ";
      policies += separator + texts.policy;
      states += separator + limitItem(texts, reports[index] as LimitReport); // one report for each limit
    }
    if (concurrency !== undefined) {
      const separator = policies === "" ? "" : ", ";
      policies += separator + concurrency.texts.policy;
      states += `${separator}${concurrency.texts.label};r=${concurrency.remaining}`;
    }
    if (!isDegraded) fields.push(["ratelimit-policy", policies]);
    fields.push(["ratelimit", states]);
  }
  if (style !== "draft" && tightest !== undefined) {
    fields.push(
      ["x-ratelimit-limit", String(tightest.capacity)],
      ["x-ratelimit-remaining", String(tightest.remaining)],
      ["x-ratelimit-reset", String(toSeconds(tightest.resetMs))],
    );
  }
  return fields;
}

// t says when it is worth coming back. For a limit that refused, that is what Retry-After says, not when it is full again:
// Retry-After must not be earlier than t (RL-71).
function limitItem({ label }: LimitTexts, { remaining, resetMs, retryAfterMs }: LimitReport): string {
  const waitMs = retryAfterMs === undefined || retryAfterMs === 0 ? resetMs : retryAfterMs;
  return `${label};r=${remaining};t=${toSeconds(waitMs)}`;
}

// An interval like 60,000/11 ms is no exact double: 11 of them are a minute and a trifle, which is not the 61st second.
const TRIFLE_SECONDS = 1e-6;

function toSeconds(ms: number): number {
  return Math.min(MOST_SF_INTEGER, Math.max(0, Math.ceil(ms / 1000 - TRIFLE_SECONDS)));
}

/** RFC 9651 §4.1.6. Names are visible ASCII already. */
function sfString(text: string): string {
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : `"${text}"`;
}
