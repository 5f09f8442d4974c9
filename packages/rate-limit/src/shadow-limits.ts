import type { LimitAsk, LimitResult, Limits } from "@portcullis/core";
import type { Phase } from "./decision.js";
import { holderOf, type LimitCheck, textOf } from "./limit-check.js";
import { createLimitGroup } from "./limit-group.js";
import type { Limit, LimitRule } from "./limit-rule.js";
import { readLimits } from "./limit-rule.js";
import type { RateLimiterOptions } from "./rate-limiter-options.js";

/** What a limit on trial would have done. */
export interface ShadowVerdict {
  readonly phase: Phase;
  readonly key: string;
  readonly outcomes: readonly { readonly name: string; readonly allowed: boolean }[];
}

/** Limits on trial. */
export interface ShadowLimits {
  /** Asks them beside a request that the real ones allowed, at its cost. Nobody waits, and nothing that goes wrong is told: it is a trial. */
  observe(check: LimitCheck, usualCost: number): void;
}

/**
 * Reads limits on trial. Their state is their own: what they would have refused, the real limits charge all the same.
 *
 * @param now Epoch ms.
 * @throws {ConfigurationError} `invalid_option`
 */
export function createShadowLimits(
  shadow: NonNullable<RateLimiterOptions["shadow"]>,
  defaultTier: string | undefined,
  limits: Limits,
  now: () => number,
  onVerdict: (verdict: ShadowVerdict) => void,
): ShadowLimits {
  const read = (option: string, rule: LimitRule, name: string): readonly Limit[] =>
    readLimits(`shadow.${option}`, rule, name, `shadow:${name}`);
  const floor = shadow.floor === undefined ? [] : read("floor", shadow.floor, "floor");
  const unauthenticated = shadow.unauthenticated === undefined ? [] : read("unauthenticated", shadow.unauthenticated, "unauthenticated");
  const tiers = new Map<string, readonly Limit[]>();
  for (const [tier, rule] of Object.entries(shadow.tiers ?? {}))
    if (rule !== undefined) tiers.set(tier, read(`tiers.${tier}`, rule, "authenticated"));
  const operations = new Map<string, readonly Limit[]>();
  for (const [name, rule] of Object.entries(shadow.operations ?? {})) {
    if (rule !== undefined) operations.set(name, read(`operations.${name}`, rule, name));
  }

  function stackOf(check: LimitCheck): readonly Limit[] {
    if (check.phase === "floor") return floor;
    if (check.phase === "anonymous") return unauthenticated;
    if (check.phase === "operation") return [];
    return tiers.get(check.tier ?? defaultTier ?? "") ?? tiers.get(defaultTier ?? "") ?? [];
  }

  function tell(check: LimitCheck, ask: LimitAsk, asked: readonly Limit[], { cells }: LimitResult): void {
    const outcomes = asked.map(({ name }, index) => ({ name, allowed: cells[index]?.allowed === true }));
    onVerdict({ phase: check.phase, key: textOf(ask), outcomes });
  }

  return Object.freeze({
    observe(check: LimitCheck, usualCost: number): void {
      const stack = stackOf(check);
      const own = check.phase === "floor" || check.operation === undefined ? [] : (operations.get(check.operation) ?? []);
      if (stack.length === 0 && own.length === 0) return;
      const by =
        check.phase === "operation" ? check.by : check.phase === "identified" ? { subject: check.subject } : { ipKey: check.ipKey };
      const group = createLimitGroup(own.length === 0 ? { costly: stack, now } : { counted: stack, costly: own, now });
      const ask: LimitAsk = { ...holderOf(by), cells: group.cellsFor(check.cost ?? usualCost) };
      try {
        const answer = limits.consume(ask);
        if (answer instanceof Promise) answer.then((result) => tell(check, ask, group.limits, result)).catch(() => {});
        else tell(check, ask, group.limits, answer);
      } catch {
        // A trial must not fail a request.
      }
    },
  });
}
