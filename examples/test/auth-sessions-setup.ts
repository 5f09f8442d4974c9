// What every process of auth-sessions-stores.test.ts has of its own: a store, accounts in it, and an auth on both.
import { type AuthEvent, type AuthOptions, type AuthStore, createAuth, createUserDirectory } from "@portcullis/auth";
import type { Clock, StoreLifecycle } from "@portcullis/core";
import { openRedisStore } from "@portcullis/store-redis";
import { openSqlStore } from "@portcullis/store-sql";
import { Redis } from "ioredis";

/** Where a store is. */
export interface StoreTarget {
  readonly kind: "sql" | "redis";
  readonly url: string;
  /** Of Redis keys. */
  readonly prefix: string;
}

/** What a process is told to do, one after another. */
export type SessionJob =
  /** Refreshes with one token so often at once; answers with {@link Refreshed}. */
  | { readonly job: "refresh"; readonly token: string; readonly times: number }
  /** Makes the exchange, says "exchanged" when the store has made it, and never answers the client. */
  | { readonly job: "exchange_and_hang"; readonly token: string }
  /** Opens so many sessions at once; answers with {@link Opened}. */
  | { readonly job: "open"; readonly userId: string; readonly times: number; readonly whenFull: "evict-oldest" | "refuse" };

export interface Refreshed {
  /** The problem's code, or the next tokens, of each. */
  readonly answers: readonly { readonly code?: number; readonly refreshToken?: string; readonly accessToken?: string }[];
  readonly events: readonly AuthEvent["kind"][];
}

export interface Opened {
  /** Access tokens of those that were opened. */
  readonly accessTokens: readonly string[];
  readonly refused: number;
  readonly evicted: readonly string[];
}

export const CAP = 3;
const SECRETS = ["first-secret-0123456789-abcdefghijklmnop", "older-secret-0123456789-abcdefghijklmnop"];

export async function openStore({ kind, url, prefix }: StoreTarget, clock?: Clock): Promise<AuthStore & Pick<StoreLifecycle, "close">> {
  const options = { deadlineMs: 30_000, ...(clock === undefined ? {} : { clock }) };
  if (kind === "sql") return openSqlStore(url, options);
  const client = new Redis(url);
  return { ...openRedisStore(client, { prefix, ...options }), close: async () => client.disconnect() };
}

/** @param place Processes at odd places have the secrets the other way round, as in the middle of a rotation. */
export function openAuth(store: AuthStore, place: number, options: Partial<AuthOptions> = {}) {
  const users = createUserDirectory({ store });
  const secrets = place % 2 === 0 ? SECRETS : SECRETS.toReversed();
  return { users, auth: createAuth({ store, users, secrets, apiKeyPeppers: "a-pepper-for-keys-0123456789-abcdefghijk", ...options }) };
}
