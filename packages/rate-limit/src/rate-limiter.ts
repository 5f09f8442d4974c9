import { invalidOption, type LimitHolder, type MaybePromise, noMetrics, quietly, systemClock } from "@portcullis/core";
import { createListed } from "./access-lists.js";
import { createCheckFlow } from "./check-flow.js";
import type { Decision, Phase } from "./decision.js";
import { createExclusion } from "./excluded-paths.js";
import { createLeaseKeeper } from "./lease-keeper.js";
import { type AskContext, askLimits, holderOf, type LimitCheck, type LimitedBy, textOf } from "./limit-check.js";
import { createLimitGuards, type LimitGuards } from "./limit-guards.js";
import { limitsOf, readPlan } from "./limit-plan.js";
import { dominates, type Limit } from "./limit-rule.js";
import { createLimitSource } from "./limit-source.js";
import { FROM_STORE } from "./origin.js";
import { readProblemTypes } from "./problem-types.js";
import { RateLimitMetrics } from "./rate-limit-metrics.js";
import { type RateLimitStatus, toStatus } from "./rate-limit-status.js";
import type { RateLimiterOptions } from "./rate-limiter-options.js";
import { readOptions } from "./read-options.js";
import { createRefusedHolders } from "./refused-holders.js";
import { createShadowLimits, type ShadowVerdict } from "./shadow-limits.js";
import { decideListed } from "./policy-decision.js";
import { createTokenBatches } from "./token-batches.js";

/** The limits of a service, as checks and as guards. */
export interface RateLimiter<Operation extends string = string> extends LimitGuards<Operation> {
  /**
   * Charges the limits of the check, all or none, in one round trip for each holder; answers at once where the store does. A denial is an
   * answer, never an exception.
   *
   * @throws {RateLimitError} `invalid_cost`, `unknown_operation`; nothing was charged.
   */
  check(check: LimitCheck<Operation>): MaybePromise<Decision>;
  /** What `check` would answer, without charging: `remaining` is what is left now. @throws {RateLimitError} As `check`. */
  peek(check: LimitCheck<Operation>): MaybePromise<Decision>;
  /**
   * Fills all limits of a holder, operations included, and ends a block. Places in flight stay taken: their requests still run.
   *
   * @throws {StoreUnavailable} Whether they were filled is unknown.
   */
  reset(holder: LimitedBy): MaybePromise<void>;
  /**
   * Refuses everything to a holder for so long; 0 ends a block.
   *
   * @param ms 0 to 366 days.
   * @throws {ConfigurationError} `invalid_option`
   * @throws {StoreUnavailable} Whether it is blocked is unknown.
   */
  block(holder: LimitedBy, ms: number): MaybePromise<void>;
  /** How the limiter is doing, for an administrator. */
  status(): RateLimitStatus;
}

const MOST_BLOCK_MS = 366 * 86_400_000;
const MOST_REFUSED = 32;
/** Gauges follow every so many checks: they are for a scrape every few seconds. */
const CHECKS_PER_GAUGE = 256;

/**
 * Makes a limiter: how often each address, caller and operation may be served.
 *
 * Three limits stand around authentication: the floor of the client address, charged by every request; the limit of an
 * address without credentials; the limit of a known subject by its tier. Operations have limits of their own on top.
 * Each is a bucket (generic cell rate algorithm): no window has a boundary around which twice as much fits. Contracts
 * by the hour or the month have kinds of their own.
 *
 * @throws {ConfigurationError} `invalid_option`: also when the floor is lower than a tier or the unauthenticated limit.
 * @see draft-ietf-httpapi-ratelimit-headers; ITU-T I.371 Annex A
 * @example
 * ```ts
 * import { createMemoryStore } from "@portcullis/core";
 * import { createRateLimiter, limitPresets } from "@portcullis/rate-limit";
 *
 * const limiter = createRateLimiter({
 *   store: createMemoryStore(),
 *   floor: { limit: 3_000, burst: 6_000 },
 *   unauthenticated: { limit: 10, burst: 20 },
 *   tiers: limitPresets.tiers,
 *   defaultTier: "free",
 *   operations: { "chat.create": { limit: 2, burst: 2 } },
 * });
 * const ask = () => limiter.check({ phase: "identified", subject: "ada", operation: "chat.create" });
 * await ask();
 * await ask();
 * const third = await ask();
 * console.log(third.allowed, third.violated.join(), third.problem()?.status); // false chat.create 429
 * ```
 */
export function createRateLimiter<Tier extends string, Operation extends string = never>(
  options: RateLimiterOptions<Tier, Operation>,
): RateLimiter<Operation> {
  const { metrics = noMetrics, clock = systemClock, random = Math.random, tierOf = () => undefined } = options;
  const onEvent = options.onEvent === undefined ? undefined : quietly(options.onEvent);
  const { headers, onOutage, instances, deadlineMs, breaker, denials, batching, retryJitter } = readOptions(options);
  const wall = (): number => clock.now();
  const plan = readPlan(options, wall);
  const isExcluded = createExclusion(options.exclude ?? []);
  const listed = createListed(options.allow, options.deny);
  const terms = {
    headers,
    problemTypes: readProblemTypes(options.problemTypes),
    jitter: (waitMs: number) => (retryJitter === 0 ? waitMs : waitMs * (1 + retryJitter * random())),
  };
  const policies = [...new Set(limitsOf(plan).map(({ limit }) => limit.name)), ...capsOf().map(({ name }) => name)];
  // The clock is read for the histogram only where someone keeps it.
  const measures = new RateLimitMetrics(metrics, clock, policies, metrics !== noMetrics);
  const refused = createRefusedHolders(MOST_REFUSED);
  let isDown = false;
  let checks = 0;

  const source = createLimitSource({
    ...{ limits: options.store.limits, policy: onOutage, instances, deadlineMs, breaker, denials, clock },
    held: () => keeper.held(),
    onFailure(error) {
      measures.storeFailed(onOutage);
      if (!isDown) onEvent?.({ type: "store_unavailable", outage: onOutage, error });
      isDown = true;
    },
    onAnswer() {
      if (isDown) onEvent?.({ type: "store_recovered" });
      isDown = false;
    },
  });
  const batches =
    batching === undefined
      ? undefined
      : createTokenBatches({
          ...batching,
          clock,
          consume: source.consumeOnlyThere,
          settle: (ask, at) => source.settle(ask, at, FROM_STORE),
        });
  const keeper = createLeaseKeeper(
    clock,
    ({ cap: { operation } }, error) => onEvent?.({ type: "lease_lost", operation, error }),
    (cap, count) => measures.inFlight(cap.name, count),
  );
  const shadow =
    options.shadow === undefined
      ? undefined
      : createShadowLimits(options.shadow, options.defaultTier, options.store.limits, wall, onShadow);
  const context: AskContext = {
    onUnknownTier(tier) {
      measures.unknownTier();
      onEvent?.({ type: "unknown_tier", tier });
    },
    leaseKey: () => crypto.randomUUID(),
    random,
  };
  const flow = createCheckFlow({ source, batches, keeper, measures, terms, clock, deadlineMs, onDenied });

  for (const operation of operationsAboveFloor()) onEvent?.({ type: "operation_exceeds_floor", operation });

  function capsOf(): readonly { readonly name: string }[] {
    return [...plan.operations.values()].flatMap(({ cap }) => (cap === undefined ? [] : [cap]));
  }

  function operationsAboveFloor(): readonly string[] {
    const floor = plan.floor.limits[0] as Limit; // a rule is one limit at least
    return [...plan.operations.values()]
      .filter(({ limits: [limit] }) => limit !== undefined && !dominates(floor, limit))
      .map(({ name }) => name);
  }

  function check(input: LimitCheck): MaybePromise<Decision> {
    const verdict = listed?.(input);
    if (verdict !== undefined) return checkListed(input, verdict === "allowed");
    const decision = flow.charge(askLimits(plan, input, context));
    if ((checks += 1) % CHECKS_PER_GAUGE === 0) measures.holds(source.status());
    return shadow === undefined ? decision : tryShadow(input, decision);
  }

  function checkListed(input: LimitCheck, isAllowed: boolean): Decision {
    const decision = decideListed(toldOf(input), isAllowed);
    if (!isAllowed) onDenied(holderOf(input.phase === "operation" ? input.by : input), decision);
    return decision;
  }

  function peek(input: LimitCheck): MaybePromise<Decision> {
    const verdict = listed?.(input);
    if (verdict !== undefined) return decideListed(toldOf(input), verdict === "allowed");
    return flow.look(askLimits(plan, input, context, "look"));
  }

  function toldOf(input: LimitCheck): { readonly phase: Phase; readonly operation: string | undefined } {
    return { phase: input.phase, operation: input.phase === "floor" ? undefined : input.operation };
  }

  function onDenied(holder: LimitHolder, decision: Decision): void {
    refused.add(holder);
    // Who hears nothing of it does not have it worked out: an attack is many refusals.
    onEvent?.({ type: "denied", phase: decision.phase, key: textOf(holder), violated: decision.violated });
  }

  function tryShadow(input: LimitCheck, decision: MaybePromise<Decision>): MaybePromise<Decision> {
    if (input.phase === "operation" && input.only !== undefined) return decision;
    const observe = (made: Decision): Decision => {
      // A store that is left alone is left alone by trials, too.
      if (made.allowed && source.status().breaker === "closed") shadow?.observe(input, usualCostOf(input));
      return made;
    };
    return decision instanceof Promise ? decision.then(observe) : observe(decision);
  }

  function usualCostOf(input: LimitCheck): number {
    const cost = input.phase === "floor" ? 1 : plan.operations.get(input.operation ?? "")?.cost;
    return typeof cost === "number" ? cost : 1;
  }

  function onShadow({ phase, key, outcomes }: ShadowVerdict): void {
    for (const outcome of outcomes) measures.shadowed(outcome.name, outcome.allowed);
    const violated = outcomes.filter((outcome) => !outcome.allowed).map(({ name }) => name);
    if (violated.length > 0) onEvent?.({ type: "shadow_denied", phase, key, violated });
  }

  const guards = createLimitGuards<Operation>({
    ...{ check, headers, isExcluded, operations: plan.operations, tierOf, hasLists: listed !== undefined },
    onUnknownAddress: () => measures.unknownAddress(),
  });
  return Object.freeze({
    check,
    peek,
    reset(by: LimitedBy) {
      const holder = holderOf(by);
      batches?.forget(holder);
      return source.reset(holder);
    },
    block(by: LimitedBy, ms: number) {
      if (!(ms >= 0 && ms <= MOST_BLOCK_MS)) throw invalidOption("ms", ms, "0 to 366 days, in ms");
      const holder = holderOf(by);
      batches?.forget(holder);
      return source.block(holder, ms);
    },
    status: () =>
      toStatus({
        ...{ plan, source: source.status(), outagePolicy: onOutage },
        ...{ heldByCap: keeper.counts(), batchedUnits: batches?.held ?? 0, refused: refused.list() },
      }),
    ...guards,
  });
}
