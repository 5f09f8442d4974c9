import type { Database } from "./database.js";

// One call in so many removes what expired; rows that expired count for nothing meanwhile.
const EVERY = 500;

/** Removes expired rows of a table now and then, in passing: no timer, and no row outlives its use by much. */
export function createSweep(database: Database, table: "tickets" | "counters" | "limit_cells" | "sessions", column: string): () => void {
  let calls = 0;
  return () => {
    calls += 1;
    if (calls % EVERY !== 0) return;
    try {
      const swept = database.query(`DELETE FROM ${table} WHERE ${column} <= :now`);
      // Whoever calls next will meet the same trouble and tell.
      if (swept instanceof Promise) swept.catch(() => {});
    } catch {
      // As above.
    }
  };
}
