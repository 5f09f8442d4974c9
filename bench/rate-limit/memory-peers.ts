// What people use instead, in the memory of one process: each answers whether a subject may.
import { MemoryStore as ExpressStore } from "express-rate-limit";
import { MemoryStore as HonoStore } from "hono-rate-limiter";
import { RateLimiterMemory, RateLimiterRes, RateLimiterUnion } from "rate-limiter-flexible";
import { PEER_WINDOW_MS } from "./limiters.js";

/** Somebody who limits. */
export interface Peer {
  readonly name: string;
  /** @returns Whether the subject may. */
  ask(subject: string): boolean | Promise<boolean>;
}

/** How a peer limits: so many in a window. */
export interface PeerLimit {
  readonly limit: number;
  readonly windowMs?: number;
}

/** rate-limiter-flexible: one limit. */
export function flexibleMemory({ limit, windowMs = PEER_WINDOW_MS }: PeerLimit): Peer {
  const limiter = new RateLimiterMemory({ points: limit, duration: windowMs / 1000 });
  return { name: "rate-limiter-flexible", ask: (subject) => isConsumed(limiter.consume(subject)) };
}

/** rate-limiter-flexible: three limits, asked together as it does that. */
export function flexibleUnion({ limit, windowMs = PEER_WINDOW_MS }: PeerLimit): Peer {
  const limiterOf = (keyPrefix: string): RateLimiterMemory =>
    new RateLimiterMemory({ keyPrefix, points: limit, duration: windowMs / 1000 });
  const union = new RateLimiterUnion(limiterOf("caller"), limiterOf("operation"), limiterOf("ceiling"));
  return { name: "rate-limiter-flexible union", ask: (subject) => isConsumed(union.consume(subject)) };
}

/** The store of express-rate-limit, and the comparison that its middleware makes. */
export function expressStore({ limit, windowMs = PEER_WINDOW_MS }: PeerLimit): Peer {
  const store = new ExpressStore();
  // All that it reads of its options.
  store.init({ windowMs } as Parameters<ExpressStore["init"]>[0]);
  return { name: "express-rate-limit", ask: async (subject) => (await store.increment(subject)).totalHits <= limit };
}

/** The store of hono-rate-limiter, and the comparison that its middleware makes. It answers at once. */
export function honoStore({ limit, windowMs = PEER_WINDOW_MS }: PeerLimit): Peer & { ask(subject: string): boolean } {
  const store = new HonoStore();
  // All that it reads of its options.
  store.init({ windowMs } as Parameters<HonoStore["init"]>[0]);
  return { name: "hono-rate-limiter", ask: (subject) => store.increment(subject).totalHits <= limit };
}

/** A refusal of rate-limiter-flexible is a rejection: with its result, or with those of the union by the name of each limit. */
export async function isConsumed(consumed: Promise<unknown>): Promise<boolean> {
  try {
    await consumed;
    return true;
  } catch (refusal) {
    const isRefusal = refusal instanceof RateLimiterRes || (!(refusal instanceof Error) && typeof refusal === "object");
    if (!isRefusal) throw refusal;
    return false;
  }
}
