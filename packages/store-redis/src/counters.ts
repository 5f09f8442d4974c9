import type { Counters, CounterState } from "@portcullis/core";
import { keyOf } from "./redis-key.js";
import { isYes, toList, toNumber } from "./redis-reply.js";
import { readScript, type RunScript } from "./redis-script.js";

const script = readScript("counters");

/** Counters on Redis. */
export function createRedisCounters(run: RunScript, prefix: string): Counters {
  const keys = (key: string): readonly string[] => [keyOf(prefix, "counter", key)];
  return Object.freeze({
    async add(key: string, amount: number, { limit, windowMs }: { readonly limit: number; readonly windowMs: number }) {
      const [accepted, value, remainingMs] = toList(await run(script, "counters.add", keys(key), [amount, limit, windowMs]));
      return Object.freeze({ accepted: isYes(accepted), ...toState(value, remainingMs) });
    },
    async read(key: string) {
      const [value, remainingMs] = toList(await run(script, "counters.read", keys(key)));
      return Object.freeze(toState(value, remainingMs));
    },
    reset: async (key: string) => void (await run(script, "counters.reset", keys(key))),
  });
}

function toState(value: unknown, remainingMs: unknown): CounterState {
  return { value: toNumber(value), remainingMs: toNumber(remainingMs) };
}
