// What people use instead on Redis, all over ioredis with its usual options.
import { createHash } from "node:crypto";
import { Ratelimit } from "@upstash/ratelimit";
import type { Redis } from "ioredis";
import { RateLimiterRedis, RateLimiterUnion } from "rate-limiter-flexible";
import { PEER_WINDOW_MS } from "./limiters.js";
import { isConsumed, type Peer, type PeerLimit } from "./memory-peers.js";

/** rate-limiter-flexible: one limit. @param blocksInMemory Remembers refusals in this process. */
export function flexibleRedis(
  client: Redis,
  { limit, windowMs = PEER_WINDOW_MS }: PeerLimit,
  blocksInMemory = false,
): Peer & { readonly limiter: RateLimiterRedis } {
  const limiter = new RateLimiterRedis({
    ...{ storeClient: client, keyPrefix: blocksInMemory ? "blocked" : "flexible", points: limit, duration: windowMs / 1000 },
    ...(blocksInMemory ? { inMemoryBlockOnConsumed: limit } : {}),
  });
  return { name: "rate-limiter-flexible", limiter, ask: (subject) => isConsumed(limiter.consume(subject)) };
}

/** rate-limiter-flexible: three limits, asked together as it does that. */
export function flexibleRedisUnion(client: Redis, { limit, windowMs = PEER_WINDOW_MS }: PeerLimit): Peer {
  const limiterOf = (keyPrefix: string): RateLimiterRedis =>
    new RateLimiterRedis({ storeClient: client, keyPrefix, points: limit, duration: windowMs / 1000 });
  const union = new RateLimiterUnion(limiterOf("caller"), limiterOf("operation"), limiterOf("ceiling"));
  return { name: "rate-limiter-flexible union", ask: (subject) => isConsumed(union.consume(subject)) };
}

/**
 * \@upstash/ratelimit: one limit, by its sliding window. It asks its client for `evalsha` and `eval` only; here these go to ioredis
 * instead of Upstash's HTTP, which can only be in its favour. Its scripts begin with a flag that only Upstash's server knows; they
 * run without that line.
 */
export function upstashSlidingWindow(client: Redis, { limit, windowMs = PEER_WINDOW_MS }: PeerLimit): Peer {
  const digestOf = (script: string): string => createHash("sha1").update(script).digest("hex");
  // Of the scripts as they run here, by the digests of what they were.
  const digests = new Map<string, string>();
  const redis = {
    evalsha(sha: string, keys: readonly string[], values: readonly unknown[]): Promise<unknown> {
      const own = digests.get(sha);
      if (own === undefined) return Promise.reject(new Error("NOSCRIPT"));
      return client.evalsha(own, keys.length, ...keys, ...values.map(String));
    },
    eval(script: string, keys: readonly string[], values: readonly unknown[]): Promise<unknown> {
      const own = script.replace(/^#!lua .*\n/, "");
      digests.set(digestOf(script), digestOf(own));
      return client.eval(own, keys.length, ...keys, ...values.map(String));
    },
  };
  const limiter = new Ratelimit({
    // The commands it uses, with the answers it expects: whole numbers.
    redis: redis as unknown as ConstructorParameters<typeof Ratelimit>[0]["redis"],
    limiter: Ratelimit.slidingWindow(limit, `${windowMs} ms`),
    prefix: "upstash",
    ephemeralCache: false,
  });
  return { name: "@upstash/ratelimit", ask: async (subject) => (await limiter.limit(subject)).success };
}

/** Floor: a counter without a limit, an end or a subject that is refused. */
export function bareIncrement(client: Redis): Peer {
  return { name: "INCR", ask: async (subject) => (await client.incr(`incr:${subject}`)) > 0 };
}

/** Floor: a script that does nothing. */
export async function bareScript(client: Redis): Promise<Peer> {
  const sha = String(await client.script("LOAD", "return 1"));
  return { name: "EVALSHA return 1", ask: async (subject) => (await client.evalsha(sha, 1, `script:${subject}`)) === 1 };
}
