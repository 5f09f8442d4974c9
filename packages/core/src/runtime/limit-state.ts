import type { BucketCell, CalendarCell, LimitCell, LimitState, WindowCell } from "../ports/limits.js";

// The arithmetic of limits, so that every store answers alike. Stores hold a bucket's arrival time and a counter's counts;
// what they mean for a cost is said here.

// Sums of fractional intervals round: without slack, a burst of 3 at 1000/3 ms could lose its third unit. Stores keep instants
// to a microsecond or finer, and each unit of a burst may lose that much. A hundredth of a unit is the most: nobody gains by it,
// since the debt after a charge is compared with the same bound.
const GRAIN_MS = 0.001;
const MOST_SLACK_UNITS = 0.01;

/** What a counting limit has used: in the window or period that began at `startAt`, and in the one before. */
export interface LimitUse {
  /** On the store's axis of time. */
  readonly startAt: number;
  readonly current: number;
  /** Of windows; 0 for periods of the calendar. */
  readonly previous: number;
}

/** Nothing used, in a window that begins at an instant. */
export function unused(startAt: number): LimitUse {
  return { startAt, current: 0, previous: 0 };
}

/**
 * The debt that counts now: never below 0, never above what the cell's capacity is worth.
 *
 * @param debtMs How far the stored arrival time is ahead of now.
 * @param spanMs What a full cell's debt was (capacity * intervalMs) when that time was stored. Where the limit has changed
 *   since, the share that is used stays the same: an exhausted cell stays exhausted, on its new terms, and changing to and
 *   fro wins nothing.
 */
export function clampDebt(cell: BucketCell, debtMs: number, spanMs: number = spanOf(cell)): number {
  const most = spanOf(cell);
  if (!(debtMs > 0)) return 0;
  if (debtMs >= spanMs) return most;
  return spanMs === most ? debtMs : (debtMs / spanMs) * most;
}

/** The debt of an empty bucket. */
export function spanOf(cell: BucketCell): number {
  return cell.capacity * cell.intervalMs;
}

/** The most debt with which the bucket's cost still fits; negative when it never can: a cost above the capacity, or no number in range. */
export function roomFor(cell: BucketCell): number {
  const { capacity, intervalMs, cost } = cell;
  if (!(cost >= 0 && cost <= capacity)) return -1;
  return (capacity - cost) * intervalMs + slackOf(cell);
}

/** Whether the bucket has room for its cost. @param debtMs Clamped. */
export function hasRoom(cell: BucketCell, debtMs: number): boolean {
  return debtMs <= roomFor(cell);
}

/** The debt after `settle`. @param debtMs Clamped, before it. */
export function settledDebt(cell: BucketCell, debtMs: number): number {
  return Math.min(spanOf(cell), Math.max(0, debtMs - cell.cost * cell.intervalMs));
}

/**
 * What one bucket says.
 *
 * @param debtMs Clamped, before this call.
 * @param isCharged Whether the cost was added: only if every part of the call has room.
 */
export function limitState(cell: BucketCell, debtMs: number, isCharged: boolean): LimitState {
  return new BucketState(cell, debtMs, isCharged);
}

// Computed when read: a check that nobody asks for details costs no arithmetic.
class BucketState implements LimitState {
  readonly #cell: BucketCell;
  readonly #debtMs: number;
  readonly #isCharged: boolean;
  constructor(cell: BucketCell, debtMs: number, isCharged: boolean) {
    this.#cell = cell;
    this.#debtMs = debtMs;
    this.#isCharged = isCharged;
  }
  get id(): string {
    return this.#cell.id;
  }
  get allowed(): boolean {
    return hasRoom(this.#cell, this.#debtMs);
  }
  get remaining(): number {
    const { capacity, intervalMs } = this.#cell;
    return Math.max(0, Math.floor(capacity - (this.resetMs - slackOf(this.#cell)) / intervalMs));
  }
  get resetMs(): number {
    return this.#isCharged ? this.#debtMs + this.#cell.cost * this.#cell.intervalMs : this.#debtMs;
  }
  get retryAfterMs(): number | undefined {
    const { capacity, cost, intervalMs } = this.#cell;
    if (this.allowed) return 0;
    return cost <= capacity ? this.#debtMs - (capacity - cost) * intervalMs : undefined;
  }
}

/**
 * The window around now, with what is used of it.
 *
 * @param stored As it was when it was last written.
 * @param storedWindowMs The length of its window then: where the limit's has changed, what counted last counts in the present window.
 */
export function windowUse(cell: WindowCell, stored: LimitUse | undefined, storedWindowMs: number, now: number): LimitUse {
  const { windowMs } = cell;
  const startAt = Math.floor(now / windowMs) * windowMs;
  if (stored === undefined) return unused(startAt);
  if (storedWindowMs !== windowMs) {
    const before = usedAt(advance(stored, storedWindowMs, Math.floor(now / storedWindowMs) * storedWindowMs), storedWindowMs, now);
    return { startAt, current: Math.ceil(before), previous: 0 };
  }
  return advance(stored, windowMs, startAt);
}

/** The period around now: the first one where now is before all of them, and past the last one periods that are as long as it is. */
export function periodAround({ boundaries }: CalendarCell, now: number): { readonly startAt: number; readonly endAt: number } {
  let index = 0;
  while (index < boundaries.length - 2 && now >= (boundaries[index + 1] ?? Infinity)) index += 1;
  const [startAt = 0, endAt = Infinity] = boundaries.slice(index, index + 2);
  if (now < endAt) return { startAt, endAt };
  const periodMs = endAt - startAt;
  const nextAt = endAt + Math.floor((now - endAt) / periodMs) * periodMs;
  return { startAt: nextAt, endAt: nextAt + periodMs };
}

/** The period around now, with what is used of it. A clock that was set back into the period before opens no new one. */
export function calendarUse(cell: CalendarCell, stored: LimitUse | undefined, now: number): LimitUse {
  const { startAt } = periodAround(cell, now);
  return stored === undefined || stored.startAt < startAt ? unused(startAt) : stored;
}

/** When the period that was used ends: after the one around now, where the clock was set back. @param use Around now. */
export function periodEnd(cell: CalendarCell, use: LimitUse, now: number): number {
  return periodAround(cell, Math.max(now, use.startAt)).endAt;
}

/** Whether a counting limit has room for its cost. @param use Around now. */
export function hasCountRoom(cell: WindowCell | CalendarCell, use: LimitUse, now: number): boolean {
  const { capacity, cost } = cell;
  if (!(cost >= 0 && cost <= capacity)) return false;
  // Looking fits, even where a lowered capacity leaves more used than there is.
  return cost === 0 || usedNow(cell, use, now) + cost <= capacity + COUNT_SLACK;
}

/** The use after a charge. */
export function countCharge(use: LimitUse, cost: number): LimitUse {
  return { startAt: use.startAt, current: use.current + cost, previous: use.previous };
}

/** The use after `settle`. @param use Around now. @param at When it was charged. */
export function settledUse(cell: WindowCell | CalendarCell, use: LimitUse, at: number): LimitUse {
  if (at >= use.startAt) return { ...use, current: settledCount(cell, use.current) };
  if (cell.kind === "window" && at >= use.startAt - cell.windowMs) return { ...use, previous: settledCount(cell, use.previous) };
  return use;
}

/** What a counting limit says. @param use Around now, before this call. @param isCharged Whether the cost was added. */
export function countState(cell: WindowCell | CalendarCell, use: LimitUse, now: number, isCharged: boolean): LimitState {
  const { id, capacity, cost } = cell;
  const allowed = hasCountRoom(cell, use, now);
  const after = isCharged ? countCharge(use, cost) : use;
  return Object.freeze({
    id,
    allowed,
    remaining: Math.max(0, Math.floor(capacity - usedNow(cell, after, now) + COUNT_SLACK)),
    resetMs: emptyAt(cell, after, now) - now,
    retryAfterMs: allowed ? 0 : cost <= capacity ? roomAt(cell, use, now) - now : undefined,
  });
}

/** When a counting limit equals one never used: from then on a store may forget it. */
export function emptyAt(cell: WindowCell | CalendarCell, use: LimitUse, now: number): number {
  if (cell.kind === "calendar") return use.current > 0 ? Math.max(now, periodEnd(cell, use, now)) : now;
  if (use.current > 0) return use.startAt + 2 * cell.windowMs;
  return use.previous > 0 ? use.startAt + cell.windowMs : now;
}

// Shares of a window are fractions; a trillionth of the largest capacity is still far below one unit.
const COUNT_SLACK = 1e-6;

/** @returns The stored use as seen from the window that begins at `startAt`. */
function advance(stored: LimitUse, windowMs: number, startAt: number): LimitUse {
  const windows = Math.round((startAt - stored.startAt) / windowMs);
  // Ahead of now: the clock was set back. What was used counts, in the present window.
  if (windows <= 0) return { startAt, current: stored.current, previous: stored.previous };
  return windows === 1 ? { startAt, current: 0, previous: stored.current } : unused(startAt);
}

function usedAt(use: LimitUse, windowMs: number, now: number): number {
  const overlap = 1 - Math.min(1, Math.max(0, (now - use.startAt) / windowMs));
  return use.current + use.previous * overlap;
}

function usedNow(cell: WindowCell | CalendarCell, use: LimitUse, now: number): number {
  return cell.kind === "calendar" ? use.current : usedAt(use, cell.windowMs, now);
}

/** What a lowered capacity leaves above it is given back by its cost only, like the rest. */
function settledCount({ capacity, cost }: WindowCell | CalendarCell, count: number): number {
  return Math.max(0, Math.min(Math.max(capacity, count), count - cost));
}

/** When the cost fits, if nobody else comes. */
function roomAt(cell: WindowCell | CalendarCell, use: LimitUse, now: number): number {
  if (cell.kind === "calendar") return periodEnd(cell, use, now);
  const { capacity, cost, windowMs } = cell;
  const spare = capacity - cost;
  // Within this window, as the one before fades; else within the next, as this one fades.
  const fades = (startAt: number, count: number, room: number): number => startAt + windowMs * (1 - room / count);
  if (spare >= use.current && use.previous > 0) return Math.max(now, fades(use.startAt, use.previous, spare - use.current));
  return use.startAt + windowMs + (spare >= use.current ? 0 : Math.max(0, fades(0, use.current, spare)));
}

function slackOf({ capacity, intervalMs }: BucketCell): number {
  return Math.min(MOST_SLACK_UNITS * intervalMs, capacity * GRAIN_MS);
}

/** Whether the cell is a bucket; the others count. */
export function isBucket(cell: LimitCell): cell is BucketCell {
  return cell.kind === "bucket";
}
