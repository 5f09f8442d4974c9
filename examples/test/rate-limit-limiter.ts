// Limiters for the tests of rate limits on real servers: wide limits around the one that a test is about.
import { type Clock, type StoreWith, systemClock } from "@portcullis/core";
import { createRateLimiter, type Decision, type RateLimiter, type RateLimiterOptions } from "@portcullis/rate-limit";
import type { RedisClient } from "@portcullis/store-redis";

/** Wide limits, so that a test states only the one it is about. */
const WIDE = Object.freeze({
  floor: { limit: 600_000, burst: 1_200_000 },
  unauthenticated: { limit: 600, burst: 600 },
  tiers: { free: { limit: 100_000, burst: 200_000 } },
  defaultTier: "free",
} as const);

/** A limiter on a store. */
export function limiterOn<Operation extends string = never>(
  store: StoreWith<"limits">,
  options: Partial<RateLimiterOptions<string, Operation>> = {},
): RateLimiter<Operation> {
  return createRateLimiter<string, Operation>({ ...WIDE, store, ...options });
}

/** A tier of so many at once; what comes back during a test is less than one. */
export function burstOf(burst: number): { readonly tiers: { readonly free: { limit: number; periodMs: number; burst: number } } } {
  return { tiers: { free: { limit: 1, periodMs: 3_600_000, burst } } };
}

/** How many were allowed. */
export function allowedOf(decisions: readonly Decision[]): number {
  return decisions.filter(({ allowed }) => allowed).length;
}

/** Answers of the same question, asked so many times at once. */
export async function atOnce(times: number, ask: () => Decision | Promise<Decision>): Promise<Decision[]> {
  return Promise.all(Array.from({ length: times }, async () => ask()));
}

/** The machine's clock in a process where it is wrong by so much. */
export function skewedClock(byMs: number): Clock {
  return { ...systemClock, now: () => Date.now() + byMs, monotonic: () => performance.now() + byMs };
}

/** What one script call sent. */
export interface SentScript {
  readonly keys: readonly string[];
  readonly operation: string;
}

/** A client that keeps what is sent through it. */
export interface RecordingClient extends RedisClient {
  readonly sent: readonly SentScript[];
  /** Sent, without an answer so far. */
  readonly waiting: number;
  clear(): void;
}

/** Records what goes through a client; what it answers is its own. */
export function recording(client: RedisClient): RecordingClient {
  const sent: SentScript[] = [];
  let waiting = 0;
  const record = async (keyCount: number, keysAndArguments: readonly string[], send: () => Promise<unknown>): Promise<unknown> => {
    // Behind the keys: the manual clock, then the operation.
    sent.push({ keys: keysAndArguments.slice(0, keyCount), operation: keysAndArguments[keyCount + 1] ?? "" });
    waiting += 1;
    try {
      return await send();
    } finally {
      waiting -= 1;
    }
  };
  return {
    get status() {
      return client.status;
    },
    get waiting() {
      return waiting;
    },
    sent,
    clear: () => void sent.splice(0),
    evalsha: async (sha, keyCount, ...rest) => record(keyCount, rest, () => client.evalsha(sha, keyCount, ...rest)),
    eval: async (source, keyCount, ...rest) => record(keyCount, rest, () => client.eval(source, keyCount, ...rest)),
    ping: () => client.ping(),
  };
}
