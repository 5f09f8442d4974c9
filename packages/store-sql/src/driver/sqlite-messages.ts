import { randomUUID } from "node:crypto";
import { type BusConnection, type BusLink, type BusMessage, type BusTransport, systemClock } from "@portcullis/core";
import { createSweep } from "../sweep.js";
import { ask, type Driver, type Operation, type Row } from "./driver.js";
import { number, text } from "./row.js";

// SQLite tells no other process anything. So messages are rows, and whoever listens looks for new ones. A look costs 3 µs;
// PRAGMA data_version costs 2, and says nothing of what another store has written through the same connection.
const LOOK_EVERY_MS = 25;
/** After a look that failed: the file is locked, or its owner has closed it. */
const LOOK_AGAIN_MS = 1_000;
/** For a process that was held up. One held up longer still notices that rows are missing. */
const KEPT_MS = 60_000;
const ROWS_PER_LOOK = 500;

const ADD = "INSERT INTO portcullis_bus (origin, channel, message, at) VALUES ($1, $2, $3, {now})";
const NEWEST = "SELECT COALESCE(MAX(seq), 0) AS seq FROM portcullis_bus";
const LOOK = `SELECT seq, origin, channel, message FROM portcullis_bus WHERE seq >= $1 ORDER BY seq LIMIT ${ROWS_PER_LOOK}`;

/** Messages between the processes on one SQLite file; within this one they arrive at once. */
export function createSqliteMessages(driver: Driver, deadlineMs: number): BusTransport {
  const origin = randomUUID();
  const links = new Set<BusLink>();
  const sweep = createSweep("portcullis_bus", "seq", `at + ${KEPT_MS}`);

  return Object.freeze({
    async send(messages: readonly BusMessage[]): Promise<void> {
      await driver.transaction("bus.publish", function* () {
        // Before the new ones are added: so the newest row always stays, for others to see where they are.
        yield* sweep();
        for (const { channel, message } of messages) yield ask(ADD, origin, channel, message);
      });
      for (const link of links) for (const { channel, message } of messages) link.onMessage(channel, message);
    },
    connectWithinMs: deadlineMs,
    connect(link: BusLink): BusConnection {
      let seen = 0;
      let isOpen = true;
      let cancel = (): void => {};

      async function begin(): Promise<void> {
        seen = await newest();
        if (!isOpen) return;
        links.add(link);
        lookIn(LOOK_EVERY_MS);
      }
      function lookIn(waitMs: number): void {
        if (isOpen) cancel = systemClock.after(waitMs, () => void look());
      }
      async function look(): Promise<void> {
        try {
          const rows = await driver.run("bus.look", function* (): Operation<readonly Row[]> {
            return yield ask(LOOK, seen);
          });
          // Numbers have no gap, and the last one that was seen goes only when newer ones have come.
          const first = rows.length === 0 ? undefined : number(rows[0], "seq");
          const isGap = first === undefined ? seen > 0 : first > seen + 1;
          if (isGap) link.onGap();
          // The table is another one than before: it was taken back and made anew.
          if (first === undefined && isGap) seen = await newest();
          for (const row of rows) deliver(row);
          lookIn(rows.length === ROWS_PER_LOOK ? 0 : LOOK_EVERY_MS);
        } catch {
          lookIn(LOOK_AGAIN_MS);
        }
      }
      function deliver(row: Row): void {
        const at = number(row, "seq");
        if (at <= seen) return;
        seen = at;
        if (text(row, "origin") !== origin) link.onMessage(text(row, "channel"), text(row, "message"));
      }

      return Object.freeze({
        ready: begin(),
        close(): void {
          isOpen = false;
          cancel();
          links.delete(link);
        },
      });
    },
  });

  function newest(): Promise<number> {
    return driver.run("bus.subscribe", function* () {
      return number((yield ask(NEWEST))[0], "seq");
    });
  }
}
