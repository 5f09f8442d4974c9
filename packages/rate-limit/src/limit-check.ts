import type { LimitAsk, LimitCell, LimitHolder, LimitHolderKind, LimitLease } from "@portcullis/core";
import type { Phase } from "./decision.js";
import { invalidCheck, invalidCost, unknownOperation } from "./errors.js";
import type { LimitGroup } from "./limit-group.js";
import { isCost, type LimitPlan, type OperationLimit } from "./limit-plan.js";

/** Whose limits: a subject's (`subjectOf(principal)`, any string), an address's (`clientIpOf(request).key`), an API key's, an organisation's. */
export type LimitedBy =
  | { readonly subject: string }
  | { readonly ipKey: string }
  | { readonly apiKey: string }
  | { readonly organization: string };

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
      /** `clientIpOf(request).address`: for the lists of who is always allowed or refused. */
      readonly address?: string | undefined;
      readonly cost?: number;
    }
  | {
      readonly phase: "anonymous";
      readonly ipKey: string;
      readonly address?: string | undefined;
      readonly operation?: Operation;
      readonly cost?: number;
    }
  | {
      readonly phase: "identified";
      /** `subjectOf(principal)`. Any string. */
      readonly subject: string;
      /** `clientIpOf(request).address`: for the lists, as above. */
      readonly address?: string | undefined;
      /** From the subject's subscription; one that is not configured counts as the default tier. */
      readonly tier?: string | undefined;
      /** Whose limits count too, where there are any. */
      readonly organization?: string | undefined;
      readonly apiKey?: string | undefined;
      readonly operation?: Operation;
      readonly cost?: number;
    }
  | {
      readonly phase: "operation";
      readonly operation: Operation;
      readonly by: LimitedBy;
      readonly address?: string | undefined;
      readonly organization?: string | undefined;
      readonly cost?: number;
      /** Only the cap on requests in flight, not the rate. */
      readonly only?: "concurrency";
    };

/** What is asked of one holder, as a store is asked it; with the next holder of the same check, the most specific first. */
export class Asked implements LimitAsk {
  /** Where the check goes on once this part is allowed. */
  next: Asked | undefined = undefined;
  constructor(
    readonly phase: Phase,
    readonly kind: LimitHolderKind,
    readonly id: string,
    readonly group: LimitGroup,
    /** In the order of the group's limits. */
    readonly cells: readonly LimitCell[],
    readonly lease: LimitLease | undefined,
  ) {}
}

/** What `askLimits` needs beside the plan. */
export interface AskContext {
  /** Told of a tier that is not configured. */
  onUnknownTier(tier: string): void;
  /** A key for a new lease. */
  leaseKey(): string;
  random(): number;
}

const PHASES: ReadonlySet<unknown> = new Set<Phase>(["floor", "anonymous", "identified", "operation"]);
const HOLDER_NAMES = [
  ["subject", "user"],
  ["ipKey", "ip"],
  ["apiKey", "key"],
  ["organization", "org"],
] as const;

/** How a check uses places in flight, where the operation has a cap: takes one, or only looks. */
export type LeaseUse = "take" | "look";

/** A check of somebody, around authentication. */
type CallerCheck = Extract<LimitCheck, { phase: "anonymous" | "identified" }>;

/**
 * Finds the limits of a check, by holder.
 *
 * @throws {RateLimitError} `invalid_check`, `invalid_cost`, `unknown_operation`
 */
export function askLimits(plan: LimitPlan, check: LimitCheck, context: AskContext, leaseUse: LeaseUse = "take"): Asked {
  if (!PHASES.has(check?.phase)) throw invalidCheck(`has no phase; it is one of ${[...PHASES].join(", ")}`);
  if (check.phase === "floor") return askGroup("floor", "ip", check.ipKey, plan.floor, costOf(check.cost, 1));
  const operation = check.operation === undefined ? undefined : plan.operations.get(check.operation);
  if (operation === undefined && (check.phase === "operation" || check.operation !== undefined))
    throw unknownOperation(String(check.operation));
  const cost = costOf(check.cost, operation !== undefined && typeof operation.cost === "number" ? operation.cost : 1);
  // Of this phase the operation was found: the type of the check has one.
  if (check.phase === "operation") return askOperation(check, operation as OperationLimit, cost, context, leaseUse);
  return operation === undefined
    ? askCaller(plan, check, cost, context)
    : askWithOperation(plan, check, operation, cost, context, leaseUse);
}

/**
 * Names the holder for a store. Kinds never share state, so two holders never do.
 *
 * @throws {RateLimitError} `invalid_check`: it names nobody.
 */
export function holderOf(by: LimitedBy): LimitHolder {
  const named: Partial<Record<string, string>> = { ...(typeof by === "object" ? by : {}) };
  for (const [name, kind] of HOLDER_NAMES) {
    const id = named[name];
    if (id !== undefined) return { kind, id: requireId(name, id) };
  }
  throw invalidCheck("names nobody: give a subject, an ipKey, an apiKey or an organization");
}

/** The other way round; `undefined` for the service as a whole. */
export function limitedByOf({ kind, id }: LimitHolder): LimitedBy | undefined {
  switch (kind) {
    case "user":
      return Object.freeze({ subject: id });
    case "ip":
      return Object.freeze({ ipKey: id });
    case "key":
      return Object.freeze({ apiKey: id });
    case "org":
      return Object.freeze({ organization: id });
    case "all":
      return undefined;
  }
}

function requireId(name: string, id: unknown): string {
  if (typeof id !== "string") throw invalidCheck(`has ${id === undefined ? "no" : "a wrong"} ${name}: it must be a string`);
  return id;
}

/** The holder as one string, for events. */
export function textOf({ kind, id }: LimitHolder): string {
  return `${kind}:${id}`;
}

/** The cells with other costs. */
export function withCosts(cells: readonly LimitCell[], costOfCell: (cell: LimitCell, index: number) => number): readonly LimitCell[] {
  return cells.map((cell, index) => ({ ...cell, cost: costOfCell(cell, index) }));
}

function costOf(given: number | undefined, usual: number): number {
  const cost = given ?? usual;
  if (!isCost(cost)) throw invalidCost(cost);
  return cost;
}

function tierOf(plan: LimitPlan, tier: string | undefined, context: AskContext): LimitGroup {
  if (tier === undefined) return plan.defaultTier;
  const known = plan.tiers.get(tier);
  if (known === undefined) context.onUnknownTier(tier);
  return known ?? plan.defaultTier;
}

function askGroup(phase: Phase, kind: LimitHolderKind, id: string, group: LimitGroup, cost: number, lease?: LimitLease): Asked {
  // Of a program without types: what has no id would share the one of everybody else without.
  if (typeof id !== "string") requireId(kind === "ip" ? "ipKey" : "subject", id);
  return new Asked(phase, kind, id, group, group.cellsFor(cost), lease);
}

/** The limits around a caller alone. */
function askCaller(plan: LimitPlan, check: CallerCheck, cost: number, context: AskContext): Asked {
  const caller =
    check.phase === "anonymous"
      ? askGroup("anonymous", "ip", check.ipKey, plan.unauthenticated, cost)
      : askGroup("identified", "user", check.subject, tierOf(plan, check.tier, context), cost);
  return withWider(plan, check, caller, context);
}

/** An operation's limits alone. */
function askOperation(
  { by, organization, only }: Extract<LimitCheck, { phase: "operation" }>,
  operation: OperationLimit,
  cost: number,
  context: AskContext,
  leaseUse: LeaseUse,
): Asked {
  const { kind, id } = holderFor(operation, holderOf(by), organization, context);
  const group = only === "concurrency" ? operation.capAlone : operation.alone;
  return askGroup("operation", kind, id, group, cost, leaseOf(operation, context, leaseUse));
}

/** The limits around a caller, with those of an operation: in one part where it counts callers, else in a part of its own. */
function askWithOperation(
  plan: LimitPlan,
  check: CallerCheck,
  operation: OperationLimit,
  cost: number,
  context: AskContext,
  leaseUse: LeaseUse,
): Asked {
  const { phase } = check;
  const caller: LimitHolder = check.phase === "anonymous" ? { kind: "ip", id: check.ipKey } : { kind: "user", id: check.subject };
  const stack = check.phase === "anonymous" ? plan.unauthenticated : tierOf(plan, check.tier, context);
  const lease = leaseOf(operation, context, leaseUse);
  if (operation.per === "caller") {
    return withWider(plan, check, askGroup(phase, caller.kind, caller.id, operation.after(stack), cost, lease), context);
  }
  const organization = check.phase === "identified" ? check.organization : undefined;
  const { kind, id } = holderFor(operation, caller, organization, context);
  const ofMany = askGroup(phase, kind, id, operation.alone, cost, lease);
  return withWider(plan, check, askGroup(phase, caller.kind, caller.id, operation.before(stack), 1), context, ofMany);
}

/**
 * The parts of a check that count more than one caller, behind the caller's own. The API key, which counts less, goes first.
 *
 * @param operation Of more than one caller.
 */
function withWider(plan: LimitPlan, check: CallerCheck, caller: Asked, context: AskContext, operation?: Asked): Asked {
  if (!plan.isWide && operation === undefined) return caller;
  const { phase } = check;
  // Strangers have the limits of their addresses: what they could use up of the service would be missed by those it is for.
  const organization = check.phase === "identified" ? check.organization : undefined;
  const apiKey = check.phase === "identified" ? check.apiKey : undefined;
  const parts: Asked[] = [caller];
  if (plan.apiKey !== undefined && apiKey !== undefined) parts.unshift(askGroup(phase, "key", apiKey, plan.apiKey, 1));
  if (operation !== undefined) parts.push(operation);
  if (plan.organization !== undefined && organization !== undefined) parts.push(askGroup(phase, "org", organization, plan.organization, 1));
  if (plan.service !== undefined && phase === "identified")
    parts.push(askGroup(phase, "all", shardId(plan.serviceShards, context), plan.service, 1));
  for (let index = 1; index < parts.length; index += 1) (parts[index - 1] as Asked).next = parts[index]; // index - 1 < length
  return parts[0] as Asked; // the caller's at least
}

function holderFor(
  { per, shards }: OperationLimit,
  caller: LimitHolder,
  organization: string | undefined,
  context: AskContext,
): LimitHolder {
  if (per === "service") return { kind: "all", id: shardId(shards, context) };
  return per === "organization" && organization !== undefined ? { kind: "org", id: organization } : caller;
}

function shardId(shards: number, context: AskContext): string {
  return shards === 1 ? "service" : `service#${Math.floor(context.random() * shards)}`;
}

function leaseOf({ cap }: OperationLimit, context: AskContext, use: LeaseUse): LimitLease | undefined {
  if (cap === undefined) return undefined;
  return use === "take"
    ? { id: cap.id, capacity: cap.capacity, key: context.leaseKey(), ttlMs: cap.leaseMs }
    : { id: cap.id, capacity: cap.capacity, key: "", ttlMs: 0 };
}
