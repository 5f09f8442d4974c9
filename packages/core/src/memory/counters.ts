import type { Counters, CounterState } from "../ports/counters.js";
import type { Clock } from "../runtime/clock.js";
import { ExpiringMap } from "./expiring-map.js";

interface Count {
  readonly key: string;
  readonly expiresAt: number;
  value: number;
}

/** Counters in this process, on the monotonic clock: a step of the wall clock ends no lockout. */
export function createMemoryCounters(clock: Clock, maxCounters: number): Counters {
  const counts = new ExpiringMap<Count>(maxCounters);
  return Object.freeze({
    add(
      key: string,
      amount: number,
      bound: { readonly limit: number; readonly windowMs: number },
    ): CounterState & { readonly accepted: boolean } {
      const now = clock.monotonic();
      const count = counts.get(key, now);
      const value = count?.value ?? 0;
      const remainingMs = count === undefined ? 0 : count.expiresAt - now;
      if (value + amount > bound.limit) return Object.freeze({ accepted: false, value, remainingMs });
      if (count === undefined) {
        counts.set({ key, value: amount, expiresAt: now + bound.windowMs }, now, "counters.add");
        return Object.freeze({ accepted: true, value: amount, remainingMs: bound.windowMs });
      }
      count.value += amount;
      return Object.freeze({ accepted: true, value: count.value, remainingMs });
    },
    read(key: string): CounterState {
      const now = clock.monotonic();
      const count = counts.get(key, now);
      return Object.freeze({ value: count?.value ?? 0, remainingMs: count === undefined ? 0 : count.expiresAt - now });
    },
    reset: (key: string): void => counts.delete(key),
  });
}
