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
export function flakyStore(limits: Limits): { readonly limits: Limits; isDown: boolean; asked: number } {
  const answer = <T>(operation: string, ask: () => T): T => {
    store.asked += 1;
    if (store.isDown) throw new StoreUnavailable(`limits.${operation}`);
    return ask();
  };
  const store = {
    isDown: false,
    asked: 0,
    limits: {
      consume: async (ask) => answer("consume", () => limits.consume(ask)),
      settle: async (ask, at) => answer("settle", () => limits.settle(ask, at)),
      renew: async (holder, lease) => answer("renew", () => limits.renew(holder, lease)),
      block: async (holder, ms) => answer("block", () => limits.block(holder, ms)),
      reset: async (holder) => answer("reset", () => limits.reset(holder)),
    } satisfies Limits,
  };
  return store;
}

/** What a synchronous store's answer is: not a promise. */
export function now<T>(answer: T | Promise<T>): T {
  if (answer instanceof Promise) throw new Error("The answer is a promise.");
  return answer;
}
