import type { OutagePolicy } from "./decision.js";
import type { Cap } from "./limit-group.js";
import { describeLimit, limitsOf, type LimitPlan } from "./limit-plan.js";
import type { Limit } from "./limit-rule.js";
import type { SourceStatus } from "./limit-source.js";
import type { OutcomeCounts } from "./rate-limit-metrics.js";
import type { RefusedHolder } from "./refused-holders.js";

/** A limit as it is configured, with what this process counted of it. */
export interface PolicyStatus {
  readonly name: string;
  /** Where it is one of several that share the name. */
  readonly tier: string | undefined;
  readonly kind: Limit["kind"];
  readonly limit: number;
  /** On average, of the calendar. */
  readonly periodMs: number;
  readonly capacity: number;
  /** E.g. `60 per 60000 ms, burst 120`. */
  readonly description: string;
  /** Since this limiter was made, in this process. */
  readonly outcomes: OutcomeCounts;
}

/** A cap as it is configured, with the places that this process holds. */
export interface CapStatus {
  readonly name: string;
  readonly capacity: number;
  readonly held: number;
}

/** How a limiter is doing: for an administrator's eyes, since it names callers. */
export interface RateLimitStatus extends SourceStatus {
  readonly outagePolicy: OutagePolicy;
  readonly policies: readonly PolicyStatus[];
  readonly caps: readonly CapStatus[];
  /** Units held in batches. */
  readonly batchedUnits: number;
  /** Who is refused most. */
  readonly refused: readonly RefusedHolder[];
}

/** What the status is made of. */
export interface StatusParts {
  readonly plan: LimitPlan;
  readonly source: SourceStatus;
  readonly outagePolicy: OutagePolicy;
  readonly heldByCap: ReadonlyMap<Cap, number>;
  readonly batchedUnits: number;
  readonly refused: readonly RefusedHolder[];
}

export function toStatus({ plan, source, outagePolicy, heldByCap, batchedUnits, refused }: StatusParts): RateLimitStatus {
  const policies = limitsOf(plan).map(({ limit, tier }): PolicyStatus => {
    const { name, kind, periodMs, capacity } = limit;
    const told = { name, tier, kind, limit: limit.limit, periodMs, capacity, description: describeLimit(limit) };
    return Object.freeze({ ...told, outcomes: Object.freeze({ ...limit.counts }) });
  });
  const caps = [...plan.operations.values()].flatMap(({ cap }): CapStatus[] =>
    cap === undefined ? [] : [Object.freeze({ name: cap.name, capacity: cap.capacity, held: heldByCap.get(cap) ?? 0 })],
  );
  return Object.freeze({ ...source, outagePolicy, policies: Object.freeze(policies), caps: Object.freeze(caps), batchedUnits, refused });
}
