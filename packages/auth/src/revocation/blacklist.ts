import type { MaybePromise, Tickets } from "@portcullis/core";

const PREFIX = "auth:revoked:";
const LEEWAY_MS = 60_000;

/** Single tokens revoked before their time, each remembered until it would have expired anyway. */
export interface Blacklist {
  revoke(tokenId: string, expiresAt: number, nowMs: number): Promise<void>;
  /** @param key What {@link blacklistKey} makes of the token's id. */
  isRevoked(key: string): MaybePromise<boolean>;
}

/** Made once for each token: joining and hashing it at each request would cost as much as the look-up. */
export function blacklistKey(tokenId: string): string {
  return PREFIX + tokenId;
}

export function createBlacklist(tickets: Tickets): Blacklist {
  return Object.freeze({
    async revoke(tokenId: string, expiresAt: number, nowMs: number): Promise<void> {
      // The store's clock may run ahead of ours: without leeway it would forget the token while we still accept it.
      await tickets.put(blacklistKey(tokenId), "1", Math.max(1, expiresAt - nowMs) + LEEWAY_MS);
    },
    isRevoked(key: string): MaybePromise<boolean> {
      const value = tickets.peek(key);
      return value instanceof Promise ? value.then((known) => known !== undefined) : value !== undefined;
    },
  });
}
