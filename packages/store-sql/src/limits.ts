import { clampDebt, hasRoom, type LimitCell, type LimitResult, type Limits, limitState, spanOf } from "@portcullis/core";
import { after, type Connection, type Database, number, text } from "./database.js";
import { createSweep } from "./sweep.js";

interface Cell {
  readonly cell: LimitCell;
  readonly debtMs: number;
  /** Whether the stored state is on other terms than the cell's. */
  readonly isStale: boolean;
}

/**
 * Rate limits in a table. A check reads and writes in one transaction, serialised by subject; for limits on every request
 * keep them in memory or Redis and leave this to services that have nothing else.
 */
export function createSqlLimits(database: Database): Limits {
  const sweep = createSweep(database, "limit_cells", "arrival");

  async function load(
    connection: Connection,
    subject: string,
    cells: readonly LimitCell[],
  ): Promise<{ readonly now: number; readonly loaded: readonly Cell[] }> {
    const [clock] = await connection.query("SELECT :now AS now");
    const now = clock === undefined ? 0 : number(clock, "now");
    const rows = await connection.query("SELECT cell, arrival, span FROM limit_cells WHERE subject = $1", [subject]);
    const stored = new Map(rows.map((row) => [text(row, "cell"), { arrival: number(row, "arrival"), span: number(row, "span") }]));
    const loaded = cells.map((cell) => {
      const known = stored.get(cell.id);
      if (known === undefined || !(known.arrival > now)) return { cell, debtMs: 0, isStale: false };
      return { cell, debtMs: clampDebt(cell, known.arrival - now, known.span), isStale: known.span !== spanOf(cell) };
    });
    return { now, loaded };
  }

  const save = (connection: Connection, subject: string, cell: LimitCell, arrival: number) =>
    connection.query(
      `INSERT INTO limit_cells (subject, cell, arrival, span) VALUES ($1, $2, $3, $4)
       ON CONFLICT (subject, cell) DO UPDATE SET arrival = excluded.arrival, span = excluded.span`,
      [subject, cell.id, arrival, spanOf(cell)],
    );

  return Object.freeze({
    consume(subject: string, cells: readonly LimitCell[]): Promise<LimitResult> {
      sweep();
      return database.serialised(["limits", subject], async (connection) => {
        const { now, loaded } = await load(connection, subject, cells);
        const allowed = loaded.every(({ cell, debtMs }) => hasRoom(cell, debtMs));
        for (const { cell, debtMs, isStale } of loaded) {
          const charge = allowed ? cell.cost * cell.intervalMs : 0;
          if (charge > 0 || isStale) await save(connection, subject, cell, now + debtMs + charge);
        }
        return Object.freeze({ allowed, cells: Object.freeze(loaded.map(({ cell, debtMs }) => limitState(cell, debtMs, allowed))) });
      });
    },
    refund(subject: string, cells: readonly LimitCell[]): Promise<void> {
      return database.serialised(["limits", subject], async (connection) => {
        const { now, loaded } = await load(connection, subject, cells);
        for (const { cell, debtMs } of loaded) {
          if (debtMs > 0 && cell.cost > 0) await save(connection, subject, cell, now + debtMs - cell.cost * cell.intervalMs);
        }
      });
    },
    reset: (subject: string) => after(database.query("DELETE FROM limit_cells WHERE subject = $1", [subject]), () => {}),
  });
}
