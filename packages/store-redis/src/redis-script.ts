import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { BoundedCall } from "./bounded-call.js";
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

const prelude = readSource("prelude");

/** Reads `<name>.lua`, which lies beside this module in the source and beside the bundle once built. @param prelude Whether the common functions stand before it. */
export function readScript(name: string, options: { readonly prelude: boolean } = { prelude: true }): RedisScript {
  return toScript((options.prelude ? prelude : "") + readSource(name));
}

/** A source as Redis knows it. */
export function toScript(source: string): RedisScript {
  return Object.freeze({ source, sha: createHash("sha1").update(source).digest("hex") });
}

/**
 * Makes the one way in which the store talks to Redis.
 *
 * @param now Epoch ms in place of the server's time.
 */
export function createRunScript(client: RedisClient, bounded: BoundedCall, now: (() => number) | undefined): RunScript {
  return (script, operation, keys, args = []) => {
    const rest = [...keys, now === undefined ? "" : String(now()), operation.slice(operation.indexOf(".") + 1)];
    for (const argument of args) rest.push(typeof argument === "string" ? argument : String(argument));
    return bounded(
      operation,
      () => client.evalsha(script.sha, keys.length, ...rest),
      // A restarted, flushed or promoted server does not know the script; it did not run, so sending it is no repetition.
      (error) => (error.message.startsWith("NOSCRIPT") ? client.eval(script.source, keys.length, ...rest) : undefined),
    );
  };
}

function readSource(name: string): string {
  return readFileSync(new URL(`./${name}.lua`, import.meta.url), "utf8");
}
