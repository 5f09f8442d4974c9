// Decisions that no limit made: the outage policy's and the lists'.
import { type Problem, problems } from "@portcullis/core";
import type { Decision, DecisionCode, LimitReport, Phase } from "./decision.js";
import type { Asked } from "./limit-check.js";
import type { Origin } from "./origin.js";
import { withType } from "./problem-types.js";
import { type DecisionTerms, UNKNOWN_RETRY_MS } from "./standard-decision.js";

const FROM_LIST: Origin = Object.freeze({ decidedBy: "list", degraded: undefined, degradedReason: undefined });
const NO_REPORTS: readonly LimitReport[] = Object.freeze([]);
const NO_NAMES: readonly string[] = Object.freeze([]);

/** A decision by policy alone, while nothing is known. @param earlier Over the parts of the check that were charged before: it gives them back. */
export function decideBlind(
  { phase, group: { limits, cap, operation } }: Asked,
  terms: DecisionTerms,
  origin: Origin,
  earlier?: Decision,
): Decision {
  const allowed = origin.degraded === "open";
  return settledDecision({ phase, operation }, origin, allowed ? undefined : "LIMITER_UNAVAILABLE", limits[0]?.name ?? cap?.name ?? "", {
    limit: limits[0]?.capacity ?? cap?.capacity ?? 0,
    retryAfterMs: allowed ? 0 : UNKNOWN_RETRY_MS,
    problem: () =>
      allowed
        ? undefined
        : withType(problems.limiterUnavailable({ retryAfterMs: terms.jitter(UNKNOWN_RETRY_MS) }), terms.problemTypes.reducedCapacity),
    ...(allowed ? { earlier } : {}),
  });
}

/** What a decision without any answer of a limit tells of its check. */
interface Told {
  readonly phase: Phase;
  readonly operation?: string | undefined;
}

/** A decision by a list. */
export function decideListed({ phase, operation }: Told, allowed: boolean): Decision {
  return settledDecision({ phase, operation }, FROM_LIST, allowed ? undefined : "DENY_LISTED", allowed ? "allow-list" : "deny-list", {
    limit: 0,
    retryAfterMs: allowed ? 0 : undefined,
    problem: () => (allowed ? undefined : problems.forbidden()),
  });
}

function settledDecision(
  { phase, operation }: Told,
  origin: Origin,
  code: DecisionCode | undefined,
  policy: string,
  told: { limit: number; retryAfterMs: number | undefined; problem: () => Problem | undefined; earlier?: Decision | undefined },
): Decision {
  const { limit, retryAfterMs, problem, earlier } = told;
  return Object.freeze({
    ...{ phase, operation, allowed: code === undefined, code, policy, limit, remaining: 0, resetMs: 0, retryAfterMs },
    ...{ violated: NO_NAMES, limits: NO_REPORTS, concurrency: undefined, ...origin },
    headers: () => [],
    problem,
    refund: (cost?: number) => earlier?.refund(cost),
    settle: (cost: number) => earlier?.settle(cost),
    release: () => earlier?.release(),
  });
}
