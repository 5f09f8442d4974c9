import {
  type Clock,
  createDeadlines,
  type LimitAsk,
  type LimitHolder,
  type LimitLease,
  type LimitResult,
  type Limits,
  type LimitUsage,
  type MaybePromise,
  StoreUnavailable,
} from "@portcullis/core";
import { type BreakerState, createCircuitBreaker } from "./circuit-breaker.js";
import type { DegradedReason, OutagePolicy } from "./decision.js";
import { createDenialCache, type DenialCache } from "./denial-cache.js";
import { createLocalLimits } from "./local-limits.js";
import { Heard, type Origin } from "./origin.js";

/** The store's limits with everything that stands between a check and the store. */
export interface LimitSource {
  /**
   * @param after How the part of the check before it was answered: a store that did not answer that one is not waited for again.
   * @returns What the store said, at once where it answers at once; a `Heard` where somebody else answered.
   */
  consume(ask: LimitAsk, after?: Origin): MaybePromise<LimitResult | Heard>;
  /** As `consume`, but nobody else is charged: where the store did not answer, nothing is known. */
  consumeOnlyThere(ask: LimitAsk): MaybePromise<LimitResult | Heard>;
  /** What is there, without charging. @param after As for `consume`. */
  look(ask: LimitAsk, after?: Origin): MaybePromise<LimitResult | Heard>;
  /** @param origin Who had charged. */
  settle(ask: LimitAsk, at: number, origin: Origin): MaybePromise<void>;
  renew(holder: LimitHolder, lease: LimitLease, origin: Origin): MaybePromise<boolean>;
  block(holder: LimitHolder, ms: number): MaybePromise<void>;
  reset(holder: LimitHolder): MaybePromise<void>;
  status(): SourceStatus;
}

/** How the way to the store is doing. */
export interface SourceStatus {
  readonly breaker: BreakerState;
  readonly rememberedDenials: number;
  /** Limits that this process keeps for outages. */
  readonly localCells: number;
  /** What the store holds, where it is the memory of this process. */
  readonly store: LimitUsage | undefined;
}

/** What `createLimitSource` needs to know. */
export interface LimitSourceOptions {
  readonly limits: Limits;
  readonly policy: OutagePolicy;
  /** Processes that share the store. */
  readonly instances: number;
  readonly deadlineMs: number;
  readonly breaker: { readonly failures: number; readonly probeMs: number };
  readonly denials: { readonly maxEntries: number; readonly maxAgeMs: number } | undefined;
  readonly clock: Clock;
  /** The places in flight that this process holds: an outage begins with them. */
  readonly held: () => Iterable<HeldPlace>;
  /** Of each call that the store did not answer. */
  readonly onFailure: (error: StoreUnavailable) => void;
  /** Of the first call that it answered after one that it did not. */
  readonly onAnswer: () => void;
}

/** A place in flight, and whose. */
interface HeldPlace {
  readonly holder: LimitHolder;
  readonly lease: LimitLease;
}

/** Who answers in the store's place. */
type Substitute = (ask: LimitAsk, reason: DegradedReason) => Heard;

const FROM_DENIALS: Origin = Object.freeze({ decidedBy: "denials", degraded: undefined, degradedReason: undefined });

/**
 * Puts a deadline, a circuit breaker and an outage policy between the limiter and its store. Only `StoreUnavailable` is an outage; any
 * other exception is a fault of the program and is passed on, so that the request fails closed.
 *
 * While a store answers, the limits of this process follow it, so that an outage does not begin with full ones.
 */
export function createLimitSource(options: LimitSourceOptions): LimitSource {
  const { limits, policy, clock, onFailure, onAnswer } = options;
  const breaker = createCircuitBreaker({ ...options.breaker, clock });
  const deadlines = createDeadlines(clock, options.deadlineMs);
  const denials: DenialCache | undefined = options.denials === undefined ? undefined : createDenialCache({ ...options.denials, clock });
  const local = policy === "local" ? createLocalLimits(clock, options.instances) : undefined;

  // A store in this process answers at once: it is asked each time, and nothing stands in between.
  let isInProcess = false;
  let isFailing = false;

  function consume(ask: LimitAsk, substitute: Substitute, after?: Origin): MaybePromise<LimitResult | Heard> {
    let sentAt = 0;
    if (!isInProcess) {
      const known = denials?.find(ask);
      if (known !== undefined) return new Heard(known, FROM_DENIALS);
      if (denials !== undefined) sentAt = clock.monotonic();
    }
    if (after?.degradedReason !== undefined) return substitute(ask, after.degradedReason);
    if (isFailing && !breaker.allows()) return substitute(ask, "breaker_open");
    let answer: MaybePromise<LimitResult>;
    try {
      answer = limits.consume(ask);
    } catch (error) {
      return failed(ask, error, substitute);
    }
    if (!(answer instanceof Promise)) {
      isInProcess = true;
      return heard(answer);
    }
    return inTime(ask, answer, substitute, sentAt);
  }

  function learn(ask: LimitAsk, result: LimitResult, sentAt: number): void {
    if (result.allowed) denials?.correct(ask);
    else denials?.learn(ask, result, sentAt);
    local?.follow(ask, result);
  }

  /**
   * The answer, or after the deadline somebody else's; one that comes later changes nothing.
   *
   * @param sentAt When it was asked, for what is learned from the answer; `undefined`: it was only looked at.
   */
  function inTime(
    ask: LimitAsk,
    answer: Promise<LimitResult>,
    substitute: Substitute,
    sentAt: number | undefined,
  ): Promise<LimitResult | Heard> {
    return new Promise((resolve, reject) => {
      const conclude = (make: () => LimitResult | Heard): void => {
        try {
          resolve(make());
        } catch (fault) {
          reject(fault);
        }
      };
      const deadline = deadlines.start(() => {
        const error = new StoreUnavailable("limits.consume", { cause: new Error("No answer within the deadline.") });
        conclude(() => lost(ask, error, "deadline", substitute));
      });
      const onAnswered = (result: LimitResult): void => {
        if (deadline.isOver) return result.allowed ? giveBackPlace(ask) : undefined;
        deadline.done();
        conclude(() => {
          // First of all: whatever goes wrong below, the store has answered.
          heard(result);
          if (sentAt !== undefined) learn(ask, result, sentAt);
          return result;
        });
      };
      const onError = (error: unknown): void => {
        if (deadline.isOver) return giveBackPlace(ask);
        deadline.done();
        conclude(() => failed(ask, error, substitute));
      };
      answer.then(onAnswered, onError);
    });
  }

  // Somebody else has decided meanwhile. What the store charged, or may have charged, stays charged: the caller may have been served.
  // But a place in flight that nobody knows of would stay taken until its lease ends.
  function giveBackPlace({ kind, id, lease }: LimitAsk): void {
    if (lease === undefined || lease.ttlMs === 0) return;
    try {
      const done = limits.settle({ kind, id, cells: [], lease }, 0);
      if (done instanceof Promise) done.catch(() => {});
    } catch {
      // It ends by itself.
    }
  }

  function heard(result: LimitResult): LimitResult {
    if (!isFailing) return result;
    isFailing = false;
    breaker.succeeded();
    onAnswer();
    return result;
  }

  function failed(ask: LimitAsk, error: unknown, substitute: Substitute): Heard {
    if (error instanceof StoreUnavailable) {
      giveBackPlace(ask);
      return lost(ask, error, "store_failed", substitute);
    }
    // The store is there and the program is wrong: no outage policy may cover that up.
    isFailing = false;
    breaker.succeeded();
    throw error;
  }

  function lost(ask: LimitAsk, error: StoreUnavailable, reason: DegradedReason, substitute: Substitute): Heard {
    if (!isFailing && local !== undefined) for (const { holder, lease } of options.held()) local.hold(holder, lease);
    isFailing = true;
    breaker.failed();
    onFailure(error);
    return substitute(ask, reason);
  }

  function instead(ask: LimitAsk, degradedReason: DegradedReason): Heard {
    if (policy === "closed") return unknown(ask, degradedReason);
    // What the store refused before stays refused, by everybody's use and not only by this process's.
    const known = denials?.find(ask, { mayBeStale: true });
    if (local !== undefined) {
      return new Heard(known ?? local.consume(ask), Object.freeze({ decidedBy: "local", degraded: "local", degradedReason }));
    }
    if (known === undefined) return unknown(ask, degradedReason);
    return new Heard(known, Object.freeze({ decidedBy: "denials", degraded: policy, degradedReason }));
  }

  function unknown(_ask: LimitAsk, degradedReason: DegradedReason): Heard {
    return new Heard(undefined, Object.freeze({ decidedBy: "policy", degraded: policy, degradedReason }));
  }

  function look(ask: LimitAsk, after?: Origin): MaybePromise<LimitResult | Heard> {
    if (after?.degradedReason !== undefined) return instead(ask, after.degradedReason);
    if (isFailing && !breaker.allows()) return instead(ask, "breaker_open");
    try {
      const answer = limits.consume(ask);
      return answer instanceof Promise ? inTime(ask, answer, instead, undefined) : heard(answer);
    } catch (error) {
      return failed(ask, error, instead);
    }
  }

  // Once more when it is done: a refusal that was on its way when it began is learned before it ends.
  function forgetting(holder: LimitHolder, change: () => MaybePromise<void>): MaybePromise<void> {
    if (denials === undefined) return change();
    denials.forget(holder);
    const done = change();
    return done instanceof Promise ? done.finally(() => denials.forget(holder)) : done;
  }

  return {
    consume: (ask, after) => consume(ask, instead, after),
    consumeOnlyThere: (ask) => consume(ask, unknown),
    look,
    settle(ask, at, { decidedBy }) {
      if (decidedBy === "local") return local?.settle(ask, at);
      const { kind, id, cells, lease } = ask;
      if (lease !== undefined) local?.settle({ kind, id, cells: [], lease }, at);
      // Places are no reason to forget what limits refused.
      return cells.length === 0 ? limits.settle(ask, at) : forgetting(ask, () => limits.settle(ask, at));
    },
    renew(holder, lease, { decidedBy }) {
      const isKept = local?.renew(holder, lease) ?? false;
      return decidedBy === "local" ? isKept : limits.renew(holder, lease);
    },
    block(holder, ms) {
      local?.block(holder, ms);
      return forgetting(holder, () => limits.block(holder, ms));
    },
    reset(holder) {
      local?.reset(holder);
      return forgetting(holder, () => limits.reset(holder));
    },
    status: () =>
      Object.freeze({
        ...{ breaker: breaker.state, rememberedDenials: denials?.size ?? 0, localCells: local?.cells() ?? 0 },
        store: usageOf(limits),
      }),
  };
}

// Only the memory store says what it holds.
function usageOf(limits: Limits & { usage?(): LimitUsage }): LimitUsage | undefined {
  return limits.usage?.();
}
