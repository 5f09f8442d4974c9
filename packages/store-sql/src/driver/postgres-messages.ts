import { randomUUID } from "node:crypto";
import { type BusConnection, type BusLink, type BusMessage, type BusTransport, StoreUnavailable } from "@portcullis/core";
import { ask, type Driver } from "./driver.js";
import { type PostgresClient, type PostgresPool, withoutValues } from "./postgres-pool.js";

/** The one channel of the server that all of ours go through. */
const SERVER_CHANNEL = "portcullis_bus";
/** None of ours. */
const PROBE = "?";
// All of a statement's rows at once and in their order. The position keeps equal ones apart, which the server would take for one.
const SEND = `SELECT pg_notify('${SERVER_CHANNEL}', line) FROM unnest(string_to_array($1, chr(10))) AS line`;

/** Messages by LISTEN and NOTIFY. Who listens holds one connection of the pool. */
export function createPostgresMessages(driver: Driver, pool: PostgresPool, deadlineMs: number): BusTransport {
  const send = (operation: string, lines: readonly string[]): Promise<void> =>
    driver.run(operation, function* () {
      yield ask(SEND, lines.join("\n"));
    });

  return Object.freeze({
    // In base64: the server takes less than 8,000 bytes, and no U+0000.
    send: (messages: readonly BusMessage[]) =>
      send(
        "bus.publish",
        messages.map(({ channel, message }, index) => `${index} ${channel} ${Buffer.from(message).toString("base64")}`),
      ),
    connectWithinMs: deadlineMs,
    connect(link: BusLink): BusConnection {
      const probe = randomUUID();
      let client: PostgresClient | undefined;
      let isClosed = false;
      let onProbe = (): void => {};
      const probed = new Promise<void>((resolve) => {
        onProbe = resolve;
      });

      async function listen(): Promise<void> {
        const held = await pool.connect();
        if (isClosed) return held.release();
        client = held;
        if (held.on === undefined) throw new Error("The pool's connections have no events.");
        held.on("error", () => link.onLost());
        held.on("end", () => link.onLost());
        held.on("notification", ({ payload = "" }) => {
          const [, channel = "", rest = ""] = payload.split(" ");
          if (channel !== PROBE) link.onMessage(channel, Buffer.from(rest, "base64").toString());
          else if (rest === probe) onProbe();
        });
        await held.query(`LISTEN ${SERVER_CHANNEL}`);
        // A pooler in transaction mode says yes to LISTEN, and then nothing ever comes.
        await send("bus.subscribe", [`0 ${PROBE} ${probe}`]);
        await probed;
        // Whoever only listens does not keep the process alive.
        held.unref?.();
      }

      return Object.freeze({
        ready: listen().catch((error: unknown) => {
          throw error instanceof StoreUnavailable ? error : withoutValues(error);
        }),
        check: async () => client?.query("SELECT 1"),
        close(): void {
          isClosed = true;
          // Destroyed, not given back: it listens. Its listeners stay, for it may still break.
          client?.release(true);
          client = undefined;
        },
      });
    },
  });
}
