import { invalidOption, type LimitCell, limitState, type MaybePromise, noMetrics, systemClock } from "@portcullis/core";
import { decide, decideBlind, type Decision, type Refund } from "./decision.js";
import { createExclusion } from "./excluded-paths.js";
import { type AskedLimits, askLimits, keyOf, type LimitCheck, type LimitHolder, withCost } from "./limit-check.js";
import { createLimitGuards, type LimitGuards } from "./limit-guards.js";
import { operationsAboveFloor, readPlan } from "./limit-plan.js";
import type { Limit } from "./limit-rule.js";
import { type Consumption, guardLimits } from "./outage.js";
import { RateLimitMetrics } from "./rate-limit-metrics.js";
import type { RateLimiterOptions } from "./rate-limiter-options.js";

/** The limits of a service, as checks and as guards. */
export interface RateLimiter<Operation extends string = string> extends LimitGuards<Operation> {
  /**
   * Charges the limits of the check, all or none, in one round trip; answers at once where the store does. A denial is an
   * answer, never an exception.
   *
   * @throws {RateLimitError} `invalid_cost`, `unknown_operation`; nothing was charged.
   */
  check(check: LimitCheck<Operation>): MaybePromise<Decision>;
  /** What `check` would answer, without charging: `remaining` is what is left now. @throws {RateLimitError} As `check`. */
  peek(check: LimitCheck<Operation>): MaybePromise<Decision>;
  /**
   * Fills all limits of a subject or an address, operations included.
   *
   * @throws {StoreUnavailable} Whether they were filled is unknown.
   */
  reset(holder: LimitHolder): MaybePromise<void>;
}

const DEFAULTS = Object.freeze({ headers: "draft", onOutage: "local", instances: 1 } as const);
const HEADERS = ["draft", "legacy", "both", "none"];
const OUTAGES = ["closed", "open", "local"];
const MOST_INSTANCES = 10_000;

/**
 * Makes a limiter: how often each address, caller and operation may be served.
 *
 * Three limits stand around authentication: the floor of the client address, charged by every request; the limit of an
 * address without credentials; the limit of a known subject by its tier. Operations have limits of their own on top.
 * Each is a bucket (generic cell rate algorithm): no window has a boundary around which twice as much fits.
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
  const { headers = DEFAULTS.headers, onOutage = DEFAULTS.onOutage, instances = DEFAULTS.instances } = options;
  const { metrics = noMetrics, clock = systemClock, onEvent, tierOf = () => undefined } = options;
  if (!HEADERS.includes(headers)) throw invalidOption("headers", headers, `one of ${HEADERS.join(", ")}`);
  if (!OUTAGES.includes(onOutage)) throw invalidOption("onOutage", onOutage, `one of ${OUTAGES.join(", ")}`);
  if (!Number.isInteger(instances) || instances < 1 || instances > MOST_INSTANCES) {
    throw invalidOption("instances", instances, `an integer of 1 to ${MOST_INSTANCES}`);
  }
  if (typeof options.store?.limits?.consume !== "function") throw invalidOption("store", options.store, "a store with limits");
  if (typeof tierOf !== "function") throw invalidOption("tierOf", tierOf, "a function of the principal");
  if (onEvent !== undefined && typeof onEvent !== "function") throw invalidOption("onEvent", onEvent, "a function");
  const plan = readPlan(options);
  const isExcluded = createExclusion(options.exclude ?? []);
  const measures = new RateLimitMetrics(metrics, clock, ["floor", "unauthenticated", "authenticated", ...plan.operations.keys()]);
  // The clock is read for the histogram only where someone keeps it.
  const isMeasured = metrics !== noMetrics;
  let isDown = false;
  const limits = guardLimits({
    limits: options.store.limits,
    policy: onOutage,
    instances,
    clock,
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
  for (const operation of operationsAboveFloor(plan)) onEvent?.({ type: "operation_exceeds_floor", operation });

  function check(input: LimitCheck): MaybePromise<Decision> {
    const asked = askLimits(plan, input, onUnknownTier);
    const start = isMeasured ? measures.start() : 0;
    const consumption = limits.consume(asked.key, asked.cells);
    return consumption instanceof Promise ? consumption.then((late) => finish(asked, start, late)) : finish(asked, start, consumption);
  }

  function finish(asked: AskedLimits, start: number, consumption: Consumption): Decision {
    if (isMeasured) measures.measured(start);
    const decision = conclude(asked, consumption);
    if (!decision.allowed) onEvent?.({ type: "denied", phase: decision.phase, key: asked.key, violated: decision.violated });
    return decision;
  }

  function conclude(asked: AskedLimits, consumption: Consumption): Decision {
    if (consumption.kind === "unknown") {
      for (const limit of asked.limits) measures.checked(limit.name, consumption.policy);
      return decideBlind(asked.phase, asked.limits, consumption.policy);
    }
    const { result, local } = consumption;
    for (let index = 0; index < result.cells.length; index += 1) {
      measures.checked((asked.limits[index] as Limit).name, result.cells[index]?.allowed === true ? "allowed" : "denied"); // one state for each limit
    }
    const refund = result.allowed ? refundOf(asked, local) : undefined;
    return decide(asked, result.cells, headers, local ? "local" : undefined, refund);
  }

  function refundOf({ key, cells }: AskedLimits, local: boolean): Refund {
    return (cost) => {
      if (cost === undefined) return limits.refund(key, cells, local);
      const charged = cells.at(-1) as LimitCell; // every check has a limit, the last one bears the cost
      return limits.refund(key, [withCost(charged, Math.min(cost, charged.cost))], local);
    };
  }

  function peek(input: LimitCheck): MaybePromise<Decision> {
    const asked = askLimits(plan, input, onUnknownTier);
    const look = (consumption: Consumption): Decision => {
      if (consumption.kind === "unknown") return decideBlind(asked.phase, asked.limits, consumption.policy);
      const { result, cells } = consumption;
      // An uncharged cell's resetMs is its debt, from which core's arithmetic says what the real cost would meet.
      const states = result.cells.map(({ resetMs }, index) => limitState(cells[index] as LimitCell, resetMs, false)); // one for each cell
      return decide(asked, states, headers, consumption.local ? "local" : undefined, undefined);
    };
    const consumption = limits.look(asked.key, asked.cells);
    return consumption instanceof Promise ? consumption.then(look) : look(consumption);
  }

  function onUnknownTier(tier: string): void {
    measures.unknownTier();
    onEvent?.({ type: "unknown_tier", tier });
  }

  const guards = createLimitGuards<Operation>({ check, headers, isExcluded, operations: plan.operations, tierOf });
  return Object.freeze({ check, peek, reset: (holder: LimitHolder) => limits.reset(keyOf(holder)), ...guards });
}
