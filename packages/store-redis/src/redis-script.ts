import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { StoreUnavailable, systemClock } from "@portcullis/core";
import type { RedisClient } from "./redis-client.js";

/** A script as Redis knows it: by the digest of its source. */
export interface RedisScript {
  readonly source: string;
  readonly sha: string;
}

/** What every port runs its script with. */
export interface RunScript {
  /**
   * Runs a script, which is one indivisible step on the server.
   *
   * @param operation For the error, e.g. `tickets.put`; its second part is the operation within the script.
   * @param keys All keys that the script touches; one hash tag, so that they share a slot of a Cluster.
   * @throws {StoreUnavailable} No answer in time, or an error for one. Whether the script ran is unknown.
   */
  (script: RedisScript, operation: `${string}.${string}`, keys: readonly string[], args?: readonly (string | number)[]): Promise<unknown>;
}

/** Sends something to Redis, within bounds. @param send Is told whether its caller still waits for the answer. */
export type Guarded = (operation: string, send: (isAwaited: () => boolean) => Promise<unknown>) => Promise<unknown>;

const prelude = readSource("prelude");

// While the client waits to reconnect it would queue commands, to be carried out long after their callers gave up.
const DISCONNECTED: ReadonlySet<string> = new Set(["reconnecting", "close", "disconnecting", "end"]);

// After so many deadlines a command without an answer counts as lost, not as waiting.
const DEADLINES_UNTIL_LOST = 100;

/** Reads `<name>.lua`, which lies beside this module in the source and beside the bundle once built. */
export function readScript(name: string): RedisScript {
  const source = prelude + readSource(name);
  return Object.freeze({ source, sha: createHash("sha1").update(source).digest("hex") });
}

/**
 * Makes the one way in which the store talks to Redis.
 *
 * @param now Epoch ms in place of the server's time.
 */
export function createRunScript(client: RedisClient, guarded: Guarded, now: (() => number) | undefined): RunScript {
  return (script, operation, keys, args = []) => {
    const name = operation.slice(operation.indexOf(".") + 1);
    const rest = [...keys, now === undefined ? "" : String(now()), name, ...args.map(String)];
    return guarded(operation, async (isAwaited) => {
      try {
        return await client.evalsha(script.sha, keys.length, ...rest);
      } catch (error) {
        // A restarted, flushed or promoted server does not know the script; it did not run, so sending it is no repetition.
        // But not for a caller who gave up: nothing may happen behind its back.
        if (!(error instanceof Error && error.message.startsWith("NOSCRIPT")) || !isAwaited()) throw error;
        return client.eval(script.source, keys.length, ...rest);
      }
    });
  };
}

/**
 * Bounds how long and how many: each call ends within the deadline, and while `maxPending` calls have not been answered by the
 * server, further ones fail at once instead of piling up behind it.
 */
export function createDeadline(bounds: {
  readonly client: RedisClient;
  readonly deadlineMs: number;
  readonly maxPending: number;
}): Guarded {
  const { client, deadlineMs, maxPending } = bounds;
  let pending = 0;
  const fail = (operation: string, reason: string): StoreUnavailable => new StoreUnavailable(operation, { cause: new Error(reason) });

  return (operation, send) => {
    if (DISCONNECTED.has(client.status)) return Promise.reject(fail(operation, `The Redis client is ${client.status}.`));
    if (pending >= maxPending) return Promise.reject(fail(operation, `${pending} commands have no answer yet.`));
    pending += 1;
    return new Promise((resolve, reject) => {
      let isAwaited = true;
      let isReleased = false;
      const release = (): void => {
        if (!isReleased) pending -= 1;
        isReleased = true;
      };
      // The machine's clock, not the store's: this is about how long the caller waits.
      const cancel = systemClock.after(deadlineMs, () => {
        isAwaited = false;
        reject(fail(operation, `Redis did not answer within ${deadlineMs} ms.`));
        // ioredis forgets commands of a broken connection without a word where it may not send them again.
        systemClock.after(deadlineMs * DEADLINES_UNTIL_LOST, release);
      });
      const settle = (): void => {
        release();
        cancel();
      };
      // An answer that comes too late ends here: the promise has been rejected already.
      send(() => isAwaited).then(
        (reply) => {
          settle();
          resolve(reply);
        },
        (error: unknown) => {
          settle();
          reject(new StoreUnavailable(operation, { cause: withoutArguments(error) }));
        },
      );
    });
  };
}

/**
 * What went wrong, without what was sent: ioredis hangs the whole command on its errors, and Redis quotes the arguments of one
 * it does not know. They are tokens, hashes and records, and whoever logs an error prints its cause.
 */
function withoutArguments(error: unknown): Error {
  if (!(error instanceof Error)) return new Error("The Redis client failed with something that is no error.");
  const told = new Error(error.message.replace(/,? with args beginning with:.*$/s, ""));
  told.name = error.name;
  return told;
}

function readSource(name: string): string {
  return readFileSync(new URL(`./${name}.lua`, import.meta.url), "utf8");
}
