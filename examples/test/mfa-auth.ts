// The auth of mfa-stores.test.ts and of its processes: the same secrets, whichever store.
import { type Auth, type AuthEvent, type AuthStore, createAuth, createUserDirectory, type Mfa } from "@portcullis/auth";
import { openRedisStore } from "@portcullis/store-redis";
import { openSqlStore } from "@portcullis/store-sql";
import { Redis } from "ioredis";

/** What one process tries at once. */
export type MfaJob = readonly { readonly pendingToken: string; readonly code: string }[];

/** More than any race tries: what is single-use is looked at, not the lock. */
export const THRESHOLD = 100;
const DEADLINE_MS = 30_000;
const secret = (purpose: string): string => `${purpose}-secret-0123456789-abcdefghijklmnop`;

export interface MfaAuth {
  readonly auth: Auth;
  readonly mfa: Mfa;
  readonly store: AuthStore;
  readonly events: readonly AuthEvent[];
  readonly close: () => Promise<void>;
}

/** @param target A file or database of store-sql, or `redis://…#prefix`. @param threshold Wrong codes that lock. */
export async function openMfaAuth(target: string, threshold: number = THRESHOLD): Promise<MfaAuth> {
  const { store, close } = await openStore(target);
  return { ...mfaAuthOn(store, threshold), close };
}

export function mfaAuthOn(store: AuthStore, threshold: number = THRESHOLD): Omit<MfaAuth, "close"> {
  const events: AuthEvent[] = [];
  const auth = createAuth({
    store,
    users: createUserDirectory({ store }),
    secrets: secret("token"),
    apiKeyPeppers: secret("pepper"),
    mfa: { keys: secret("sealing"), lockout: { threshold } },
    onEvent: (event) => events.push(event),
  });
  if (auth.mfa === undefined) throw new Error("made without mfa");
  return { auth, mfa: auth.mfa, store, events };
}

async function openStore(target: string): Promise<{ readonly store: AuthStore; readonly close: () => Promise<void> }> {
  if (!target.startsWith("redis:")) {
    const store = await openSqlStore(target, { deadlineMs: DEADLINE_MS });
    return { store, close: () => store.close() };
  }
  const [url = "", prefix = ""] = target.split("#");
  const client = new Redis(url);
  return { store: openRedisStore(client, { prefix, deadlineMs: DEADLINE_MS }), close: async () => void (await client.quit()) };
}
