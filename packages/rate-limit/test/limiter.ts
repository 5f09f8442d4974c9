import { createMemoryStore, type Limits, StoreUnavailable } from "@portcullis/core";
import { createManualClock, type ManualClock } from "@portcullis/testkit";
import { createRateLimiter, type RateLimitEvent, type RateLimiter, type RateLimiterOptions } from "@portcullis/rate-limit";

/** Wide limits, so that a test states only the one it is about. */
export const WIDE = Object.freeze({
  floor: { limit: 6_000, burst: 12_000 },
  unauthenticated: { limit: 600, burst: 600 },
  tiers: { free: { limit: 10, burst: 60 }, enterprise: { limit: 1_000, burst: 2_000 } },
  defaultTier: "free",
} as const);

/** A limiter on a memory store and a clock that stands still. */
export function limiterWith<Operation extends string = never>(
  options: Partial<RateLimiterOptions<string, Operation>> = {},
): { limiter: RateLimiter<Operation>; clock: ManualClock; events: RateLimitEvent[] } {
  const clock = createManualClock();
  const events: RateLimitEvent[] = [];
  const limiter = createRateLimiter<string, Operation>({
    ...WIDE,
    store: createMemoryStore({ clock }),
    clock,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { limiter, clock, events };
}

/** A store that can be switched off. It fails as real ones do: with a rejection. */
export function flakyStore(limits: Limits): { readonly limits: Limits; isDown: boolean } {
  const store = {
    isDown: false,
    limits: {
      consume: async (subject, cells) => {
        if (store.isDown) throw new StoreUnavailable("limits.consume");
        return limits.consume(subject, cells);
      },
      refund: async (subject, cells) => {
        if (store.isDown) throw new StoreUnavailable("limits.refund");
        return limits.refund(subject, cells);
      },
      reset: async (subject) => limits.reset(subject),
    } satisfies Limits,
  };
  return store;
}

/** What a synchronous store's answer is: not a promise. */
export function now<T>(answer: T | Promise<T>): T {
  if (answer instanceof Promise) throw new Error("The answer is a promise.");
  return answer;
}
