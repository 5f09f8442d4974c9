import {
  type Clock,
  createMemoryStore,
  type LimitCell,
  type LimitResult,
  type Limits,
  type MaybePromise,
  StoreUnavailable,
} from "@portcullis/core";
import type { OutagePolicy } from "./decision.js";
import { withCost } from "./limit-check.js";

/** What the store said of these cells (in this process: the instance's part of those asked), or that it said nothing. */
export type Consumption =
  | { readonly kind: "answered"; readonly result: LimitResult; readonly cells: readonly LimitCell[]; readonly local: boolean }
  | { readonly kind: "unknown"; readonly policy: "open" | "closed" };

/** The store's limits with an outage policy behind them. */
export interface GuardedLimits {
  consume(subject: string, cells: readonly LimitCell[]): MaybePromise<Consumption>;
  /** What is there, without charging: each state's `resetMs` is the cell's debt. */
  look(subject: string, cells: readonly LimitCell[]): MaybePromise<Consumption>;
  /** @param local Where the charge went, as `consume` said. */
  refund(subject: string, cells: readonly LimitCell[], local: boolean): MaybePromise<void>;
  reset(subject: string): MaybePromise<void>;
}

/** What `guardLimits` needs to know. */
export interface GuardLimitsOptions {
  readonly limits: Limits;
  readonly policy: OutagePolicy;
  /** Processes that share the store. */
  readonly instances: number;
  readonly clock: Clock;
  /** Of each call that the store did not answer. */
  readonly onFailure: (error: StoreUnavailable) => void;
  /** Of each call that it answered. */
  readonly onAnswer: () => void;
}

/**
 * Puts the outage policy behind the store's limits. Only `StoreUnavailable` is an outage; any other exception is a fault of
 * the program and is passed on, so that the request fails closed.
 */
export function guardLimits(options: GuardLimitsOptions): GuardedLimits {
  const { limits, policy, instances, clock, onFailure, onAnswer } = options;
  const fallback = policy === "local" ? createMemoryStore({ clock }).limits : undefined;
  const share = (cells: readonly LimitCell[]): readonly LimitCell[] =>
    instances === 1 ? cells : cells.map((cell) => shareOf(cell, instances));

  const answered = (result: LimitResult, cells: readonly LimitCell[]): Consumption => {
    onAnswer();
    return { kind: "answered", result, cells, local: false };
  };
  const instead = (failure: unknown, subject: string, cells: readonly LimitCell[], isCharged: boolean): MaybePromise<Consumption> => {
    if (!(failure instanceof StoreUnavailable)) throw failure;
    onFailure(failure);
    if (fallback === undefined) return { kind: "unknown", policy: policy === "open" ? "open" : "closed" };
    const part = share(cells);
    const local = (result: LimitResult): Consumption => ({ kind: "answered", result, cells: part, local: true });
    const result = fallback.consume(subject, isCharged ? part : part.map(looking));
    return result instanceof Promise ? result.then(local) : local(result);
  };

  const ask = (subject: string, cells: readonly LimitCell[], isCharged: boolean): MaybePromise<Consumption> => {
    let result: MaybePromise<LimitResult>;
    try {
      result = limits.consume(subject, isCharged ? cells : cells.map(looking));
    } catch (error) {
      return instead(error, subject, cells, isCharged);
    }
    if (!(result instanceof Promise)) return answered(result, cells);
    return result.then(
      (later) => answered(later, cells),
      (error: unknown) => instead(error, subject, cells, isCharged),
    );
  };

  return {
    consume: (subject, cells) => ask(subject, cells, true),
    look: (subject, cells) => ask(subject, cells, false),
    refund: (subject, cells, local) => (local ? fallback?.refund(subject, share(cells)) : limits.refund(subject, cells)),
    reset(subject) {
      const done = fallback?.reset(subject);
      return done instanceof Promise ? done.then(() => limits.reset(subject)) : limits.reset(subject);
    },
  };
}

function looking(cell: LimitCell): LimitCell {
  return withCost(cell, 0);
}

// Every instance falls back at once, so each takes its part of the limit. A cost above the part takes all of it.
function shareOf(cell: LimitCell, instances: number): LimitCell {
  const capacity = Math.max(1, Math.floor(cell.capacity / instances));
  const cost = cell.cost > cell.capacity ? cell.cost : Math.min(cell.cost, capacity);
  return { id: cell.id, capacity, intervalMs: cell.intervalMs * instances, cost };
}
