import { clampDebt, hasRoom, limitState } from "../ports/limit-state.js";
import type { LimitCell, LimitResult, Limits, LimitState } from "../ports/limits.js";
import type { Clock } from "../runtime/clock.js";
import { LimitTable } from "./limit-table.js";

/** Rate limits in this process, on the monotonic clock: a step of the wall clock neither locks anyone out nor refills anything. */
export function createMemoryLimits(clock: Clock, maxCells: number): Limits {
  const table = new LimitTable(maxCells);

  return Object.freeze({
    consume(subject: string, cells: readonly LimitCell[]): LimitResult {
      const now = clock.monotonic();
      table.sweep(now);
      const head = table.headOf(subject);
      let allowed = true;
      for (const cell of cells) if (!hasRoom(cell, clampDebt(cell, table.arrivalOf(head, subject, cell.id) - now))) allowed = false;
      const states: LimitState[] = [];
      for (const cell of cells) {
        const debtMs = clampDebt(cell, table.arrivalOf(head, subject, cell.id) - now);
        if (allowed && cell.cost > 0) table.setArrival(subject, cell.id, now + debtMs + cell.cost * cell.intervalMs);
        states.push(limitState(cell, debtMs, allowed));
      }
      return Object.freeze({ allowed, cells: Object.freeze(states) });
    },
    refund(subject: string, cells: readonly LimitCell[]): void {
      const now = clock.monotonic();
      const head = table.headOf(subject);
      for (const cell of cells) {
        const debtMs = clampDebt(cell, table.arrivalOf(head, subject, cell.id) - now);
        if (debtMs > 0 && cell.cost > 0) table.setArrival(subject, cell.id, now + debtMs - cell.cost * cell.intervalMs);
      }
    },
    reset: (subject: string): void => table.removeAll(subject),
  });
}
