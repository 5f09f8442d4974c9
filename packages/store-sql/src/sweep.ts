import { ask, type Operation } from "./driver/driver.js";

/** One write in so many sweeps. */
const EVERY_WRITES = 64;
/** Rows one sweep removes at most: more than are written between two, so that a backlog shrinks. */
const MOST_ROWS = 256;

/**
 * Removes rows that are over, a few with every so many writes: no timer, and no statement that runs long.
 *
 * @param overAt The column that says when a row is over; at the instant itself it is.
 */
export function createSweep(table: string, key: string, overAt: string): () => Operation<void> {
  const statement = `DELETE FROM ${table} WHERE ${key} IN (
    SELECT ${key} FROM ${table} WHERE ${overAt} <= {now} ORDER BY ${overAt} LIMIT ${MOST_ROWS} {skipLocked}
  )`;
  let writes = 0;
  return function* sweep() {
    writes += 1;
    if (writes % EVERY_WRITES === 0) yield ask(statement);
  };
}
