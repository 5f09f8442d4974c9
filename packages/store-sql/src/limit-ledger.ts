import {
  type BucketCell,
  calendarUse,
  type CalendarCell,
  clampDebt,
  countCharge,
  countState,
  emptyAt,
  hasCountRoom,
  hasRoom,
  isBucket,
  type LeaseState,
  type LimitAsk,
  type LimitCell,
  type LimitLease,
  type LimitResult,
  limitState,
  type LimitState,
  type LimitUse,
  settledDebt,
  settledUse,
  spanOf,
  type WindowCell,
  windowUse,
} from "@portcullis/core";
import { wholeMs } from "./driver/driver.js";

/** A limit as it was when it was last written. */
interface StoredCell {
  readonly at: number;
  /**
   * From then until it equals one never used: a bucket's debt. Kept apart from the instant, since an instant in ms leaves a double no
   * room for small intervals.
   */
  readonly lastsMs: number;
  /** What the debt of an empty bucket was; the length of a window; 0 for the calendar. */
  readonly spanMs: number;
  /** Of limits that count. */
  readonly use?: LimitUse;
}

/** All that is known of a holder, as read at an instant. */
export interface LimitLedger {
  readonly now: number;
  readonly cells: Map<string, StoredCell>;
  /** By cap: the keys of its leases with their deadlines. */
  readonly leases: Map<string, Map<string, number>>;
  blockedUntil: number;
}

/** How a ledger is written. */
interface LedgerText {
  readonly cells: readonly (readonly [string, StoredCell])[];
  readonly leases: readonly (readonly [string, readonly (readonly [string, number])[]])[];
  readonly blockedUntil: number;
}

/** @param text As `ledgerText` wrote it; `undefined` for a holder of whom nothing is known. */
export function readLedger(text: string | undefined, now: number): LimitLedger {
  if (text === undefined) return { now, cells: new Map(), leases: new Map(), blockedUntil: 0 };
  const { cells, leases, blockedUntil } = JSON.parse(text) as LedgerText; // a fact of `ledgerText`
  return { now, cells: new Map(cells), leases: new Map(leases.map(([cap, held]) => [cap, new Map(held)])), blockedUntil };
}

export function ledgerText({ cells, leases, blockedUntil }: LimitLedger): string {
  const text: LedgerText = { cells: [...cells], leases: [...leases].map(([cap, held]) => [cap, [...held]]), blockedUntil };
  return JSON.stringify(text);
}

/** Drops what is over. @returns When the last of the rest is over. */
export function tidyLedger({ now, cells, leases, blockedUntil }: LimitLedger): number {
  let lastsMs = Math.max(0, blockedUntil - now);
  for (const [key, stored] of cells) {
    const leftMs = stored.lastsMs - (now - stored.at);
    if (leftMs > 0) lastsMs = Math.max(lastsMs, leftMs);
    else cells.delete(key);
  }
  for (const [cap, held] of leases) {
    for (const [key, expiresAt] of held) {
      if (expiresAt > now) lastsMs = Math.max(lastsMs, expiresAt - now);
      else held.delete(key);
    }
    if (held.size === 0) leases.delete(cap);
  }
  return now + wholeMs(lastsMs);
}

/** Charges the limits and takes the place, all or nothing. */
export function consumeFrom(ledger: LimitLedger, { cells, lease, dryRun }: LimitAsk): LimitResult {
  const blockedMs = Math.max(0, ledger.blockedUntil - ledger.now);
  const readings = cells.map((cell) => readingOf(ledger, cell));
  const free = lease === undefined ? Infinity : freePlaces(ledger, lease);
  const allowed = blockedMs === 0 && free > 0 && readings.every(({ isFree }) => isFree);
  const isCharged = allowed && dryRun !== true;
  const states = readings.map((reading) => reading.said(isCharged));
  const takes = isCharged && lease !== undefined && lease.ttlMs > 0;
  if (dryRun !== true) for (const reading of readings) reading.write(isCharged);
  if (takes) putLease(ledger, lease);
  const leaseState: LeaseState | undefined = lease && Object.freeze({ allowed: free > 0, remaining: Math.max(0, takes ? free - 1 : free) });
  return Object.freeze({ allowed, cells: Object.freeze(states), lease: leaseState, blockedMs, at: ledger.now });
}

/** Gives back, or charges on top, and ends the lease. */
export function settleIn(ledger: LimitLedger, { cells, lease }: LimitAsk, at: number): void {
  for (const cell of cells) if (cell.cost !== 0) readingOf(ledger, cell).settle(at);
  if (lease !== undefined) ledger.leases.get(lease.id)?.delete(lease.key);
}

/** @returns `false`: the lease is over, or never was. */
export function renewIn(ledger: LimitLedger, lease: LimitLease): boolean {
  const expiresAt = ledger.leases.get(lease.id)?.get(lease.key) ?? 0;
  if (expiresAt <= ledger.now) return false;
  putLease(ledger, lease);
  return true;
}

/** A limit as it stands now, on its present terms. */
interface Reading {
  /** Whether it has room for its cost. */
  readonly isFree: boolean;
  said(isCharged: boolean): LimitState;
  write(isCharged: boolean): void;
  settle(at: number): void;
}

function readingOf(ledger: LimitLedger, cell: LimitCell): Reading {
  return isBucket(cell) ? bucketReading(ledger, cell) : countReading(ledger, cell);
}

function bucketReading(ledger: LimitLedger, cell: BucketCell): Reading {
  const { now } = ledger;
  const stored = ledger.cells.get(keyOf(cell));
  const spanMs = spanOf(cell);
  const debtMs = stored === undefined ? 0 : clampDebt(cell, stored.lastsMs - (now - stored.at), stored.spanMs);
  const put = (lastsMs: number): void => void ledger.cells.set(keyOf(cell), { at: now, lastsMs, spanMs });
  return {
    isFree: hasRoom(cell, debtMs),
    said: (isCharged) => limitState(cell, debtMs, isCharged),
    write(isCharged) {
      if (isCharged && cell.cost > 0) put(debtMs + cell.cost * cell.intervalMs);
      // A changed limit takes effect now, denied or not: from here on the debt shrinks at the new rate.
      else if (debtMs > 0 && (stored?.spanMs !== spanMs || isAhead(stored, now))) put(debtMs);
    },
    settle() {
      const settledMs = settledDebt(cell, debtMs);
      if (settledMs !== debtMs) put(settledMs);
    },
  };
}

function countReading(ledger: LimitLedger, cell: WindowCell | CalendarCell): Reading {
  const { now } = ledger;
  const stored = ledger.cells.get(keyOf(cell));
  const use =
    cell.kind === "window" ? windowUse(cell, stored?.use, stored?.spanMs ?? cell.windowMs, now) : calendarUse(cell, stored?.use, now);
  const spanMs = cell.kind === "window" ? cell.windowMs : 0;
  const put = (after: LimitUse): void =>
    void ledger.cells.set(keyOf(cell), { at: now, lastsMs: wholeMs(emptyAt(cell, after, now) - now), spanMs, use: after });
  return {
    isFree: hasCountRoom(cell, use, now),
    said: (isCharged) => countState(cell, use, now, isCharged),
    write(isCharged) {
      if (isCharged && cell.cost > 0) put(countCharge(use, cell.cost));
      else if (cell.kind === "window" && isAhead(stored, now)) put(use);
    },
    settle(at) {
      const settled = settledUse(cell, use, at);
      if (settled.current !== use.current || settled.previous !== use.previous) put(settled);
    },
  };
}

/** Whether the clock was set back since. Its time is over when it is counted from now on, not when the clock has caught up (RL-43). */
function isAhead(stored: StoredCell | undefined, now: number): boolean {
  return stored !== undefined && stored.at > now;
}

function freePlaces({ leases, now }: LimitLedger, { id, capacity }: LimitLease): number {
  let used = 0;
  for (const expiresAt of leases.get(id)?.values() ?? []) if (expiresAt > now) used += 1;
  return capacity - used;
}

function putLease({ leases, now }: LimitLedger, { id, key, ttlMs }: LimitLease): void {
  const held = leases.get(id) ?? new Map<string, number>();
  leases.set(id, held.set(key, now + wholeMs(ttlMs)));
}

// Kinds have no colon.
function keyOf({ kind, id }: LimitCell): string {
  return `${kind}:${id}`;
}
