import type { MaybePromise, Tickets } from "@portcullis/core";

const PREFIX = "auth:revoked:";
const LEEWAY_MS = 60_000;

/** Single tokens revoked before their time, each remembered until it would have expired anyway. */
export interface Blacklist {
  revoke(tokenId: string, expiresAt: number, nowMs: number): Promise<void>;
  isRevoked(tokenId: string): MaybePromise<boolean>;
  /** The same, by what {@link blacklistKey} makes of the token's id. */
  hasKey(key: string): MaybePromise<boolean>;
}

/** For tokens that are looked at often, made once: joining and hashing it each time would cost as much as the look-up. */
export function blacklistKey(tokenId: string): string {
  return PREFIX + tokenId;
}

export function createBlacklist(tickets: Tickets): Blacklist {
  const hasKey = (key: string): MaybePromise<boolean> => {
    const value = tickets.peek(key);
    return value instanceof Promise ? value.then((known) => known !== undefined) : value !== undefined;
  };
  return Object.freeze({
    async revoke(tokenId: string, expiresAt: number, nowMs: number): Promise<void> {
      // The store's clock may run ahead of ours: without leeway it would forget the token while we still accept it.
      await tickets.put(blacklistKey(tokenId), "1", Math.max(1, expiresAt - nowMs) + LEEWAY_MS);
    },
    isRevoked: (tokenId: string) => hasKey(blacklistKey(tokenId)),
    hasKey,
  });
}
