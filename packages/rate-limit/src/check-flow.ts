import type { Clock, LimitHolder, LimitResult, MaybePromise } from "@portcullis/core";
import type { Decision } from "./decision.js";
import type { HeldLease, LeaseKeeper } from "./lease-keeper.js";
import { type Asked, withCosts } from "./limit-check.js";
import type { Limit } from "./limit-rule.js";
import type { LimitSource } from "./limit-source.js";
import { FROM_STORE, Heard, type Origin } from "./origin.js";
import type { RateLimitMetrics } from "./rate-limit-metrics.js";
import { decideBlind } from "./policy-decision.js";
import { decide, type DecisionTerms, type Part } from "./standard-decision.js";
import type { TokenBatches } from "./token-batches.js";

/** The way of a check from what is asked to a decision. */
export interface CheckFlow {
  /** Asks each holder in turn and charges all or none. */
  charge(asked: Asked): MaybePromise<Decision>;
  /** Asks without charging. */
  look(asked: Asked): MaybePromise<Decision>;
}

/** What a flow goes through. */
export interface CheckFlowOptions {
  readonly source: LimitSource;
  readonly batches: TokenBatches | undefined;
  readonly keeper: LeaseKeeper;
  readonly measures: RateLimitMetrics;
  readonly terms: Omit<DecisionTerms, "charger">;
  readonly clock: Clock;
  readonly deadlineMs: number;
  readonly onDenied: (holder: LimitHolder, decision: Decision) => void;
}

const NO_PARTS: readonly Part[] = Object.freeze([]);
const FROM_BATCH: Origin = Object.freeze({ decidedBy: "batch", degraded: undefined, degradedReason: undefined });

/** Makes the flow of one limiter. */
export function createCheckFlow(options: CheckFlowOptions): CheckFlow {
  const { source, batches, keeper, measures, clock, deadlineMs, onDenied } = options;
  const terms: DecisionTerms = Object.freeze({ ...options.terms, charger: { settle: settleParts, release: releaseParts } });
  // What was only looked at charged nothing.
  const lookingTerms: DecisionTerms = Object.freeze({ ...options.terms, charger: undefined });

  function ask(asked: Asked, start: number, before: readonly Part[]): MaybePromise<Decision> {
    const after = before.length === 0 ? undefined : before[before.length - 1]?.origin;
    const answer = batches === undefined || after?.degraded !== undefined ? source.consume(asked, after) : askBatched(asked);
    return answer instanceof Promise ? finishLater(asked, start, before, answer) : finish(asked, start, before, answer);
  }

  // A function of its own: a closure in `ask` would cost every check that is answered at once its context.
  function finishLater(asked: Asked, start: number, before: readonly Part[], answer: Promise<LimitResult | Heard>): Promise<Decision> {
    return answer.then((late) => finish(asked, start, before, late));
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
    if (result.allowed && asked.next !== undefined) return goOn(asked.next, start, [...before, { asked, result, origin, held }]);
    measures.measured(start);
    const decision = decide({ asked, result, origin, held }, before, terms);
    if (result.allowed) return decision;
    onDenied(asked, decision);
    return giveBack(before, decision);
  }

  /** Asks the next holder. Where that is a fault (a store that is wrong), what the earlier ones charged is given back all the same. */
  function goOn(next: Asked, start: number, before: readonly Part[]): MaybePromise<Decision> {
    const fail = (error: unknown): never => {
      void undo(before.slice(-1)); // a fault passes through here for each of them
      throw error;
    };
    try {
      const decision = ask(next, start, before);
      return decision instanceof Promise ? decision.catch(fail) : decision;
    } catch (error) {
      return fail(error);
    }
  }

  function finishBlind(asked: Asked, start: number, before: readonly Part[], origin: Origin): MaybePromise<Decision> {
    measures.measured(start);
    const outcome = origin.degraded === "open" ? "open" : "closed";
    for (const limit of asked.group.limits) measures.checked(limit, outcome);
    const decision = decideBlind(asked, terms, origin, earlierOf(before));
    if (decision.allowed) return decision;
    onDenied(asked, decision);
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

  /** All or nothing: a later holder refused, so the earlier ones get back what they were charged. */
  function giveBack(before: readonly Part[], decision: Decision): MaybePromise<Decision> {
    if (before.length === 0) return decision;
    const done = undo(before);
    return done.length === 0 || decision.degraded !== undefined ? decision : untilDone(done).then(() => decision);
  }

  /** What cannot be given back comes back by itself. */
  function undo(parts: readonly Part[]): readonly Promise<void>[] {
    return [quiet(() => settleParts(parts, undefined)), quiet(() => releaseParts(parts))].filter((one) => one !== undefined);
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

  return Object.freeze({
    charge: (asked: Asked) => ask(asked, measures.start(), NO_PARTS),
    look: (asked: Asked) => look(asked, NO_PARTS),
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
