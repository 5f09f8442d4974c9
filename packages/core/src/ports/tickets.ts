import type { MaybePromise } from "../guard/guard.js";

/**
 * Values put once and taken once: one-time tokens, OAuth state, revoked token ids, idempotency keys, replay protection.
 *
 * Atomic: of any number of concurrent `put`, `take` or `replace` calls for a key, exactly one wins.
 * Deadlines are half-open: with `now >= expiresAt` the key is free. Time is the store's.
 * Keys are any string of up to 512 bytes UTF-8, the empty one included.
 */
export interface Tickets {
  /** Claims a free key. @param ttlMs > 0. @returns `true` for the one winner. @throws {StoreUnavailable} */
  put(key: string, value: string, ttlMs: number): MaybePromise<boolean>;
  /** Removes the key and returns its value, to one caller only. @throws {StoreUnavailable} */
  take(key: string): MaybePromise<string | undefined>;
  /** The value, left in place. @throws {StoreUnavailable} */
  peek(key: string): MaybePromise<string | undefined>;
  /** Exchanges the value if it is still `expected`, with a new deadline. @returns whether it was. @throws {StoreUnavailable} */
  replace(key: string, expected: string, value: string, ttlMs: number): MaybePromise<boolean>;
}
