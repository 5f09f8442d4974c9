import { invalidOption, type LimitHolder, type LimitResult, type MaybePromise, noMetrics, systemClock } from "@portcullis/core";
import { createAccessList } from "./access-lists.js";
import { decide, decideBlind, decideListed, type Decision, type DecisionTerms, FROM_STORE, type Origin, type Part } from "./decision.js";
import { createExclusion } from "./excluded-paths.js";
import { createLeaseKeeper, type HeldLease } from "./lease-keeper.js";
import { type AskContext, type Asked, askLimits, holderOf, type LimitCheck, type LimitedBy, textOf, withCosts } from "./limit-check.js";
import { createLimitGuards, type LimitGuards } from "./limit-guards.js";
import { limitsOf, readPlan } from "./limit-plan.js";
import { dominates, type Limit } from "./limit-rule.js";
import { createLimitSource, Heard } from "./outage.js";
import { readProblemTypes } from "./problem-types.js";
import { RateLimitMetrics } from "./rate-limit-metrics.js";
import { type RateLimitStatus, toStatus } from "./rate-limit-status.js";
import { readOptions } from "./read-options.js";
import type { RateLimiterOptions } from "./rate-limiter-options.js";
import { createRefusedHolders } from "./refused-holders.js";
import { createShadowLimits, type ShadowVerdict } from "./shadow-limits.js";
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
const NO_PARTS: readonly Part[] = Object.freeze([]);
const FROM_BATCH: Origin = Object.freeze({ decidedBy: "batch", degraded: undefined, degradedReason: undefined });

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
  const { metrics = noMetrics, clock = systemClock, random = Math.random, onEvent, tierOf = () => undefined } = options;
  const { headers, onOutage, instances, deadlineMs, breaker, denials, batching, retryJitter } = readOptions(options);
  const wall = (): number => clock.now();
  const plan = readPlan(options, wall);
  const isExcluded = createExclusion(options.exclude ?? []);
  const allowed = createAccessList("allow", options.allow);
  const denied = createAccessList("deny", options.deny);
  const hasLists = !allowed.isEmpty || !denied.isEmpty;
  const terms: DecisionTerms = Object.freeze({
    charger: { settle: settleParts, release: releaseParts },
    headers,
    problemTypes: readProblemTypes(options.problemTypes),
    jitter: (waitMs: number) => (retryJitter === 0 ? waitMs : waitMs * (1 + retryJitter * random())),
  });
  // What was only looked at charged nothing.
  const lookingTerms: DecisionTerms = Object.freeze({ ...terms, charger: undefined });
  const policies = [...new Set(limitsOf(plan).map(({ limit }) => limit.name)), ...capsOf().map(({ name }) => name)];
  // The clock is read for the histogram only where someone keeps it.
  const measures = new RateLimitMetrics(metrics, clock, policies, metrics !== noMetrics);
  const refused = createRefusedHolders(MOST_REFUSED);
  let isDown = false;
  let checks = 0;

  const source = createLimitSource({
    ...{ limits: options.store.limits, policy: onOutage, instances, deadlineMs, breaker, denials, clock },
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
    if (hasLists) {
      const listed = findListed(input);
      if (listed !== undefined) return listed;
    }
    const asked = askLimits(plan, input, context);
    const start = measures.start();
    if ((checks += 1) % CHECKS_PER_GAUGE === 0) measures.holds(source.status());
    return shadow === undefined ? ask(asked, start, NO_PARTS) : tryShadow(input, ask(asked, start, NO_PARTS));
  }

  function ask(asked: Asked, start: number, before: readonly Part[]): MaybePromise<Decision> {
    const after = before.length === 0 ? undefined : before[before.length - 1]?.origin;
    const answer = batches === undefined || after?.degraded !== undefined ? source.consume(asked, after) : askBatched(asked);
    return answer instanceof Promise ? answer.then((late) => finish(asked, start, before, late)) : finish(asked, start, before, answer);
  }

  function askBatched(asked: Asked): MaybePromise<LimitResult | Heard> {
    const batched = batches?.take(asked);
    if (batched === undefined) return source.consume(asked);
    if (!(batched instanceof Promise)) return fromBatch(batched);
    return batched.then((said) => {
      if (said === undefined) return source.consume(asked);
      return "decidedBy" in said ? source.consume(asked, said) : fromBatch(said);
    });
  }

  function fromBatch(result: LimitResult): Heard {
    measures.servedFromBatch();
    return new Heard(result, FROM_BATCH);
  }

  /** Goes on with the next holder, or concludes. @param before Parts that were allowed. */
  function finish(asked: Asked, start: number, before: readonly Part[], answer: LimitResult | Heard): MaybePromise<Decision> {
    if (answer instanceof Heard) return finishHeard(asked, start, before, answer);
    return conclude(asked, start, before, answer, FROM_STORE);
  }

  function finishHeard(asked: Asked, start: number, before: readonly Part[], { result, origin }: Heard): MaybePromise<Decision> {
    if (origin.degraded !== undefined) measures.degraded(origin.degraded, origin.degradedReason ?? "");
    else if (origin.decidedBy === "denials") measures.repeatedDenial();
    return result === undefined ? finishBlind(asked, start, before, origin) : conclude(asked, start, before, result, origin);
  }

  function conclude(asked: Asked, start: number, before: readonly Part[], result: LimitResult, origin: Origin): MaybePromise<Decision> {
    count(asked, result);
    const held = result.allowed && asked.lease !== undefined ? hold(asked, origin) : undefined;
    if (result.allowed && asked.next !== undefined) return ask(asked.next, start, [...before, { asked, result, origin, held }]);
    measures.measured(start);
    const decision = decide({ asked, result, origin, held }, before, terms);
    if (result.allowed) return decision;
    tellDenied(asked, decision);
    return giveBack(before, decision);
  }

  function finishBlind(asked: Asked, start: number, before: readonly Part[], origin: Origin): MaybePromise<Decision> {
    measures.measured(start);
    const outcome = origin.degraded === "open" ? "open" : "closed";
    for (const limit of asked.group.limits) measures.checked(limit, outcome);
    const decision = decideBlind(asked, terms, origin, earlierOf(before));
    if (decision.allowed) return decision;
    tellDenied(asked, decision);
    return giveBack(before, decision);
  }

  function earlierOf(before: readonly Part[]): Decision | undefined {
    const last = before.at(-1);
    return last === undefined ? undefined : decide(last, before.slice(0, -1), terms);
  }

  function count({ group: { limits, cap }, lease }: Asked, result: LimitResult): void {
    // Of an allowed check each limit allowed, and one that was asked alone refused: that needs no look at what they said.
    if (result.allowed) for (let index = 0; index < limits.length; index += 1) measures.checked(limits[index] as Limit, "allowed"); // index < length
    else if (limits.length === 1 && lease === undefined && result.blockedMs === 0) measures.checked(limits[0] as Limit, "denied"); // 0 < length
    else {
      for (const [index, { allowed: isAllowed }] of result.cells.entries()) {
        measures.checked(limits[index] as Limit, isAllowed ? "allowed" : "denied"); // one limit for each cell
      }
    }
    if (cap !== undefined && lease !== undefined) measures.checked(cap, result.lease?.allowed === true ? "allowed" : "denied");
  }

  function tellDenied(asked: Asked, decision: Decision): void {
    refused.add(asked);
    onEvent?.({ type: "denied", phase: decision.phase, key: textOf(asked), violated: decision.violated });
  }

  /** All or nothing: a later holder refused, so the earlier ones get back what they were charged. */
  function giveBack(before: readonly Part[], decision: Decision): MaybePromise<Decision> {
    if (before.length === 0) return decision;
    // What cannot be given back comes back by itself; the refusal stands either way.
    const done = [quiet(() => settleParts(before, undefined)), quiet(() => releaseParts(before))].filter((one) => one !== undefined);
    return done.length === 0 || decision.degraded !== undefined ? decision : untilDone(done).then(() => decision);
  }

  /** A store that does not answer now holds nobody up longer than one that did not answer before. */
  function untilDone(running: readonly Promise<void>[]): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(deadlineMs, resolve);
      void Promise.all(running).then(() => {
        cancel();
        resolve();
      });
    });
  }

  function hold({ kind, id, lease, group: { cap } }: Asked, origin: Origin): HeldLease | undefined {
    if (lease === undefined || cap === undefined) return undefined;
    const holder: LimitHolder = { kind, id };
    const held: HeldLease = { holder, lease, cap, renew: () => source.renew(holder, lease, origin) };
    keeper.keep(held);
    return held;
  }

  function settleParts(parts: readonly Part[], cost: number | undefined): MaybePromise<void> {
    return each(parts, ({ asked, result, origin }) => {
      const cells = withCosts(asked.cells, (cell, index) => {
        if (cost === undefined) return cell.cost;
        return index < asked.group.costlyFrom ? 0 : Math.min(cost, cell.cost);
      });
      if (cells.every((cell) => cell.cost === 0)) return undefined;
      return source.settle({ kind: asked.kind, id: asked.id, cells }, result.at, origin);
    });
  }

  function releaseParts(parts: readonly Part[]): MaybePromise<void> {
    return each(parts, ({ asked: { kind, id }, result, origin, held }) => {
      if (held === undefined || !keeper.drop(held)) return undefined;
      return source.settle({ kind, id, cells: [], lease: held.lease }, result.at, origin);
    });
  }

  function peek(input: LimitCheck): MaybePromise<Decision> {
    const listed = hasLists ? findListed(input) : undefined;
    return listed ?? look(askLimits(plan, input, context, "look"), NO_PARTS);
  }

  function look(asked: Asked, before: readonly Part[]): MaybePromise<Decision> {
    const { kind, id, cells, lease } = asked;
    const answer = source.look({ kind, id, cells, lease, dryRun: true }, before.at(-1)?.origin);
    const conclude = (said: LimitResult | Heard): MaybePromise<Decision> => {
      const { result, origin } = said instanceof Heard ? said : new Heard(said, FROM_STORE);
      if (result === undefined) return decideBlind(asked, terms, origin);
      const part: Part = { asked, result, origin, held: undefined };
      return result.allowed && asked.next !== undefined ? look(asked.next, [...before, part]) : decide(part, before, lookingTerms);
    };
    return answer instanceof Promise ? answer.then(conclude) : conclude(answer);
  }

  function findListed(input: LimitCheck): Decision | undefined {
    const by = input.phase === "operation" ? input.by : input;
    const address = "address" in input ? input.address : undefined;
    if (isDenied(by, address)) {
      const decision = decideListed(input.phase, false);
      const holder = holderOf(by);
      refused.add(holder);
      onEvent?.({ type: "denied", phase: input.phase, key: textOf(holder), violated: decision.violated });
      return decision;
    }
    return isAllowed(by, address) ? decideListed(input.phase, true) : undefined;
  }

  function isDenied(by: LimitedBy, address: string | undefined): boolean {
    if ("subject" in by) return denied.hasSubject(by.subject);
    return "ipKey" in by && (denied.hasAddress(by.ipKey) || (address !== undefined && denied.hasAddress(address)));
  }

  // To be let off is trust, and a key is less than an address: that of 2002:7f00:1:: is 127.0.0.1.
  function isAllowed(by: LimitedBy, address: string | undefined): boolean {
    if ("subject" in by) return allowed.hasSubject(by.subject);
    return "ipKey" in by && allowed.hasAddress(address ?? by.ipKey);
  }

  function tryShadow(input: LimitCheck, decision: MaybePromise<Decision>): MaybePromise<Decision> {
    const observe = (made: Decision): Decision => {
      if (made.allowed) shadow?.observe(input);
      return made;
    };
    return decision instanceof Promise ? decision.then(observe) : observe(decision);
  }

  function onShadow({ phase, key, outcomes }: ShadowVerdict): void {
    for (const outcome of outcomes) measures.shadowed(outcome.name, outcome.allowed);
    const violated = outcomes.filter((outcome) => !outcome.allowed).map(({ name }) => name);
    if (violated.length > 0) onEvent?.({ type: "shadow_denied", phase, key, violated });
  }

  const guards = createLimitGuards<Operation>({
    ...{ check, headers, isExcluded, operations: plan.operations, tierOf },
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

/** All of them, at once; a promise only where there is one to wait for. */
function each(parts: readonly Part[], act: (part: Part) => MaybePromise<void>): MaybePromise<void> {
  const running = parts.map(act).filter((one) => one instanceof Promise);
  if (running.length > 0) return Promise.all(running).then(() => {});
}

function quiet(act: () => MaybePromise<void>): Promise<void> | undefined {
  try {
    const done = act();
    return done instanceof Promise ? done.catch(() => {}) : undefined;
  } catch {
    return undefined;
  }
}
