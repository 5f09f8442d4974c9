import type { Tickets } from "@portcullis/core";
import { keyOf } from "./redis-key.js";
import { isYes, toOptionalText } from "./redis-reply.js";
import { readScript, type RunScript } from "./redis-script.js";

const script = readScript("tickets");

/** Tickets on Redis. */
export function createRedisTickets(run: RunScript, prefix: string): Tickets {
  const keys = (key: string): readonly string[] => [keyOf(prefix, "ticket", key)];
  return Object.freeze({
    put: async (key: string, value: string, ttlMs: number) => isYes(await run(script, "tickets.put", keys(key), [value, ttlMs])),
    take: async (key: string) => toOptionalText(await run(script, "tickets.take", keys(key))),
    peek: async (key: string) => toOptionalText(await run(script, "tickets.peek", keys(key))),
    replace: async (key: string, expected: string, value: string, ttlMs: number) =>
      isYes(await run(script, "tickets.replace", keys(key), [expected, value, ttlMs])),
  });
}
