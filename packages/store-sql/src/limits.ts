import { clampDebt, hasRoom, type LimitCell, type LimitResult, type Limits, limitState, spanOf } from "@portcullis/core";
import { ask, type Driver, type Operation, type Row } from "./driver/driver.js";
import { number, textOrNone } from "./driver/row.js";
import { createSweep } from "./sweep.js";

const READ = "SELECT {now} AS now, (SELECT cells FROM portcullis_limits WHERE subject = $1) AS cells";
const ADD =
  "INSERT INTO portcullis_limits (subject, cells, full_at) VALUES ($1, $2, $3) ON CONFLICT (subject) DO NOTHING RETURNING subject";
const CHANGE = "UPDATE portcullis_limits SET cells = $2, full_at = $3 WHERE subject = $1 AND cells = $4 RETURNING subject";
const RESET = "DELETE FROM portcullis_limits WHERE subject = $1";

/** What a cell owed at an instant, and what a full cell's debt was then. */
interface Debt {
  readonly debtMs: number;
  readonly at: number;
  readonly spanMs: number;
}

/** The cells of a subject as they were read. */
interface Ledger {
  readonly now: number;
  /** Compared with when it is written: `undefined` for no row. */
  readonly stored: string | undefined;
  readonly debts: Map<string, Debt>;
}

/**
 * Limits in a table, one row per subject: read, decided here, and written if the row is still what was read. A denial writes
 * nothing; the debt is kept apart from the instant, since an instant in ms leaves a double no room for small intervals.
 */
export function createSqlLimits(driver: Driver): Limits {
  const sweep = createSweep("portcullis_limits", "subject", "full_at");

  /** Decides on what is stored until nobody else wrote in between. */
  function* decide<T>(subject: string, decision: (ledger: Ledger) => T): Operation<T> {
    for (;;) {
      const [row] = yield ask(READ, subject);
      const ledger = readLedger(row);
      const before = JSON.stringify([...ledger.debts]);
      const result = decision(ledger);
      if (JSON.stringify([...ledger.debts]) === before) return result;
      yield* sweep();
      if (yield* write(subject, ledger)) return result;
    }
  }

  return Object.freeze({
    consume: (subject: string, cells: readonly LimitCell[]) =>
      driver.run("limits.consume", () => decide(subject, (ledger) => consume(ledger, cells))),
    refund: (subject: string, cells: readonly LimitCell[]) =>
      driver.run("limits.refund", () => decide(subject, (ledger) => refund(ledger, cells))),
    reset: (subject: string) =>
      driver.run("limits.reset", function* () {
        yield ask(RESET, subject);
      }),
  });
}

function consume(ledger: Ledger, cells: readonly LimitCell[]): LimitResult {
  let allowed = true;
  for (const cell of cells) if (!hasRoom(cell, debtOf(ledger, cell))) allowed = false;
  const states = cells.map((cell) => {
    const debtMs = debtOf(ledger, cell);
    if (allowed && cell.cost > 0) setDebt(ledger, cell, debtMs + cell.cost * cell.intervalMs);
    return limitState(cell, debtMs, allowed);
  });
  return Object.freeze({ allowed, cells: Object.freeze(states) });
}

function refund(ledger: Ledger, cells: readonly LimitCell[]): void {
  for (const cell of cells) {
    const debtMs = debtOf(ledger, cell);
    if (debtMs > 0 && cell.cost > 0) setDebt(ledger, cell, Math.max(0, debtMs - cell.cost * cell.intervalMs));
  }
}

/** What the cell owes now, on its present terms. */
function debtOf(ledger: Ledger, cell: LimitCell): number {
  const debt = ledger.debts.get(cell.id);
  if (debt === undefined) return 0;
  const debtMs = clampDebt(cell, debt.debtMs - (ledger.now - debt.at), debt.spanMs);
  // A changed limit takes effect now, denied or not: from here on the debt shrinks at the new rate.
  if (debtMs > 0 && debt.spanMs !== spanOf(cell)) setDebt(ledger, cell, debtMs);
  return debtMs;
}

function setDebt(ledger: Ledger, cell: LimitCell, debtMs: number): void {
  ledger.debts.set(cell.id, { debtMs, at: ledger.now, spanMs: spanOf(cell) });
}

function readLedger(row: Row | undefined): Ledger {
  const stored = textOrNone(row, "cells");
  // A fact of `write`: this is how it wrote them.
  const debts = JSON.parse(stored ?? "[]") as [string, Debt][];
  return { now: number(row, "now"), stored, debts: new Map(debts) };
}

function* write(subject: string, { now, stored, debts }: Ledger): Operation<boolean> {
  const owing = [...debts].filter(([, debt]) => debt.debtMs > now - debt.at);
  const fullAt = Math.ceil(Math.max(now, ...owing.map(([, debt]) => debt.at + debt.debtMs)));
  const cells = JSON.stringify(owing);
  const written = stored === undefined ? yield ask(ADD, subject, cells, fullAt) : yield ask(CHANGE, subject, cells, fullAt, stored);
  return written.length === 1;
}
