import type { Counters, CounterState } from "@portcullis/core";
import { ask, type Driver, type Row, wholeMs } from "./driver/driver.js";
import { number } from "./driver/row.js";
import { createSweep } from "./sweep.js";

const ADD = `INSERT INTO portcullis_counters AS counter (key, value, expires_at) VALUES ($1, $2, {now} + $4)
  ON CONFLICT (key) DO UPDATE SET
    value = CASE WHEN counter.expires_at <= {now} THEN excluded.value ELSE counter.value + excluded.value END,
    expires_at = CASE WHEN counter.expires_at <= {now} THEN excluded.expires_at ELSE counter.expires_at END
  WHERE counter.expires_at <= {now} OR counter.value + excluded.value <= $3
  RETURNING value, expires_at - {now} AS remaining_ms`;
const READ = "SELECT value, expires_at - {now} AS remaining_ms FROM portcullis_counters WHERE key = $1 AND expires_at > {now}";
const RESET = "DELETE FROM portcullis_counters WHERE key = $1";

/** Counters in a table; a guarded upsert adds or refuses in one statement. */
export function createSqlCounters(driver: Driver): Counters {
  const sweep = createSweep("portcullis_counters", "key", "expires_at");
  return Object.freeze({
    add: (key: string, amount: number, { limit, windowMs }: { readonly limit: number; readonly windowMs: number }) =>
      driver.run("counters.add", function* () {
        // The first add of a window has no row to be compared with.
        if (amount <= limit) {
          yield* sweep();
          const [row] = yield ask(ADD, key, amount, limit, wholeMs(windowMs));
          if (row !== undefined) return Object.freeze({ accepted: true, ...stateOf(row) });
        }
        return Object.freeze({ accepted: false, ...stateOf((yield ask(READ, key))[0]) });
      }),
    read: (key: string) =>
      driver.run("counters.read", function* () {
        return Object.freeze(stateOf((yield ask(READ, key))[0]));
      }),
    reset: (key: string) =>
      driver.run("counters.reset", function* () {
        yield ask(RESET, key);
      }),
  });
}

function stateOf(row: Row | undefined): CounterState {
  if (row === undefined) return { value: 0, remainingMs: 0 };
  return { value: number(row, "value"), remainingMs: Math.max(0, number(row, "remaining_ms")) };
}
