import { type HeaderList, type LimitResult, type LimitState, type MaybePromise, type Problem, problems } from "@portcullis/core";
import type { ConcurrencyReport, DecidedBy, Decision, DecisionCode, DegradedReason, LimitReport, OutagePolicy, Phase } from "./decision.js";
import { invalidCost } from "./errors.js";
import type { HeldLease } from "./lease-keeper.js";
import type { Asked } from "./limit-check.js";
import { isCost } from "./limit-plan.js";
import { type Limit, STACK_NAMES } from "./limit-rule.js";
import type { Origin } from "./origin.js";
import { type ProblemTypes, withType } from "./problem-types.js";
import { type RateLimitHeaders, rateLimitHeaders } from "./rate-limit-headers.js";

/** Gives back what parts of a check charged, each where it was charged. */
export interface Charger {
  /** @param cost How much each cell that bears the cost gets back: below 0, is charged on top; `undefined`, all that every cell was charged. */
  settle(parts: readonly Part[], cost: number | undefined): MaybePromise<void>;
  release(parts: readonly Part[]): MaybePromise<void>;
}

/** What decisions of one limiter have in common. */
export interface DecisionTerms {
  /** Absent where nothing is charged. */
  readonly charger: Charger | undefined;
  readonly headers: RateLimitHeaders;
  readonly problemTypes: ProblemTypes;
  /** Lengthens the wait that is told; never shortens it. */
  readonly jitter: (retryAfterMs: number) => number;
}

/** A part of a check with its answer. */
export interface Part {
  readonly asked: Asked;
  readonly result: LimitResult;
  readonly origin: Origin;
  /** The place in flight that it took. */
  readonly held: HeldLease | undefined;
}

/** How long a client should stay away while nothing is known, and while others of its requests run. */
export const UNKNOWN_RETRY_MS = 1_000;
const NO_REPORTS: readonly LimitReport[] = Object.freeze([]);
const NO_NAMES: readonly string[] = Object.freeze([]);
const NO_HEADERS: HeaderList = Object.freeze([]);

/** A decision from what stores said. @param last The part that decided. @param before Those before it, all allowed. */
export function decide(last: Part, before: readonly Part[], terms: DecisionTerms): Decision {
  const { asked, result, origin, held } = last;
  return new StandardDecision(asked, result, origin, held, before, terms);
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

function toReport({ name, kind, capacity, intervalMs }: Limit, state: LimitState): LimitReport {
  const { allowed, remaining, resetMs, retryAfterMs } = state;
  return Object.freeze({ name, kind, capacity, intervalMs, allowed, remaining, resetMs, retryAfterMs });
}

/** What was given back. */
type Given = "nothing" | "cost" | "place" | "all";

/** What is read is computed when it is read: most requests are allowed, and only their headers are ever looked at. */
class StandardDecision implements Decision {
  // The last part, without an object of its own: many decisions are made, few are looked into.
  readonly #asked: Asked;
  readonly #result: LimitResult;
  readonly #decidedBy: Origin;
  readonly #held: HeldLease | undefined;
  readonly #before: readonly Part[];
  readonly #terms: DecisionTerms;
  #given: Given = "nothing";
  #reports: readonly LimitReport[] | undefined = undefined;

  constructor(
    asked: Asked,
    result: LimitResult,
    origin: Origin,
    held: HeldLease | undefined,
    before: readonly Part[],
    terms: DecisionTerms,
  ) {
    this.#asked = asked;
    this.#result = result;
    this.#decidedBy = origin;
    this.#held = held;
    this.#before = before;
    this.#terms = terms;
  }

  get #parts(): readonly Part[] {
    return [...this.#before, { asked: this.#asked, result: this.#result, origin: this.#decidedBy, held: this.#held }];
  }

  /** A part that the store did not answer makes the whole as weak as that. */
  get #origin(): Origin {
    return this.#before.find(({ origin }) => origin.degraded !== undefined)?.origin ?? this.#decidedBy;
  }

  get phase(): Phase {
    return this.#asked.phase;
  }
  get operation(): string | undefined {
    return this.#asked.group.operation ?? this.#before.find(({ asked }) => asked.group.operation !== undefined)?.asked.group.operation;
  }
  get allowed(): boolean {
    return this.#result.allowed;
  }
  get decidedBy(): DecidedBy {
    return this.#origin.decidedBy;
  }
  get degraded(): OutagePolicy | undefined {
    return this.#origin.degraded;
  }
  get degradedReason(): DegradedReason | undefined {
    return this.#origin.degradedReason;
  }

  get limits(): readonly LimitReport[] {
    this.#reports ??= Object.freeze(
      this.#parts.flatMap(({ asked, result }) => result.cells.map((state, index) => toReport(asked.group.limits[index] as Limit, state))), // one state for each limit
    );
    return this.#reports;
  }

  get concurrency(): ConcurrencyReport | undefined {
    const part = this.#parts.find(({ result }) => result.lease !== undefined);
    if (part?.asked.group.cap === undefined || part.result.lease === undefined) return undefined;
    const { name, capacity } = part.asked.group.cap;
    return Object.freeze({ name, capacity, ...part.result.lease });
  }

  get violated(): readonly string[] {
    if (this.allowed) return NO_NAMES;
    const names = this.limits.filter(({ allowed }) => !allowed).map(({ name }) => name);
    const { concurrency } = this;
    if (concurrency?.allowed === false) names.push(concurrency.name);
    return Object.freeze(names.sort());
  }

  get code(): DecisionCode | undefined {
    if (this.allowed) return undefined;
    if (this.#result.blockedMs > 0) return "BLOCKED";
    if (this.retryAfterMs === undefined) return "COST_EXCEEDS_CAPACITY";
    return this.limits.every(({ allowed }) => allowed) ? "CONCURRENCY_LIMIT" : "RATE_LIMIT";
  }

  get retryAfterMs(): number | undefined {
    if (this.allowed) return 0;
    // Only the last part refuses: those before it were allowed.
    const { cells, lease, blockedMs } = this.#result;
    let wait = Math.max(blockedMs, lease?.allowed === false ? UNKNOWN_RETRY_MS : 0);
    for (const { allowed, retryAfterMs } of cells) {
      if (allowed) continue;
      if (retryAfterMs === undefined) return undefined;
      wait = Math.max(wait, retryAfterMs);
    }
    return wait;
  }

  get policy(): string {
    const { concurrency } = this;
    if (concurrency?.allowed === false && this.limits.every(({ allowed }) => allowed)) return concurrency.name;
    return this.#tightestLimit?.name ?? concurrency?.name ?? "";
  }
  get limit(): number {
    return this.#tightestLimit?.capacity ?? this.concurrency?.capacity ?? 0;
  }
  get remaining(): number {
    return this.#tightestLimit?.remaining ?? this.concurrency?.remaining ?? 0;
  }
  get resetMs(): number {
    return this.#tightestLimit?.resetMs ?? 0;
  }

  headers(others: readonly LimitReport[] = NO_REPORTS): HeaderList {
    const { headers } = this.#terms;
    if (headers === "none") return NO_HEADERS;
    const { concurrency } = this;
    const cap = this.#parts.find(({ asked }) => asked.lease !== undefined)?.asked.group.cap;
    return rateLimitHeaders(headers, {
      limits: this.#parts.flatMap(({ asked, result }) => (result.cells.length === 0 ? [] : asked.group.limits)),
      reports: this.limits,
      concurrency: concurrency === undefined || cap === undefined ? undefined : { ...concurrency, texts: cap.texts },
      isDegraded: this.degraded !== undefined,
      tightest: headers === "draft" ? undefined : tightestOf(others, this.#tightestLimit),
    });
  }

  problem(): Problem | undefined {
    if (this.allowed) return undefined;
    const { quotaExceeded, concurrency } = this.#terms.problemTypes;
    const { code, retryAfterMs, violated } = this;
    const extensions = { "violated-policies": violated };
    if (retryAfterMs === undefined) return withType(problems.costExceedsCapacity({ extensions }), quotaExceeded);
    const told = { retryAfterMs: this.#terms.jitter(retryAfterMs), extensions };
    if (code === "CONCURRENCY_LIMIT") return withType(problems.concurrencyLimited(told), concurrency);
    const onlyOperation = violated.length > 0 && violated.every((name) => !STACK_NAMES.has(name.replace(/\.ceiling$/, "")));
    return withType((onlyOperation ? problems.operationRateLimited : problems.rateLimited)(told), quotaExceeded);
  }

  refund(cost?: number): MaybePromise<void> {
    if (cost !== undefined && !isCost(cost)) throw invalidCost(cost);
    return this.#give(cost);
  }

  settle(cost: number): MaybePromise<void> {
    if (!isCost(cost)) throw invalidCost(cost);
    const charged = this.#costCharged;
    return charged === undefined ? undefined : this.#give(charged - cost);
  }

  release(): MaybePromise<void> {
    if (!this.allowed || this.#given === "place" || this.#given === "all") return undefined;
    this.#given = this.#given === "nothing" ? "place" : "all";
    return this.#terms.charger?.release(this.#parts);
  }

  /** What `JSON.stringify` and a log show. */
  toJSON(): object {
    const { phase, operation, allowed, code, policy, limit, remaining, resetMs, retryAfterMs, violated, limits, concurrency } = this;
    const { decidedBy, degraded, degradedReason } = this;
    return {
      phase,
      operation,
      allowed,
      code,
      policy,
      limit,
      remaining,
      resetMs,
      retryAfterMs,
      violated,
      limits,
      concurrency,
      decidedBy,
      degraded,
      degradedReason,
    };
  }

  /** What `console.log` shows (node:util, `inspect.custom`). */
  [Symbol.for("nodejs.util.inspect.custom")](): object {
    return this.toJSON();
  }

  #give(cost: number | undefined): MaybePromise<void> {
    // Noted before it runs: two calls at once give back once.
    if (!this.allowed || this.#given === "cost" || this.#given === "all") return undefined;
    this.#given = this.#given === "nothing" ? "cost" : "all";
    return this.#terms.charger?.settle(this.#parts, cost);
  }

  get #costCharged(): number | undefined {
    for (const { asked } of this.#parts) if (asked.cells.length > asked.group.costlyFrom) return asked.cells.at(-1)?.cost;
    return undefined;
  }

  get #tightestLimit(): LimitReport | undefined {
    return tightestOf(this.limits);
  }
}
