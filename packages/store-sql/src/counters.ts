import type { Counters, CounterState } from "@portcullis/core";
import { after, type Database, number, type Row } from "./database.js";
import { createSweep } from "./sweep.js";

const NONE: CounterState = Object.freeze({ value: 0, remainingMs: 0 });

/** Counters in a table: an add is one statement, which changes nothing where the limit is reached. */
export function createSqlCounters(database: Database): Counters {
  const sweep = createSweep(database, "counters", "expires_at");
  const stateOf = ([row]: readonly Row[]): CounterState =>
    row === undefined ? NONE : Object.freeze({ value: number(row, "value"), remainingMs: number(row, "remaining") });
  const read = (key: string) =>
    after(
      database.query("SELECT value, expires_at - :now AS remaining FROM counters WHERE key = $1 AND expires_at > :now", [key]),
      stateOf,
    );
  return Object.freeze({
    async add(key: string, amount: number, { limit, windowMs }: { readonly limit: number; readonly windowMs: number }) {
      sweep();
      const added = await database.query(
        `INSERT INTO counters (key, value, expires_at)
         SELECT $1, CAST($2 AS double precision), :now + $4 WHERE CAST($2 AS double precision) <= $3
         ON CONFLICT (key) DO UPDATE SET
           value = excluded.value + CASE WHEN counters.expires_at > :now THEN counters.value ELSE 0 END,
           expires_at = CASE WHEN counters.expires_at > :now THEN counters.expires_at ELSE excluded.expires_at END
         WHERE excluded.value + CASE WHEN counters.expires_at > :now THEN counters.value ELSE 0 END <= $3
         RETURNING value, expires_at - :now AS remaining`,
        [key, amount, limit, windowMs],
      );
      return added.length > 0
        ? Object.freeze({ accepted: true, ...stateOf(added) })
        : Object.freeze({ accepted: false, ...(await read(key)) });
    },
    read,
    reset: (key: string) => after(database.query("DELETE FROM counters WHERE key = $1", [key]), () => {}),
  });
}
