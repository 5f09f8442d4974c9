import type { Clock, GuardRequest, Metrics, Principal, StoreUnavailable, StoreWith } from "@portcullis/core";
import type { OutagePolicy, Phase } from "./decision.js";
import type { LimitRule } from "./limit-rule.js";
import type { RateLimitHeaders } from "./rate-limit-headers.js";

/** The limit of one operation, on top of the caller's own limit. */
export interface OperationRule extends LimitRule {
  /** What one request takes from this limit: an integer of 0 and up, or a function of the request. Default 1. */
  readonly cost?: number | ((request: GuardRequest) => number);
}

/** What a limiter tells the application. */
export type RateLimitEvent =
  | {
      readonly type: "denied";
      readonly phase: Phase;
      /** Who was refused: `ip:` and the address key, or `user:` and the subject. For audit, never for metrics. */
      readonly key: string;
      readonly violated: readonly string[];
    }
  /** The first check that the store did not answer. */
  | { readonly type: "store_unavailable"; readonly outage: OutagePolicy; readonly error: StoreUnavailable }
  /** The first check that it answered again. */
  | { readonly type: "store_recovered" }
  | { readonly type: "unknown_tier"; readonly tier: string }
  /** At construction: the floor refuses callers before this limit can. Often meant so; worth a look. */
  | { readonly type: "operation_exceeds_floor"; readonly operation: string };

/** How a limiter is made. */
export interface RateLimiterOptions<Tier extends string = string, Operation extends string = string> {
  readonly store: StoreWith<"limits">;
  /** Per client address, charged by every request before authentication. At least as high as `unauthenticated` and every tier. */
  readonly floor: LimitRule;
  /** Per client address, charged by requests that authentication leaves without a principal. */
  readonly unauthenticated: LimitRule;
  /** Per subject, by subscription tier; see `limitPresets.tiers`. */
  readonly tiers: Readonly<Record<Tier, LimitRule>>;
  /** The tier of a subject without one, or with one that is not configured. */
  readonly defaultTier: NoInfer<Tier>;
  /** A subject's tier, from what authentication proved; never from a header. Default: everyone has the default tier. */
  readonly tierOf?: (principal: Principal) => string | undefined;
  /** Limits of single operations, per subject (or address, without one). Names are 1 to 128 visible ASCII characters. */
  readonly operations?: Readonly<Record<Operation, OperationRule>>;
  /** Paths that the floor and the caller's limits leave alone, e.g. `/health`: plain, without a trailing slash. */
  readonly exclude?: readonly string[];
  /** Default `draft`. */
  readonly headers?: RateLimitHeaders;
  /** What happens while the store does not answer. Default `local`. */
  readonly onOutage?: OutagePolicy;
  /** Processes that share the store: `local` gives each its part of every limit. Integer, 1 to 10,000; default 1. */
  readonly instances?: number;
  readonly metrics?: Metrics;
  /** Must not throw: its exception fails the request. */
  readonly onEvent?: (event: RateLimitEvent) => void;
  readonly clock?: Clock;
}
