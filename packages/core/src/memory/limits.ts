import { clampDebt, hasRoom, limitState, spanOf } from "../runtime/limit-state.js";
import type { LimitCell, LimitResult, Limits } from "../ports/limits.js";
import type { Clock } from "../runtime/clock.js";
import { LimitTable } from "./limit-table.js";

/** Rate limits in this process, on the monotonic clock: a step of the wall clock neither locks anyone out nor refills anything. */
export function createMemoryLimits(clock: Clock, maxCells: number): Limits {
  const table = new LimitTable(maxCells);

  const store = (subject: string, cell: LimitCell, arrival: number): void => table.set(subject, cell.id, arrival, spanOf(cell));

  function debtOf(subject: string, cell: LimitCell, now: number): number {
    const slot = table.find(subject, cell.id);
    const arrival = table.arrivalAt(slot, subject, cell.id);
    if (!(arrival > now)) return 0;
    const spanMs = table.spanAt(slot) ?? spanOf(cell);
    const debtMs = clampDebt(cell, arrival - now, spanMs);
    // A changed limit takes effect now, denied or not: from here on the debt shrinks at the new rate.
    if (spanMs !== spanOf(cell)) store(subject, cell, now + debtMs);
    return debtMs;
  }

  // What most calls are: nothing else can be refused, so the cell is looked up once.
  function consumeOne(subject: string, cell: LimitCell, now: number): LimitResult {
    const debtMs = debtOf(subject, cell, now);
    const allowed = hasRoom(cell, debtMs);
    if (allowed && cell.cost > 0) store(subject, cell, now + debtMs + cell.cost * cell.intervalMs);
    return Object.freeze({ allowed, cells: Object.freeze([limitState(cell, debtMs, allowed)]) });
  }

  return Object.freeze({
    consume(subject: string, cells: readonly LimitCell[]): LimitResult {
      const now = clock.monotonic();
      table.sweep(now);
      const [only] = cells;
      if (only !== undefined && cells.length === 1) return consumeOne(subject, only, now);
      let allowed = true;
      for (const cell of cells) if (!hasRoom(cell, debtOf(subject, cell, now))) allowed = false;
      const states = cells.map((cell) => {
        const debtMs = debtOf(subject, cell, now);
        if (allowed && cell.cost > 0) store(subject, cell, now + debtMs + cell.cost * cell.intervalMs);
        return limitState(cell, debtMs, allowed);
      });
      return Object.freeze({ allowed, cells: Object.freeze(states) });
    },
    refund(subject: string, cells: readonly LimitCell[]): void {
      const now = clock.monotonic();
      for (const cell of cells) {
        const debtMs = debtOf(subject, cell, now);
        if (debtMs > 0 && cell.cost > 0) store(subject, cell, now + debtMs - cell.cost * cell.intervalMs);
      }
    },
    reset: (subject: string): void => table.removeAll(subject),
  });
}
