import type { MaybePromise } from "../guard/guard.js";

/** One GCRA limit of a subject. */
export interface LimitCell {
  /** Names the limit within its subject, e.g. `floor` or `op:chat.create`. */
  readonly id: string;
  /** Burst: how much cost fits at once. Integer >= 1. */
  readonly capacity: number;
  /** Ms in which one unit of cost comes back (period / limit). > 0, may be fractional. */
  readonly intervalMs: number;
  /** Integer >= 0; 0 only looks. */
  readonly cost: number;
}

/** What one limit said. */
export interface LimitState {
  readonly id: string;
  readonly allowed: boolean;
  /** Whole units left after this call. */
  readonly remaining: number;
  /** Ms until the limit is full again. */
  readonly resetMs: number;
  /** 0 when allowed; ms to wait otherwise; `undefined` when it can never succeed (cost above capacity). */
  readonly retryAfterMs: number | undefined;
}

/** The verdict over all limits of one call: allowed only if each is. */
export interface LimitResult {
  readonly allowed: boolean;
  /** In the order asked. */
  readonly cells: readonly LimitState[];
}

/**
 * Rate limits of a subject, checked together in one round trip: all are charged or none is.
 *
 * Generic cell rate algorithm (ITU-T I.371): the state of a cell is its theoretical arrival time; a cell whose time has
 * passed equals one that was never used, so forgetting it loses nothing. A stored time beyond `now + capacity * intervalMs`
 * is clamped to it (clock step). Asked with another capacity or interval than before (tier change, new configuration), a cell
 * keeps the share of it that is used, from that call on.
 */
export interface Limits {
  /** @throws {StoreUnavailable} Nothing is known about what was charged. */
  consume(subject: string, cells: readonly LimitCell[]): MaybePromise<LimitResult>;
  /** Gives `cost` back to each cell, never above its capacity. */
  refund(subject: string, cells: readonly LimitCell[]): MaybePromise<void>;
  /** Forgets every limit of the subject. */
  reset(subject: string): MaybePromise<void>;
}
