import {
  type Bus,
  type BusConnection,
  type BusLink,
  type BusMessage,
  type BusTransport,
  createBusOver,
  StoreUnavailable,
} from "@portcullis/core";
import { withoutArguments } from "./bounded-call.js";
import type { RedisClient } from "./redis-client.js";
import { keyOf } from "./redis-key.js";
import { toText } from "./redis-reply.js";
import { readScript, type RunScript } from "./redis-script.js";
import { openSubscriber, type RedisSubscriber } from "./redis-subscriber.js";

const script = readScript("bus");
/** Opening a connection takes longer than a call: a name is resolved, TLS agreed upon, a password checked. */
const CONNECT_WITHIN_MS = 5_000;

/** Messages by publish and subscribe. Who listens has a connection of its own for it, made like the client's. */
export function createRedisBus(client: RedisClient, run: RunScript, prefix: string): { readonly bus: Bus; readonly close: () => void } {
  const keys = [keyOf(prefix, "bus", "all")];
  const transport: BusTransport = {
    send: (messages: readonly BusMessage[]) =>
      run(
        script,
        "bus.publish",
        keys,
        messages.map(({ channel, message }) => `${channel} ${message}`),
      ),
    connectWithinMs: CONNECT_WITHIN_MS,
    connect(link: BusLink): BusConnection {
      let subscriber: RedisSubscriber | undefined;
      let isClosed = false;
      async function subscribe(): Promise<unknown> {
        const name = toText(await run(script, "bus.name", keys));
        if (isClosed) return undefined;
        subscriber ??= open();
        // Again, it changes nothing, and is answered by a connection that still brings messages.
        return subscriber.subscribe(name);
      }
      function open(): RedisSubscriber {
        const opened = openSubscriber(client);
        // What breaks the connection also ends it; unheard, ioredis would print it.
        opened.on("error", () => {});
        opened.on("end", () => link.onLost());
        opened.on("message", (_name, text) => {
          const space = text.indexOf(" ");
          link.onMessage(text.slice(0, space), text.slice(space + 1));
        });
        return opened;
      }
      const ready = subscribe().then(
        // Whoever only listens does not keep the process alive.
        () => subscriber?.stream?.unref?.(),
        (error: unknown) => {
          throw error instanceof StoreUnavailable ? error : withoutArguments(error);
        },
      );
      return Object.freeze({
        ready,
        check: subscribe,
        close(): void {
          isClosed = true;
          subscriber?.disconnect();
        },
      });
    },
  };
  return createBusOver(transport);
}
