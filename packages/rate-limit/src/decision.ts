import { type HeaderList, type LimitState, type MaybePromise, type Problem, problems } from "@portcullis/core";
import { invalidCost } from "./errors.js";
import type { AskedLimits } from "./limit-check.js";
import { isCost } from "./limit-plan.js";
import { type Limit, STACK_NAMES } from "./limit-rule.js";
import { type RateLimitHeaders, rateLimitHeaders } from "./rate-limit-headers.js";

/**
 * Why a request was refused.
 * - `RATE_LIMIT`: too often; wait.
 * - `COST_EXCEEDS_CAPACITY`: its cost is above the whole burst; waiting never helps.
 * - `LIMITER_UNAVAILABLE`: the store did not answer and `onOutage` is `closed`.
 */
export type DecisionCode = "RATE_LIMIT" | "COST_EXCEEDS_CAPACITY" | "LIMITER_UNAVAILABLE";

/** Which limits are asked: the address floor, the limit of a caller without credentials, the limit of a known caller, or an operation alone. */
export type Phase = "floor" | "anonymous" | "identified" | "operation";

/** What happens while the store does not answer: refuse with 503, allow everything, or limit in this process. */
export type OutagePolicy = "closed" | "open" | "local";

/** What one limit said. */
export interface LimitReport extends Omit<LimitState, "id"> {
  /** `floor`, `unauthenticated`, `authenticated`, or the operation. */
  readonly name: string;
  /** Most at once. */
  readonly capacity: number;
  /** Ms in which one unit comes back. */
  readonly intervalMs: number;
}

/** The answer to one check. */
export interface Decision {
  readonly phase: Phase;
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
  /** Set while the store does not answer: by which policy this was decided instead. Such an answer is weaker than it looks. */
  readonly degraded: OutagePolicy | undefined;
  /**
   * The fields for the response, allowed or not.
   *
   * @param others What earlier decisions on the same request said: legacy fields tell of the limit that is nearest to its end among all.
   */
  headers(others?: readonly LimitReport[]): HeaderList;
  /** The refusal as a problem; `undefined` when allowed. */
  problem(): Problem | undefined;
  /**
   * Gives back what this decision charged. Only the first call counts, and no limit ever gets above its capacity.
   *
   * @param cost Only so much of the cost, e.g. what a cheaper answer saved; all of the decision unless given.
   * @throws {RateLimitError} `invalid_cost`; nothing was given back, and the next call counts.
   * @throws {StoreUnavailable} Whether it was given back is unknown.
   */
  refund(cost?: number): MaybePromise<void>;
}

/** Gives back; made by whoever charged, so that a refund goes where the charge went. */
export type Refund = (cost: number | undefined) => MaybePromise<void>;

/** How long a client should stay away while nothing is known. */
const OUTAGE_RETRY_MS = 1_000;
const NO_REPORTS: readonly LimitReport[] = Object.freeze([]);
const NO_NAMES: readonly string[] = Object.freeze([]);

/** A decision from what the store said of each limit. @param refund Absent when nothing was charged. */
export function decide(
  { phase, limits }: Pick<AskedLimits, "phase" | "limits">,
  states: readonly LimitState[],
  style: RateLimitHeaders,
  degraded: "local" | undefined,
  refund: Refund | undefined,
): Decision {
  const reports = states.map((state, index) => toReport(limits[index] as Limit, state)); // one state for each limit
  return new StandardDecision(phase, Object.freeze(reports), limits, style, degraded, refund);
}

/** A decision by policy alone, while nothing is known. */
export function decideBlind(phase: Phase, limits: readonly Limit[], degraded: "open" | "closed"): Decision {
  const { name, capacity } = limits[0] as Limit; // every phase has a limit
  const allowed = degraded === "open";
  return Object.freeze({
    phase,
    allowed,
    code: allowed ? undefined : "LIMITER_UNAVAILABLE",
    policy: name,
    limit: capacity,
    remaining: 0,
    resetMs: 0,
    retryAfterMs: allowed ? 0 : OUTAGE_RETRY_MS,
    violated: NO_NAMES,
    limits: NO_REPORTS,
    degraded,
    headers: () => [],
    problem: () => (allowed ? undefined : problems.limiterUnavailable({ retryAfterMs: OUTAGE_RETRY_MS })),
    refund: () => {},
  });
}

/** The report that says most about what comes next; the same whatever the order of the reports. */
function tightestOf(reports: readonly LimitReport[], other?: LimitReport): LimitReport | undefined {
  let tightest = other;
  for (const report of reports) if (tightest === undefined || isTighter(report, tightest)) tightest = report;
  return tightest;
}

function isTighter(one: LimitReport, other: LimitReport): boolean {
  const oneWaits = one.retryAfterMs ?? Number.POSITIVE_INFINITY;
  const otherWaits = other.retryAfterMs ?? Number.POSITIVE_INFINITY;
  if (oneWaits !== otherWaits) return oneWaits > otherWaits;
  if (one.remaining !== other.remaining) return one.remaining < other.remaining;
  return one.resetMs === other.resetMs ? one.name < other.name : one.resetMs > other.resetMs;
}

function namesOfRefused(reports: readonly LimitReport[]): readonly string[] {
  let names: string[] | undefined;
  for (const { allowed, name } of reports) if (!allowed) (names ??= []).push(name);
  return names === undefined ? NO_NAMES : Object.freeze(names.sort());
}

function toReport(limit: Limit, state: LimitState): LimitReport {
  const { allowed, remaining, resetMs, retryAfterMs } = state;
  const { intervalMs } = limit.cell;
  return Object.freeze({ name: limit.name, capacity: limit.capacity, intervalMs, allowed, remaining, resetMs, retryAfterMs });
}

class StandardDecision implements Decision {
  readonly allowed: boolean;
  readonly code: DecisionCode | undefined;
  readonly policy: string;
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number;
  readonly retryAfterMs: number | undefined;
  readonly violated: readonly string[];
  readonly #asked: readonly Limit[];
  readonly #tightest: LimitReport | undefined;
  readonly #style: RateLimitHeaders;
  #refund: Refund | undefined;

  constructor(
    readonly phase: Phase,
    readonly limits: readonly LimitReport[],
    asked: readonly Limit[],
    style: RateLimitHeaders,
    readonly degraded: "local" | undefined,
    refund: Refund | undefined,
  ) {
    const tightest = tightestOf(limits);
    this.violated = namesOfRefused(limits);
    this.allowed = this.violated.length === 0;
    // The tightest limit is the one that refuses longest, so its wait is the wait for all.
    this.retryAfterMs = this.allowed ? 0 : tightest?.retryAfterMs;
    this.code = this.allowed ? undefined : this.retryAfterMs === undefined ? "COST_EXCEEDS_CAPACITY" : "RATE_LIMIT";
    this.policy = tightest?.name ?? "";
    this.limit = tightest?.capacity ?? 0;
    this.remaining = tightest?.remaining ?? 0;
    this.resetMs = tightest?.resetMs ?? 0;
    this.#asked = asked;
    this.#tightest = tightest;
    this.#style = style;
    this.#refund = refund;
    Object.freeze(this);
  }

  headers(others: readonly LimitReport[] = NO_REPORTS): HeaderList {
    return rateLimitHeaders(this.#style, this.#asked, this.limits, tightestOf(others, this.#tightest));
  }

  problem(): Problem | undefined {
    if (this.allowed) return undefined;
    const extensions = { "violated-policies": this.violated };
    if (this.retryAfterMs === undefined) return problems.costExceedsCapacity({ extensions });
    const onlyOperation = this.violated.every((name) => !STACK_NAMES.has(name));
    const refused = onlyOperation ? problems.operationRateLimited : problems.rateLimited;
    return refused({ retryAfterMs: this.retryAfterMs, extensions });
  }

  refund(cost?: number): MaybePromise<void> {
    if (cost !== undefined && !isCost(cost)) throw invalidCost(cost);
    const refund = this.#refund;
    // Dropped before it runs: two calls at once give back once.
    this.#refund = undefined;
    return refund?.(cost);
  }
}
