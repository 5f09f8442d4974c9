import type { LimitCell } from "@portcullis/core";
import type { Phase } from "./decision.js";
import { invalidCost, unknownOperation } from "./errors.js";
import { isCost, type LimitPlan } from "./limit-plan.js";
import type { Limit } from "./limit-rule.js";

/** Whose limits: a subject's (`subjectOf(principal)`, any string), or an address's (`clientIpOf(request).key`). */
export type LimitHolder = { readonly subject: string } | { readonly ipKey: string };

/**
 * Who asks for what. All limits of one check are charged together or not at all.
 *
 * `cost` (an integer of 0 and up, default 1; for an operation its configured number) is taken from the operation where one
 * is named, else from the phase's limit; limits around an operation count one request. A cost of 0 takes nothing.
 */
export type LimitCheck<Operation extends string = string> =
  | {
      readonly phase: "floor";
      /** `clientIpOf(request).key`: IPv6 callers share a key by their /64. */
      readonly ipKey: string;
      readonly cost?: number;
    }
  | { readonly phase: "anonymous"; readonly ipKey: string; readonly operation?: Operation; readonly cost?: number }
  | {
      readonly phase: "identified";
      /** `subjectOf(principal)`. Any string. */
      readonly subject: string;
      /** From the subject's subscription; one that is not configured counts as the default tier. */
      readonly tier?: string | undefined;
      readonly operation?: Operation;
      readonly cost?: number;
    }
  | { readonly phase: "operation"; readonly operation: Operation; readonly by: LimitHolder; readonly cost?: number };

/** A check as the store is asked: one subject, its limits, and a cell for each of them. */
export interface AskedLimits {
  readonly phase: Phase;
  readonly key: string;
  readonly limits: readonly Limit[];
  /** In the order of `limits`; the last one bears the cost. */
  readonly cells: readonly LimitCell[];
}

/**
 * Finds the limits of a check.
 *
 * @param onUnknownTier Told of a tier that is not configured.
 * @throws {RateLimitError} `invalid_cost`, `unknown_operation`
 */
export function askLimits(plan: LimitPlan, check: LimitCheck, onUnknownTier: (tier: string) => void): AskedLimits {
  const stack = stackLimit(plan, check, onUnknownTier);
  const name = check.phase === "floor" ? undefined : check.operation;
  const operation = name === undefined ? undefined : plan.operations.get(name);
  if (name !== undefined && operation === undefined) throw unknownOperation(name);
  const { cost = typeof operation?.cost === "number" ? operation.cost : 1 } = check;
  if (!isCost(cost)) throw invalidCost(cost);
  const limits: Limit[] = [];
  const cells: LimitCell[] = [];
  if (stack !== undefined) {
    limits.push(stack);
    cells.push(operation === undefined ? withCost(stack.cell, cost) : stack.cell);
  }
  if (operation !== undefined) {
    limits.push(operation);
    cells.push(withCost(operation.cell, cost));
  }
  return { phase: check.phase, key: keyOf(check.phase === "operation" ? check.by : check), limits, cells };
}

/** The name under which the store keeps a holder's limits. Two holders never share one: the prefix ends at the first colon. */
export function keyOf(holder: LimitHolder): string {
  return "subject" in holder ? `user:${holder.subject}` : `ip:${holder.ipKey}`;
}

/** The cell with another cost. */
export function withCost(cell: LimitCell, cost: number): LimitCell {
  return cell.cost === cost ? cell : { ...cell, cost };
}

function stackLimit(plan: LimitPlan, check: LimitCheck, onUnknownTier: (tier: string) => void): Limit | undefined {
  if (check.phase === "floor") return plan.floor;
  if (check.phase === "anonymous") return plan.unauthenticated;
  if (check.phase === "operation") return undefined;
  if (check.tier === undefined) return plan.defaultTier;
  const limit = plan.tiers.get(check.tier);
  if (limit === undefined) onUnknownTier(check.tier);
  return limit ?? plan.defaultTier;
}
