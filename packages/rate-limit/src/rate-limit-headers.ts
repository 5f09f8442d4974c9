import type { HeaderField, HeaderList, LimitCell } from "@portcullis/core";
import type { LimitReport } from "./decision.js";
import type { Limit } from "./limit-rule.js";

/**
 * Which header fields tell clients their limits.
 * - `draft`: `RateLimit` and `RateLimit-Policy` of the IETF draft (draft-ietf-httpapi-ratelimit-headers, 10 and later).
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
export function limitTexts(name: string, { capacity, intervalMs }: LimitCell): LimitTexts {
  const label = sfString(name);
  return Object.freeze({ label, policy: `${label};q=${capacity};w=${Math.max(1, seconds(capacity * intervalMs))}` });
}

/**
 * The fields of one decision.
 *
 * @param reports One for each of the limits.
 * @param tightest Of the whole request so far: legacy fields have room for one limit only.
 */
export function rateLimitHeaders(
  style: RateLimitHeaders,
  limits: readonly Limit[],
  reports: readonly LimitReport[],
  tightest: LimitReport | undefined,
): HeaderList {
  if (style === "none" || limits.length === 0) return NONE;
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
    fields.push(["ratelimit-policy", policies], ["ratelimit", states]);
  }
  if (style !== "draft" && tightest !== undefined) {
    fields.push(
      ["x-ratelimit-limit", String(tightest.capacity)],
      ["x-ratelimit-remaining", String(tightest.remaining)],
      ["x-ratelimit-reset", String(seconds(tightest.resetMs))],
    );
  }
  return fields;
}

// t says when it is worth coming back. For a limit that refused, that is what Retry-After says, not when it is full again:
// Retry-After must not be earlier than t (RL-71).
function limitItem({ label }: LimitTexts, { remaining, resetMs, retryAfterMs }: LimitReport): string {
  const waitMs = retryAfterMs === undefined || retryAfterMs === 0 ? resetMs : retryAfterMs;
  return `${label};r=${remaining};t=${seconds(waitMs)}`;
}

// An interval like 60,000/11 ms is no exact double: 11 of them are a minute and a trifle, which is not the 61st second.
const TRIFLE_SECONDS = 1e-6;

function seconds(ms: number): number {
  return Math.min(MOST_SF_INTEGER, Math.max(0, Math.ceil(ms / 1000 - TRIFLE_SECONDS)));
}

/** RFC 9651 §4.1.6. Names are visible ASCII already. */
function sfString(text: string): string {
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : `"${text}"`;
}
