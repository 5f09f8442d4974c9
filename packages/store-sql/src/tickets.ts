import type { Tickets } from "@portcullis/core";
import { ask, type Driver, wholeMs } from "./driver/driver.js";
import { flag, text } from "./driver/row.js";
import { createSweep } from "./sweep.js";

const PUT = `INSERT INTO portcullis_tickets AS ticket (key, value, expires_at) VALUES ($1, $2, {now} + $3)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at WHERE ticket.expires_at <= {now}
  RETURNING key`;
// Also one that is over, which is then nobody's.
const TAKE = "DELETE FROM portcullis_tickets WHERE key = $1 RETURNING value, expires_at > {now} AS is_live";
const PEEK = "SELECT value FROM portcullis_tickets WHERE key = $1 AND expires_at > {now}";
const REPLACE = `UPDATE portcullis_tickets SET value = $3, expires_at = {now} + $4
  WHERE key = $1 AND value = $2 AND expires_at > {now} RETURNING key`;

/** Tickets in a table; each call is one statement, so the database decides the winner. */
export function createSqlTickets(driver: Driver): Tickets {
  const sweep = createSweep("portcullis_tickets", "key", "expires_at");
  return Object.freeze({
    put: (key: string, value: string, ttlMs: number) =>
      driver.run("tickets.put", function* () {
        yield* sweep();
        return (yield ask(PUT, key, value, wholeMs(ttlMs))).length === 1;
      }),
    take: (key: string) =>
      driver.run("tickets.take", function* () {
        const [row] = yield ask(TAKE, key);
        return flag(row, "is_live") ? text(row, "value") : undefined;
      }),
    peek: (key: string) =>
      driver.run("tickets.peek", function* () {
        const [row] = yield ask(PEEK, key);
        return row === undefined ? undefined : text(row, "value");
      }),
    replace: (key: string, expected: string, value: string, ttlMs: number) =>
      driver.run("tickets.replace", function* () {
        return (yield ask(REPLACE, key, expected, value, wholeMs(ttlMs))).length === 1;
      }),
  });
}
