import { ConfigurationError, invalidOption } from "@portcullis/core";
import { dominates, type Limit, readLimit, STACK_NAMES } from "./limit-rule.js";
import type { OperationRule, RateLimiterOptions } from "./rate-limiter-options.js";

/** An operation's limit and what a request costs there. */
export interface OperationLimit extends Limit {
  readonly cost: NonNullable<OperationRule["cost"]>;
}

/** All limits of a limiter, checked against each other. */
export interface LimitPlan {
  readonly floor: Limit;
  readonly unauthenticated: Limit;
  readonly tiers: ReadonlyMap<string, Limit>;
  readonly defaultTier: Limit;
  readonly operations: ReadonlyMap<string, OperationLimit>;
}

/**
 * Reads all limits.
 *
 * @throws {ConfigurationError} `invalid_option`: a limit is out of range, a name is reserved, or the floor is lower than a
 *   limit above which it stands.
 */
export function readPlan(options: RateLimiterOptions): LimitPlan {
  const floor = readLimit("floor", options.floor, "floor", "floor");
  const unauthenticated = readLimit("unauthenticated", options.unauthenticated, "unauthenticated", "unauthenticated");
  assertDominates(floor, unauthenticated, "unauthenticated");
  const tiers = new Map<string, Limit>();
  for (const [tier, rule] of Object.entries(options.tiers ?? {})) {
    // One cell for all tiers: a subject that changes its tier takes along what it used.
    const limit = readLimit(`tiers.${tier}`, rule, "authenticated", "authenticated");
    assertDominates(floor, limit, `tiers.${tier}`);
    tiers.set(tier, limit);
  }
  const defaultTier = tiers.get(options.defaultTier);
  if (defaultTier === undefined) throw invalidOption("defaultTier", options.defaultTier, "one of the names in tiers");
  const operations = new Map<string, OperationLimit>();
  for (const [name, rule] of Object.entries(options.operations ?? {})) operations.set(name, readOperation(name, rule));
  return Object.freeze({ floor, unauthenticated, tiers, defaultTier, operations });
}

/** Operations that the floor refuses before their own limit can. */
export function operationsAboveFloor(plan: LimitPlan): readonly string[] {
  return [...plan.operations.values()].filter((operation) => !dominates(plan.floor, operation)).map((operation) => operation.name);
}

function readOperation(name: string, rule: OperationRule): OperationLimit {
  const option = `operations.${name}`;
  if (!/^[\x21-\x7e]{1,128}$/.test(name) || STACK_NAMES.has(name)) {
    throw invalidOption("operations", name, `named by 1 to 128 visible ASCII characters, other than ${[...STACK_NAMES].join(", ")}`);
  }
  const limit = readLimit(option, rule, name, `op:${name}`);
  const { cost = 1 } = rule;
  if (typeof cost !== "function" && !isCost(cost)) throw invalidOption(`${option}.cost`, cost, "an integer of 0 and up, or a function");
  return Object.freeze({ ...limit, cost });
}

/** Whether it can be charged: an integer of 0 to 2^53 - 1. */
export function isCost(cost: unknown): cost is number {
  return Number.isSafeInteger(cost) && (cost as number) >= 0; // isSafeInteger: it is a number
}

function assertDominates(floor: Limit, limit: Limit, option: string): void {
  if (dominates(floor, limit)) return;
  throw new ConfigurationError(
    "invalid_option",
    `Option "floor" (${describe(floor)}) is lower than "${option}" (${describe(limit)}): callers would hit the floor of their address ` +
      `before their own limit. Raise the floor's limit and burst to at least those of "${option}".`,
  );
}

function describe({ limit, periodMs, capacity }: Limit): string {
  return `${limit} per ${periodMs} ms, burst ${capacity}`;
}
