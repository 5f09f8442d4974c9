import { ConfigurationError, invalidOption } from "@portcullis/core";
import { type Cap, createLimitGroup, type LimitGroup } from "./limit-group.js";
import { dominates, type Limit, type LimitRule, readLimits, STACK_NAMES } from "./limit-rule.js";
import type { Concurrency, OperationRule, RateLimiterOptions, ServiceRule } from "./rate-limiter-options.js";
import { concurrencyTexts } from "./rate-limit-headers.js";
import { noCounts } from "./rate-limit-metrics.js";

/** Whom an operation's limit counts: each caller, each organisation, or everybody together. */
export type OperationScope = "caller" | "organization" | "service";

/** An operation's limits and what a request costs there. */
export interface OperationLimit {
  readonly name: string;
  readonly limits: readonly Limit[];
  readonly cost: NonNullable<OperationRule["cost"]>;
  readonly per: OperationScope;
  readonly cap: Cap | undefined;
  /** Parts of the service that take turns, so that no key of a cluster is hot. */
  readonly shards: number;
  /** Its limits and its cap, without those of a caller. */
  readonly alone: LimitGroup;
  /** Its cap, without any limit. */
  readonly capAlone: LimitGroup;
  /** Its limits together with those of a caller. @param stack Of the caller: a group of the plan. */
  after(stack: LimitGroup): LimitGroup;
  /** Those of a caller alone, where the operation counts others: they count one request, whatever it costs. */
  before(stack: LimitGroup): LimitGroup;
}

/** All limits of a limiter, checked against each other. */
export interface LimitPlan {
  readonly floor: LimitGroup;
  readonly unauthenticated: LimitGroup;
  readonly tiers: ReadonlyMap<string, LimitGroup>;
  readonly defaultTier: LimitGroup;
  readonly apiKey: LimitGroup | undefined;
  readonly organization: LimitGroup | undefined;
  readonly service: LimitGroup | undefined;
  readonly serviceShards: number;
  /** Whether there are limits of an API key, an organisation or the service. */
  readonly isWide: boolean;
  readonly operations: ReadonlyMap<string, OperationLimit>;
}

/** The options that say what is limited. */
export type PlanOptions = Pick<
  RateLimiterOptions,
  "floor" | "unauthenticated" | "tiers" | "defaultTier" | "apiKeys" | "organizations" | "service" | "operations"
>;

const DEFAULTS = Object.freeze({ leaseMs: 30_000 });
const MOST_SHARDS = 1_024;
const MOST_IN_FLIGHT = 1_000_000;
const RESERVED_END = /\.(?:ceiling|inflight)$/;

/**
 * Reads all limits.
 *
 * @param now Epoch ms.
 * @throws {ConfigurationError} `invalid_option`: a limit is out of range, a name is reserved, or the floor is lower than a
 *   limit above which it stands.
 */
export function readPlan(options: PlanOptions, now: () => number): LimitPlan {
  const group = (costly: readonly Limit[]): LimitGroup => createLimitGroup({ costly, now });
  const floor = readLimits("floor", options.floor, "floor", "floor");
  const read = (option: string, rule: LimitRule, name: string): LimitGroup => {
    const limits = readLimits(option, rule, name, name);
    assertDominates(floor, limits, option);
    return group(limits);
  };
  const unauthenticated =
    options.unauthenticated === undefined ? group([]) : read("unauthenticated", options.unauthenticated, "unauthenticated");
  const tiers = new Map<string, LimitGroup>();
  // One name for all tiers: a subject that changes its tier takes along what it used.
  for (const [tier, rule] of Object.entries(options.tiers ?? {})) tiers.set(tier, read(`tiers.${tier}`, rule, "authenticated"));
  assertSameKinds([...tiers.values()].map(({ limits }) => limits));
  const defaultTier = tiers.size === 0 && options.defaultTier === undefined ? group([]) : tiers.get(options.defaultTier ?? "");
  if (defaultTier === undefined) throw invalidOption("defaultTier", options.defaultTier, "one of the names in tiers");
  const operations = new Map<string, OperationLimit>();
  for (const [name, rule] of Object.entries(options.operations ?? {})) operations.set(name, readOperation(name, rule, now));
  const counting = (option: string, rule: LimitRule | undefined, name: string): LimitGroup | undefined =>
    rule === undefined ? undefined : createLimitGroup({ counted: readLimits(option, rule, name, name), now });
  const apiKey = counting("apiKeys", options.apiKeys, "api-key");
  if (apiKey !== undefined) assertDominates(floor, apiKey.limits, "apiKeys");
  // Many addresses share an organisation and the service, so the floor of one address need not reach up to theirs.
  const organization = counting("organizations", options.organizations, "organization");
  const serviceShards = readShards("service.shards", options.service?.shards);
  const service = counting(
    "service",
    options.service === undefined ? undefined : shardOf("service", options.service, serviceShards),
    "service",
  );
  return Object.freeze({
    ...{ floor: group(floor), unauthenticated, tiers, defaultTier, apiKey, organization, service, serviceShards },
    isWide: apiKey !== undefined || organization !== undefined || service !== undefined,
    operations,
  });
}

/** Every limit and cap of a plan, in the order of the stack: names for metrics and for the console. */
export function limitsOf(plan: LimitPlan): readonly { readonly limit: Limit; readonly tier?: string }[] {
  const of = (group: LimitGroup | undefined): { limit: Limit }[] => (group?.limits ?? []).map((limit) => ({ limit }));
  return [
    ...of(plan.floor),
    ...of(plan.unauthenticated),
    ...[...plan.tiers].flatMap(([tier, group]) => group.limits.map((limit) => ({ limit, tier }))),
    ...of(plan.apiKey),
    ...of(plan.organization),
    ...of(plan.service),
    ...[...plan.operations.values()].flatMap(({ alone }) => of(alone)),
  ];
}

/** Whether it can be charged: an integer of 0 to 2^53 - 1. */
export function isCost(cost: unknown): cost is number {
  return Number.isSafeInteger(cost) && (cost as number) >= 0; // isSafeInteger: it is a number
}

function readOperation(name: string, rule: OperationRule, now: () => number): OperationLimit {
  const option = `operations.${name}`;
  if (!/^[\x21-\x7e]{1,128}$/.test(name) || STACK_NAMES.has(name) || RESERVED_END.test(name)) {
    const reserved = [...STACK_NAMES, "*.ceiling", "*.inflight"].join(", ");
    throw invalidOption("operations", name, `named by 1 to 128 visible ASCII characters, other than ${reserved}`);
  }
  if (typeof rule !== "object" || rule === null) throw invalidOption(option, rule, "a limit, e.g. { limit: 60 }");
  const { cost = 1, per = "caller" } = rule;
  if (typeof cost !== "function" && !isCost(cost)) throw invalidOption(`${option}.cost`, cost, "an integer of 0 and up, or a function");
  if (!["caller", "organization", "service"].includes(per)) throw invalidOption(`${option}.per`, per, "caller, organization or service");
  const cap = readCap(name, option, rule);
  const shards = readShards(`${option}.shards`, rule.shards);
  if (shards > 1 && (per !== "service" || cap !== undefined)) {
    throw invalidOption(`${option}.shards`, shards, 'absent unless per is "service", and without maxInFlight');
  }
  if (rule.limit === undefined && cap === undefined) throw invalidOption(option, rule, "a limit, a maxInFlight, or both");
  const limits =
    rule.limit === undefined ? [] : readLimits(option, shardOf(option, { ...rule, limit: rule.limit }, shards), name, `op:${name}`);
  const usualCost = typeof cost === "number" ? cost : 1;
  const once = (make: (stack: LimitGroup) => LimitGroup): ((stack: LimitGroup) => LimitGroup) => {
    const made = new Map<LimitGroup, LimitGroup>();
    return (stack) => {
      let group = made.get(stack);
      if (group === undefined) made.set(stack, (group = make(stack)));
      return group;
    };
  };
  return Object.freeze({
    ...{ name, limits, cost, per, cap, shards },
    alone: createLimitGroup({ costly: limits, cap, usualCost, now, operation: name }),
    capAlone: createLimitGroup({ cap, now, operation: name }),
    after: once((stack) => createLimitGroup({ counted: stack.limits, costly: limits, cap, usualCost, now, operation: name })),
    before: once((stack) => createLimitGroup({ counted: stack.limits, now, operation: name })),
  });
}

function readCap(name: string, option: string, { maxInFlight, leaseMs = DEFAULTS.leaseMs }: Concurrency): Cap | undefined {
  if (maxInFlight === undefined) return undefined;
  if (!Number.isInteger(maxInFlight) || maxInFlight < 1 || maxInFlight > MOST_IN_FLIGHT) {
    throw invalidOption(`${option}.maxInFlight`, maxInFlight, `an integer of 1 to ${MOST_IN_FLIGHT}`);
  }
  if (!(leaseMs >= 1_000 && leaseMs <= 3_600_000)) throw invalidOption(`${option}.leaseMs`, leaseMs, "1 second to 1 hour, in ms");
  const told = `${name}.inflight`;
  return Object.freeze({
    name: told,
    operation: name,
    id: `op:${name}`,
    capacity: maxInFlight,
    leaseMs,
    texts: concurrencyTexts(told, maxInFlight),
    counts: noCounts(),
  });
}

function readShards(option: string, shards: number | undefined): number {
  if (shards === undefined) return 1;
  if (!Number.isInteger(shards) || shards < 1 || shards > MOST_SHARDS)
    throw invalidOption(option, shards, `an integer of 1 to ${MOST_SHARDS}`);
  return shards;
}

/**
 * The part of a limit that one shard enforces. Rounded down: together they never allow more.
 *
 * @throws {ConfigurationError} `invalid_option`: a shard would have nothing.
 */
function shardOf(option: string, rule: ServiceRule, shards: number): ServiceRule {
  if (shards === 1) return rule;
  const part = (name: string, units: number): number => {
    if (!(units >= shards)) throw invalidOption(`${option}.shards`, shards, `at most the ${name}, so that each shard has a part of it`);
    return Math.floor(units / shards);
  };
  const limit = part("limit", rule.limit);
  if (rule.kind === "window" || rule.kind === "calendar") return { ...rule, limit };
  const { burst, burstMultiplier, ceiling } = rule;
  if (burstMultiplier !== undefined) part("burst", rule.limit * burstMultiplier);
  return {
    ...rule,
    limit,
    ...(burst === undefined ? {} : { burst: part("burst", burst) }),
    ...(ceiling === undefined ? {} : { ceiling: { ...ceiling, limit: part("limit of the ceiling", ceiling.limit) } }),
  };
}

/** A tier may have no ceiling; where several have one, it is of one kind, like the limits under it. */
function assertSameKinds(tiers: readonly (readonly Limit[])[]): void {
  for (const index of [0, 1]) {
    const kinds = [...new Set(tiers.flatMap((limits) => limits[index]?.kind ?? []))];
    if (kinds.length < 2) continue;
    throw new ConfigurationError(
      "invalid_option",
      `Option "tiers" has ${index === 0 ? "tiers" : "ceilings"} of different kinds (${kinds.join("; ")}): who changes tiers would have a fresh ` +
        "limit of each. Give all of them the same kind.",
    );
  }
}

function assertDominates(floor: readonly Limit[], [limit]: readonly Limit[], option: string): void {
  const low = limit === undefined ? undefined : floor.find((one) => !dominates(one, limit));
  if (low === undefined || limit === undefined) return;
  throw new ConfigurationError(
    "invalid_option",
    `Option "floor" (${describeLimit(low)}) is lower than "${option}" (${describeLimit(limit)}): callers would hit the floor of their ` +
      `address before their own limit. Raise the floor's limit and burst to at least those of "${option}".`,
  );
}

/** E.g. `60 per 60000 ms, burst 120`, `10000 a month (Europe/Berlin)`. */
export function describeLimit({ kind, limit, periodMs, capacity, calendar }: Limit): string {
  if (calendar !== undefined) return `${limit} a ${calendar.period} (${calendar.timeZone})`;
  const often = `${limit} per ${Math.round(periodMs * 1000) / 1000} ms`;
  return kind === "bucket" ? `${often}, burst ${capacity}` : `${often}, by window`;
}
