import type { LimitAsk, LimitHolder, LimitLease, Limits } from "@portcullis/core";
import { ask, type Driver, type Operation, wholeMs } from "./driver/driver.js";
import { number, textOrNone } from "./driver/row.js";
import { consumeFrom, type LimitLedger, ledgerText, readLedger, renewIn, settleIn, tidyLedger } from "./limit-ledger.js";
import { createSweep } from "./sweep.js";

const READ = "SELECT {now} AS now, (SELECT ledger FROM portcullis_limits WHERE holder = $1) AS ledger";
const ADD = "INSERT INTO portcullis_limits (holder, ledger, full_at) VALUES ($1, $2, $3) ON CONFLICT (holder) DO NOTHING RETURNING holder";
const CHANGE = "UPDATE portcullis_limits SET ledger = $2, full_at = $3 WHERE holder = $1 AND ledger = $4 RETURNING holder";

/**
 * Limits in a table, one row per holder: read, decided here, and written if the row is still what was read. A denial writes
 * nothing.
 */
export function createSqlLimits(driver: Driver): Limits {
  const sweep = createSweep("portcullis_limits", "holder", "full_at");

  /** Decides on what is stored until nobody else wrote in between. */
  function* decide<T>(holder: string, decision: (ledger: LimitLedger) => T): Operation<T> {
    for (;;) {
      const [row] = yield ask(READ, holder);
      const stored = textOrNone(row, "ledger");
      const ledger = readLedger(stored, number(row, "now"));
      const before = ledgerText(ledger);
      const result = decision(ledger);
      if (ledgerText(ledger) === before) return result;
      yield* sweep();
      const fullAt = tidyLedger(ledger);
      const text = ledgerText(ledger);
      const written = stored === undefined ? yield ask(ADD, holder, text, fullAt) : yield ask(CHANGE, holder, text, fullAt, stored);
      if (written.length === 1) return result;
    }
  }

  const run = <T>(name: string, holder: LimitHolder, decision: (ledger: LimitLedger) => T): Promise<T> =>
    driver.run(name, () => decide(keyOf(holder), decision));

  return Object.freeze({
    consume: (asked: LimitAsk) => run("limits.consume", asked, (ledger) => consumeFrom(ledger, asked)),
    settle: (asked: LimitAsk, at: number) => run("limits.settle", asked, (ledger) => settleIn(ledger, asked, at)),
    renew: (holder: LimitHolder, lease: LimitLease) => run("limits.renew", holder, (ledger) => renewIn(ledger, lease)),
    block: (holder: LimitHolder, ms: number) =>
      run("limits.block", holder, (ledger) => {
        ledger.blockedUntil = ms > 0 ? ledger.now + wholeMs(ms) : 0;
      }),
    reset: (holder: LimitHolder) =>
      run("limits.reset", holder, (ledger) => {
        ledger.cells.clear();
        ledger.blockedUntil = 0;
      }),
  });
}

// Kinds have no colon.
function keyOf({ kind, id }: LimitHolder): string {
  return `${kind}:${id}`;
}
