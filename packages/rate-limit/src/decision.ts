import type { HeaderList, LimitState, MaybePromise, Problem } from "@portcullis/core";
import type { Limit } from "./limit-rule.js";

/**
 * Why a request was refused.
 * - `RATE_LIMIT`: too often; wait.
 * - `CONCURRENCY_LIMIT`: too many of the caller's requests are running; wait for one to end.
 * - `COST_EXCEEDS_CAPACITY`: its cost is above the whole burst; waiting never helps.
 * - `BLOCKED`: the holder is blocked for a while.
 * - `DENY_LISTED`: the caller is on the list of who is always refused.
 * - `LIMITER_UNAVAILABLE`: the store did not answer and `onOutage` is `closed`.
 */
export type DecisionCode = "RATE_LIMIT" | "CONCURRENCY_LIMIT" | "COST_EXCEEDS_CAPACITY" | "BLOCKED" | "DENY_LISTED" | "LIMITER_UNAVAILABLE";

/** Which limits are asked: the address floor, the limit of a caller without credentials, the limit of a known caller, or an operation alone. */
export type Phase = "floor" | "anonymous" | "identified" | "operation";

/** What happens while the store does not answer: refuse with 503, allow what is not known to be refused, or limit in this process. */
export type OutagePolicy = "closed" | "open" | "local";

/** Why the store was not heard: it failed, did not answer in time, or is left alone for a while after it did. */
export type DegradedReason = "store_failed" | "deadline" | "breaker_open";

/**
 * Who decided: the store; this process by a refusal it remembers or a batch it holds; the limits of this process or the outage
 * policy while the store does not answer; a list.
 */
export type DecidedBy = "store" | "denials" | "batch" | "local" | "policy" | "list";

/** What one limit said. */
export interface LimitReport extends Omit<LimitState, "id"> {
  /** `floor`, `unauthenticated`, `authenticated`, `api-key`, `organization`, `service` or the operation; with `.ceiling` behind it for a ceiling. */
  readonly name: string;
  readonly kind: Limit["kind"];
  /** Most at once. */
  readonly capacity: number;
  /** Ms in which one unit comes back, on average. */
  readonly intervalMs: number;
}

/** What a cap on requests in flight said. */
export interface ConcurrencyReport {
  /** The operation, with `.inflight` behind it. */
  readonly name: string;
  readonly capacity: number;
  readonly allowed: boolean;
  /** Places left, this request counted. */
  readonly remaining: number;
}

/** The answer to one check. */
export interface Decision {
  readonly phase: Phase;
  /** The operation that was asked for. */
  readonly operation: string | undefined;
  readonly allowed: boolean;
  /** `undefined` when allowed. */
  readonly code: DecisionCode | undefined;
  /** The limit that `limit`, `remaining` and `resetMs` tell of: the one that refuses longest, else the one nearest to its end. */
  readonly policy: string;
  /** Its capacity: what fits at once. */
  readonly limit: number;
  /** Whole units left after this check; 0 when nothing is known (`degraded` is `open` or `closed`). */
  readonly remaining: number;
  /** Until it is full again. */
  readonly resetMs: number;
  /** Until the same check can pass every limit: 0 when allowed, `undefined` when it never can. */
  readonly retryAfterMs: number | undefined;
  /** Names of all limits that refused, sorted. */
  readonly violated: readonly string[];
  /** Every limit that was asked; empty when nothing is known. */
  readonly limits: readonly LimitReport[];
  /** The cap on requests in flight, where one was asked. */
  readonly concurrency: ConcurrencyReport | undefined;
  readonly decidedBy: DecidedBy;
  /** Set while the store does not answer: by which policy this was decided instead. Such an answer is weaker than it looks. */
  readonly degraded: OutagePolicy | undefined;
  readonly degradedReason: DegradedReason | undefined;
  /**
   * The fields for the response, allowed or not.
   *
   * @param others What earlier decisions on the same request said: legacy fields tell of the limit that is nearest to its end among all.
   */
  headers(others?: readonly LimitReport[]): HeaderList;
  /** The refusal as a problem; `undefined` when allowed. */
  problem(): Problem | undefined;
  /**
   * Gives back what this decision charged. Only the first call of `refund` and `settle` counts, and no limit ever gets above its
   * capacity. Places in flight are kept: see `release`.
   *
   * @param cost Only so much of the cost, e.g. what a cheaper answer saved; all of the decision unless given.
   * @throws {RateLimitError} `invalid_cost`; nothing was given back, and the next call counts.
   * @throws {StoreUnavailable} Whether it was given back is unknown.
   */
  refund(cost?: number): MaybePromise<void>;
  /**
   * Says what the request really cost, where that shows only afterwards (tokens of a language model): the difference is given back,
   * or charged on top, at most until the limit is empty.
   *
   * @param cost Integer of 0 and up. @throws {RateLimitError} `invalid_cost` @throws {StoreUnavailable} As `refund`.
   */
  settle(cost: number): MaybePromise<void>;
  /** Gives back the place in flight, once; nothing where there is none. @throws {StoreUnavailable} It ends by itself. */
  release(): MaybePromise<void>;
}
