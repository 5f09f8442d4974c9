import type { LimitCell, LimitState } from "./limits.js";

// Sums of fractional intervals round: without slack, a burst of 3 at 1000/3 ms could lose its third unit. It is a share of
// one unit and does not add up, since the debt after a charge is compared with the same bound.
const SLACK_UNITS = 0.01;

/**
 * The debt that counts: never below 0, never above what the cell's capacity is worth.
 *
 * @param debtMs How far the cell's theoretical arrival time is ahead of now.
 */
export function clampDebt(cell: LimitCell, debtMs: number): number {
  const most = cell.capacity * cell.intervalMs;
  return debtMs > 0 ? (debtMs < most ? debtMs : most) : 0;
}

/** Whether the cell has room for its cost. Anything but numbers in range has none. @param debtMs Clamped. */
export function hasRoom(cell: LimitCell, debtMs: number): boolean {
  return cell.cost >= 0 && cell.cost <= cell.capacity && debtMs <= (cell.capacity - cell.cost + SLACK_UNITS) * cell.intervalMs;
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
  const remaining = Math.max(0, Math.floor(capacity - resetMs / intervalMs + SLACK_UNITS));
  return Object.freeze({ id, allowed, remaining, resetMs, retryAfterMs });
}
