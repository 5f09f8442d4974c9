import type { LimitCell, LimitState } from "../ports/limits.js";

// Sums of fractional intervals round: without slack, a burst of 3 at 1000/3 ms could lose its third unit. Instants in ms have
// a grain of 2^-12 ms in a double, and each unit of a burst may lose half of it. A hundredth of a unit is the most: nobody
// gains by it, since the debt after a charge is compared with the same bound.
const GRAIN_MS = 2 ** -12;
const MOST_SLACK_UNITS = 0.01;

/**
 * The debt that counts now: never below 0, never above what the cell's capacity is worth.
 *
 * @param debtMs How far the stored arrival time is ahead of now.
 * @param spanMs What a full cell's debt was (capacity * intervalMs) when that time was stored. Where the limit has changed
 *   since, the share that is used stays the same: an exhausted cell stays exhausted, on its new terms, and changing to and
 *   fro wins nothing.
 */
export function clampDebt(cell: LimitCell, debtMs: number, spanMs: number = spanOf(cell)): number {
  const most = spanOf(cell);
  if (!(debtMs > 0)) return 0;
  if (debtMs >= spanMs) return most;
  return spanMs === most ? debtMs : (debtMs / spanMs) * most;
}

/** The debt of a full cell. */
export function spanOf(cell: LimitCell): number {
  return cell.capacity * cell.intervalMs;
}

/** The most debt with which the cell's cost still fits; negative when it never can: a cost above the capacity, or no number in range. */
export function roomFor(cell: LimitCell): number {
  const { capacity, intervalMs, cost } = cell;
  if (!(cost >= 0 && cost <= capacity)) return -1;
  return (capacity - cost) * intervalMs + slackOf(cell);
}

/** Whether the cell has room for its cost. @param debtMs Clamped. */
export function hasRoom(cell: LimitCell, debtMs: number): boolean {
  return debtMs <= roomFor(cell);
}

/**
 * The arithmetic of a limit, so that every store answers alike: what one cell says.
 *
 * @param debtMs Clamped, before this call.
 * @param isCharged Whether the cost was added: only if every cell of the call has room.
 */
export function limitState(cell: LimitCell, debtMs: number, isCharged: boolean): LimitState {
  const { id, capacity, intervalMs, cost } = cell;
  const resetMs = isCharged ? debtMs + cost * intervalMs : debtMs;
  const allowed = hasRoom(cell, debtMs);
  const retryAfterMs = allowed ? 0 : cost <= capacity ? debtMs - (capacity - cost) * intervalMs : undefined;
  const remaining = Math.max(0, Math.floor(capacity - (resetMs - slackOf(cell)) / intervalMs));
  return Object.freeze({ id, allowed, remaining, resetMs, retryAfterMs });
}

function slackOf({ capacity, intervalMs }: LimitCell): number {
  return Math.min(MOST_SLACK_UNITS * intervalMs, capacity * GRAIN_MS);
}
