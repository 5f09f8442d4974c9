import type { MaybePromise } from "../guard/guard.js";

/** What a holder is: an address (or its block), a caller, one of a caller's API keys, an organisation, or the service as a whole. */
export type LimitHolderKind = "ip" | "user" | "key" | "org" | "all";

/** Whose limits. Holders of different kinds share nothing, whatever their ids. */
export interface LimitHolder {
  readonly kind: LimitHolderKind;
  /** Any string. */
  readonly id: string;
}

interface CellBase {
  /** Names the limit within its holder, e.g. `floor` or `op:chat.create`; keep its kind, whatever else changes. */
  readonly id: string;
  /** The most cost that fits at once. Integer >= 1. */
  readonly capacity: number;
  /** Integer >= 0; 0 only looks. For `settle`: what is given back, or below 0 what is charged on top. */
  readonly cost: number;
}

/**
 * A bucket that refills evenly (generic cell rate algorithm, ITU-T I.371): its state is a theoretical arrival time. A cell whose
 * time has passed equals one that was never used. Asked with another capacity or interval than before (a changed tier or
 * configuration), it keeps the share that is used, from that call on.
 */
export interface BucketCell extends CellBase {
  readonly kind: "bucket";
  /** Ms in which one unit of cost comes back (period / limit). > 0, may be fractional. */
  readonly intervalMs: number;
}

/**
 * So much in any window, by two counters: the window before counts by the share of it that still overlaps. Nearly twice the
 * capacity can fit a window that lies askew, where arrivals are uneven. Asked with another capacity, it keeps what is used, in units.
 */
export interface WindowCell extends CellBase {
  readonly kind: "window";
  /** > 0. */
  readonly windowMs: number;
}

/** So much in a period of the calendar, e.g. a month in a time zone. Asked with another capacity, it keeps what is used, in units. */
export interface CalendarCell extends CellBase {
  readonly kind: "calendar";
  /**
   * Instants (epoch ms), ascending, at least two: each period begins at one and ends before the next. The store takes the period
   * around its own time, so hand in neighbours too: callers whose clocks are off then still agree.
   */
  readonly boundaries: readonly number[];
}

/** One limit of a holder. */
export type LimitCell = BucketCell | WindowCell | CalendarCell;

/** A place among those that may be in use at the same time. */
export interface LimitLease {
  /** Names the cap within its holder, e.g. `op:chat.create`. */
  readonly id: string;
  /** Most leases at once. Integer >= 1. */
  readonly capacity: number;
  /** Unguessable and unique, by the caller; only who knows it extends or gives back the place. */
  readonly key: string;
  /** From now on, unless it is renewed or given back. 0 only looks. */
  readonly ttlMs: number;
}

/** A holder's limits, asked together. */
export interface LimitAsk extends LimitHolder {
  readonly cells: readonly LimitCell[];
  readonly lease?: LimitLease | undefined;
  /** Says what would be allowed, and changes nothing: `remaining` is then what is left now. */
  readonly dryRun?: boolean | undefined;
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

/** What a cap said. */
export interface LeaseState {
  readonly allowed: boolean;
  /** Places left after this call. */
  readonly remaining: number;
}

/** The verdict over everything that was asked: allowed only if each part is, and the holder is not blocked. */
export interface LimitResult {
  readonly allowed: boolean;
  /** In the order asked. */
  readonly cells: readonly LimitState[];
  /** Of the lease that was asked for. */
  readonly lease: LeaseState | undefined;
  /** Ms until a block ends; 0 when there is none. */
  readonly blockedMs: number;
  /** The store's instant of the verdict, for `settle`. Its origin is the store's own. */
  readonly at: number;
}

/**
 * Limits of a holder, checked together in one round trip: all are charged and the lease is taken, or nothing is. A stored time
 * too far ahead (the store's clock was set back) is clamped: nobody waits longer than for an empty limit.
 */
export interface Limits {
  /** @throws {StoreUnavailable} Nothing is known about what was charged. */
  consume(ask: LimitAsk): MaybePromise<LimitResult>;
  /**
   * Settles what an allowed call really took: gives `cost` back to each cell, never above its capacity (or charges it on top, up
   * to empty, where it is negative), and ends the lease. What a window or period that is over took stays there.
   *
   * @param at When it was charged, as the result said.
   */
  settle(ask: LimitAsk, at: number): MaybePromise<void>;
  /** Extends a lease to `ttlMs` from now. @returns `false`: it is over, or never was; nobody's place was touched. */
  renew(holder: LimitHolder, lease: LimitLease): MaybePromise<boolean>;
  /** Denies everything to the holder for so long; 0 ends a block. */
  block(holder: LimitHolder, ms: number): MaybePromise<void>;
  /** Fills every limit of the holder and ends a block. Leases stay: what they stand for is still running. */
  reset(holder: LimitHolder): MaybePromise<void>;
}
