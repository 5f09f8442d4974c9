import type { Clock, GuardRequest, Metrics, Principal, StoreUnavailable, StoreWith } from "@portcullis/core";
import type { AccessLists } from "./access-lists.js";
import type { OutagePolicy, Phase } from "./decision.js";
import type { OperationScope } from "./limit-plan.js";
import type { BucketRule, CalendarRule, LimitRule, WindowRule } from "./limit-rule.js";
import type { ProblemTypes } from "./problem-types.js";
import type { RateLimitHeaders } from "./rate-limit-headers.js";

/** How many requests may be in flight at once. */
export interface Concurrency {
  /** Integer, 1 to 1,000,000. */
  readonly maxInFlight?: number;
  /** After a crash a place is free again so much later; a request that takes longer keeps its place. 1 second to 1 hour; default 30 s. */
  readonly leaseMs?: number;
}

/** A limit whose holder is the service as a whole. */
export type ServiceRule = LimitRule & {
  /**
   * Parts that take turns at random, each with its part of the limit: for more traffic than one key of a cluster carries. Integer, 1 to
   * 1,024; default 1. Together they never allow more; one part may refuse a little earlier than the whole would.
   */
  readonly shards?: number;
};

/** The limits of one operation, on top of the caller's own limit. */
export type OperationRule = (BucketRule | WindowRule | CalendarRule | { readonly limit?: undefined; readonly kind?: undefined }) &
  Concurrency & {
    /** What one request takes from this limit: an integer of 0 and up, or a function of the request. Default 1. */
    readonly cost?: number | ((request: GuardRequest) => number);
    /** Whom it counts. `organization`: a caller without one is counted alone. Default `caller`. */
    readonly per?: OperationScope;
    /** See `ServiceRule`. */
    readonly shards?: number;
  };

/** What a limiter tells the application. */
export type RateLimitEvent =
  | {
      readonly type: "denied";
      readonly phase: Phase;
      /** Who was refused: `ip:` and the address key, `user:` and the subject, and so on. For audit, never for metrics. */
      readonly key: string;
      readonly violated: readonly string[];
    }
  /** A limit on trial would have refused. */
  | { readonly type: "shadow_denied"; readonly phase: Phase; readonly key: string; readonly violated: readonly string[] }
  /** The first check that the store did not answer. */
  | { readonly type: "store_unavailable"; readonly outage: OutagePolicy; readonly error: StoreUnavailable }
  /** The first check that it answered again. */
  | { readonly type: "store_recovered" }
  | { readonly type: "unknown_tier"; readonly tier: string }
  /** A place in flight could not be given back, or was lost: it ends by itself. */
  | { readonly type: "lease_lost"; readonly operation: string; readonly error: unknown }
  /** At construction: the floor refuses callers before this limit can. Often meant so; worth a look. */
  | { readonly type: "operation_exceeds_floor"; readonly operation: string };

/** How busy subjects are served from batches; see `RateLimiterOptions.batches`. */
export interface BatchOptions {
  /** Checks a second from which a holder counts as busy. Default 50. */
  readonly fromChecksPerSecond?: number;
  /** The most of a limit's capacity that one process holds at once. Above 0, up to 0.5; default 0.05. */
  readonly share?: number;
  /** How long what is not used is held before it is given back. 10 to 10,000 ms; default 250. */
  readonly holdMs?: number;
}

/** How a limiter is made. */
export interface RateLimiterOptions<Tier extends string = string, Operation extends string = string> {
  readonly store: StoreWith<"limits">;
  /** Per client address, charged by every request before authentication. At least as high as `unauthenticated`, `apiKeys` and every tier. */
  readonly floor: LimitRule;
  /** Per client address, charged by requests that authentication leaves without a principal. Without it the floor alone limits them. */
  readonly unauthenticated?: LimitRule;
  /** Per subject, by subscription tier; see `limitPresets.tiers`. Without them the floor alone limits known callers. */
  readonly tiers?: Readonly<Record<Tier, LimitRule>>;
  /** The tier of a subject without one, or with one that is not configured. Required where there are tiers. */
  readonly defaultTier?: NoInfer<Tier>;
  /** A subject's tier, from what authentication proved; never from a header. Default: everyone has the default tier. */
  readonly tierOf?: (principal: Principal) => string | undefined;
  /** Per API key, on top of the limit of its owner. */
  readonly apiKeys?: LimitRule;
  /** Per organisation, on top of the limits of its members. */
  readonly organizations?: LimitRule;
  /** Of all known callers together, on top of all others. Strangers do not count: they could use it up. */
  readonly service?: ServiceRule;
  /** Limits of single operations, per subject (or address, without one). Names are 1 to 128 visible ASCII characters. */
  readonly operations?: Readonly<Record<Operation, OperationRule>>;
  /** Paths that the floor and the caller's limits leave alone, e.g. `/health`: plain, without a trailing slash. */
  readonly exclude?: readonly string[];
  /** Who is not limited: every check of theirs is allowed and charges nothing. */
  readonly allow?: AccessLists;
  /** Who is refused wherever a limit is asked, with 403; who is on both lists, too. Excluded paths ask none. */
  readonly deny?: AccessLists;
  /**
   * Limits on trial: asked beside the real ones and at their cost, counted and told as events, never refusing. Those of operations count
   * callers. While the store does not answer they are not asked.
   */
  readonly shadow?: {
    readonly floor?: LimitRule;
    readonly unauthenticated?: LimitRule;
    readonly tiers?: Readonly<Partial<Record<Tier, LimitRule>>>;
    readonly operations?: Readonly<Partial<Record<Operation, LimitRule>>>;
  };
  /** Default `draft`. */
  readonly headers?: RateLimitHeaders;
  /** URIs of the problem types in refusals. */
  readonly problemTypes?: Partial<ProblemTypes>;
  /** Lengthens `Retry-After` by up to this share of it at random, so that clients do not come back all at once. 0 to 1; default 0. */
  readonly retryJitter?: number;
  /** What happens while the store does not answer. Default `local`. */
  readonly onOutage?: OutagePolicy;
  /** Until a check without an answer counts as an outage. 1 to 60,000 ms; default 100. */
  readonly deadlineMs?: number;
  /** After `failures` in a row the store is left alone, but for one check in every `probeMs`. Defaults 5 and 1,000 ms. */
  readonly breaker?: { readonly failures?: number; readonly probeMs?: number };
  /** Processes that share the store: `local` gives each its part of every limit. Integer, 1 to 10,000; default 1. */
  readonly instances?: number;
  /**
   * Refusals that are remembered in this process and repeated without asking the store. What another process gives back or resets
   * shows after `maxAgeMs`. Defaults 10,000 entries and 1,000 ms; `false` remembers none. A synchronous store is always asked.
   */
  readonly denials?: { readonly maxEntries?: number; readonly maxAgeMs?: number } | false;
  /**
   * Serves busy holders from batches: one round trip takes many units, which this process then spends without asking. Together never
   * more than the limit and what comes back within `holdMs`; a holder that is busy on several processes may be refused while another
   * process holds units of it, and what another process blocks or resets shows after `holdMs`. Default `false`.
   */
  readonly batches?: BatchOptions | boolean;
  readonly metrics?: Metrics;
  /** What it throws is dropped: a broken log neither fails a request nor keeps a place taken. */
  readonly onEvent?: (event: RateLimitEvent) => void;
  readonly clock?: Clock;
  /** 0 up to 1. For jitter and shards; `Math.random` unless given. */
  readonly random?: () => number;
}
