import {
  ALLOW,
  clientIpOf,
  createFactKey,
  type FactKey,
  type Guard,
  type GuardRequest,
  type HeaderList,
  invalidOption,
  type MaybePromise,
  mergeHeaders,
  type Outcome,
  type Principal,
  principalFact,
  type Settle,
  subjectOf,
  type Verdict,
} from "@portcullis/core";
import type { Decision, Phase } from "./decision.js";
import type { LimitCheck } from "./limit-check.js";
import type { OperationLimit } from "./limit-plan.js";
import type { RateLimitHeaders } from "./rate-limit-headers.js";

/** What the limits said about a request so far, in the order asked. */
export interface RateLimitState {
  readonly decisions: readonly Decision[];
}

/** The limits that were asked for this request; absent while none was. Set by the guards of a limiter. */
export const rateLimitFact: FactKey<RateLimitState> = createFactKey<RateLimitState>("rate-limit");

/** How one guard charges its operation. */
export interface LimitOperationOptions {
  /** Replaces the operation's own cost: an integer of 0 and up, or a function of the request. */
  readonly cost?: number | ((request: GuardRequest) => number);
  /** Whom it counts: whoever calls, or always the address, e.g. for a login, which somebody who is logged in may use to guess. Default `caller`. */
  readonly by?: "caller" | "address";
  /** After the response: whether this outcome is free, so that what was charged is given back. Default: none is. */
  readonly refundOn?: (outcome: Outcome) => boolean;
}

/** The guards of a limiter. Mount the first three around authentication, in this order, for every request. */
export interface LimitGuards<Operation extends string = string> {
  /** Charges the client's address, before authentication spends anything on the request. */
  limitFloor(): Guard;
  /**
   * Charges the client's address for a request that has no principal.
   *
   * @param authenticate Runs inside this guard, which then also charges requests with bad credentials. Without it, mount this guard
   *   after authentication; a request that authentication refuses is then charged by the floor alone.
   */
  limitUnauthenticated(authenticate?: Guard): Guard;
  /** Charges the principal's subject by its tier; lets requests without a principal pass. */
  limitAuthenticated(): Guard;
  /**
   * Charges an operation and takes its place in flight, together with the caller's own limit where that was not charged yet: all or
   * none. Who has no principal is charged by address. Where it is mounted instead of `limitAuthenticated`, both take one round trip.
   *
   * @throws {ConfigurationError} `invalid_option`: no such operation.
   */
  limitOperation(operation: Operation, options?: LimitOperationOptions): Guard;
  /**
   * Takes a place in flight of an operation, and charges no rate. The place is given back when the response has ended or the client
   * has left, and by itself after a crash.
   *
   * @throws {ConfigurationError} `invalid_option`: no such operation, or it has no `maxInFlight`.
   */
  limitConcurrency(operation: Operation): Guard;
}

/** What guards need of their limiter. */
export interface LimitGuardsOptions {
  readonly check: (check: LimitCheck) => MaybePromise<Decision>;
  readonly headers: RateLimitHeaders;
  readonly isExcluded: (request: GuardRequest) => boolean;
  readonly operations: ReadonlyMap<string, OperationLimit>;
  readonly tierOf: (principal: Principal) => string | undefined;
  /** Whether a check must say from where it comes. */
  readonly hasLists: boolean;
  /** Told of each check of a client without a readable address. */
  readonly onUnknownAddress: () => void;
}

/** Makes the guards of a limiter. */
export function createLimitGuards<Operation extends string>(options: LimitGuardsOptions): LimitGuards<Operation> {
  const { check, headers, isExcluded, operations, tierOf, hasLists, onUnknownAddress } = options;

  function addressOf(request: GuardRequest): { readonly ipKey: string; readonly address: string | undefined } {
    const { key, address } = clientIpOf(request);
    if (address === undefined) onUnknownAddress();
    return { ipKey: key, address };
  }

  /** A known caller, as checks name one. */
  function callerOf(
    request: GuardRequest,
    principal: Principal,
  ): Omit<Extract<LimitCheck, { phase: "identified" }>, "phase" | "operation" | "cost"> {
    const apiKey = principal.type === "apiKey" ? principal.keyId : undefined;
    const address = hasLists ? clientIpOf(request).address : undefined;
    return { subject: subjectOf(principal), address, tier: tierOf(principal), organization: principal.orgId, apiKey };
  }

  /** Asks, keeps the decision, and makes a verdict of it. */
  function charge(request: GuardRequest, limitCheck: LimitCheck, settleOf?: (decision: Decision) => Settle): MaybePromise<Verdict> {
    const decision = check(limitCheck);
    const conclude = (decided: Decision): Verdict => toVerdict(decided, keep(request, decided), settleOf);
    return decision instanceof Promise ? decision.then(conclude) : conclude(decision);
  }

  // Of this limiter: another one on the same request has limits of its own.
  const own = new WeakSet<Decision>();
  const isCharged = (request: GuardRequest, phase: Phase): boolean => {
    const decisions = request.facts.get(rateLimitFact)?.decisions;
    return decisions !== undefined && decisions.some((decision) => decision.phase === phase && own.has(decision));
  };

  function keep(request: GuardRequest, decision: Decision): HeaderList {
    own.add(decision);
    const earlier = request.facts.get(rateLimitFact)?.decisions;
    if (earlier === undefined) {
      request.facts.set(rateLimitFact, new GrowingState(decision));
      return decision.headers();
    }
    // The fact is set by the line above, by this limiter or another.
    (earlier as Decision[]).push(decision);
    return headers === "draft" || headers === "none" ? decision.headers() : decision.headers(earlier.flatMap(({ limits }) => limits));
  }

  function chargeAnonymous(request: GuardRequest): MaybePromise<Verdict> {
    return charge(request, { phase: "anonymous", ...addressOf(request) });
  }

  return {
    limitFloor: () => ({
      name: "limit-floor",
      check(request) {
        if (isExcluded(request) || isCharged(request, "floor")) return ALLOW;
        return charge(request, { phase: "floor", ...addressOf(request) });
      },
    }),

    limitUnauthenticated(authenticate) {
      const isKnown = (request: GuardRequest): boolean =>
        request.facts.get(principalFact) !== undefined || isExcluded(request) || isCharged(request, "anonymous");
      if (authenticate === undefined) {
        return { name: "limit-unauthenticated", check: (request) => (isKnown(request) ? ALLOW : chargeAnonymous(request)) };
      }
      const settleUp = (request: GuardRequest, inner: Verdict): MaybePromise<Verdict> => {
        if (isKnown(request)) return inner;
        const outer = chargeAnonymous(request);
        return outer instanceof Promise ? outer.then((verdict) => within(verdict, inner)) : within(outer, inner);
      };
      return {
        name: "limit-unauthenticated",
        check(request) {
          const inner = authenticate.check(request);
          return inner instanceof Promise ? inner.then((verdict) => settleUp(request, verdict)) : settleUp(request, inner);
        },
      };
    },

    limitAuthenticated: () => ({
      name: "limit-authenticated",
      check(request) {
        const principal = request.facts.get(principalFact);
        if (principal === undefined || isCharged(request, "identified") || isExcluded(request)) return ALLOW;
        return charge(request, { phase: "identified", ...callerOf(request, principal) });
      },
    }),

    limitOperation(operation, { cost: givenCost, by = "caller", refundOn } = {}) {
      const limit = operations.get(operation);
      if (limit === undefined) throw invalidOption("operation", operation, "the name of an operation in the limiter's options");
      const price = givenCost ?? limit.cost;
      const isBounded = limit.cap !== undefined;
      const settleOf = refundOn === undefined && !isBounded ? undefined : settleAfter(refundOn, isBounded);
      return {
        name: `limit-operation:${operation}`,
        check(request) {
          const cost = typeof price === "function" ? price(request) : price;
          if (by === "address") {
            const { ipKey, address } = addressOf(request);
            return charge(request, { phase: "operation", operation, by: { ipKey }, address, cost }, settleOf);
          }
          const principal = request.facts.get(principalFact);
          const isAlone = isExcluded(request) || isCharged(request, principal === undefined ? "anonymous" : "identified");
          if (principal === undefined) {
            const { ipKey, address } = addressOf(request);
            if (isAlone) return charge(request, { phase: "operation", operation, by: { ipKey }, address, cost }, settleOf);
            return charge(request, { phase: "anonymous", ipKey, address, operation, cost }, settleOf);
          }
          const caller = callerOf(request, principal);
          if (!isAlone) return charge(request, { phase: "identified", ...caller, operation, cost }, settleOf);
          const { subject, organization, address } = caller;
          return charge(request, { phase: "operation", operation, by: { subject }, address, organization, cost }, settleOf);
        },
      };
    },

    limitConcurrency(operation) {
      if (operations.get(operation)?.cap === undefined) {
        throw invalidOption("operation", operation, "the name of an operation with maxInFlight in the limiter's options");
      }
      const settleOf = settleAfter(undefined, true);
      return {
        name: `limit-concurrency:${operation}`,
        check(request) {
          const principal = request.facts.get(principalFact);
          if (principal !== undefined) {
            const { subject, address, organization } = callerOf(request, principal);
            return charge(
              request,
              { phase: "operation", operation, by: { subject }, address, organization, only: "concurrency" },
              settleOf,
            );
          }
          const { ipKey, address } = addressOf(request);
          return charge(request, { phase: "operation", operation, by: { ipKey }, address, only: "concurrency" }, settleOf);
        },
      };
    },
  };
}

class GrowingState implements RateLimitState {
  readonly decisions: readonly Decision[];
  constructor(first: Decision) {
    this.decisions = [first];
  }
}

/** @param isBounded Whether a place in flight is to be given back. */
function settleAfter(refundOn: ((outcome: Outcome) => boolean) | undefined, isBounded: boolean): (decision: Decision) => Settle {
  return (decision) => (outcome) => {
    const released = isBounded ? decision.release() : undefined;
    const refunded = refundOn?.(outcome) === true ? decision.refund() : undefined;
    return released instanceof Promise || refunded instanceof Promise ? Promise.all([released, refunded]).then(() => {}) : undefined;
  };
}

function toVerdict(decision: Decision, headers: HeaderList, settleOf: ((decision: Decision) => Settle) | undefined): Verdict {
  const problem = decision.problem();
  if (problem !== undefined) return { kind: "deny", problem, headers };
  return settleOf === undefined ? { kind: "allow", headers } : { kind: "allow", headers, settle: settleOf(decision) };
}

/** The limit's refusal, else what authentication said; in both cases with the hook that authentication wants run. */
function within(limit: Verdict, inner: Verdict): Verdict {
  const decided = limit.kind === "deny" ? limit : inner;
  const headers = limit.kind === "deny" ? (limit.headers ?? []) : mergeHeaders(inner.headers ?? [], limit.headers ?? []);
  return inner.settle === undefined ? { ...decided, headers } : { ...decided, headers, settle: inner.settle };
}
