// Who calls, with which tokens: the same ones for everybody who verifies.
import { createSecretKey, type KeyObject } from "node:crypto";
import { type Auth, createAuth, createUserDirectory } from "@portcullis/auth";
import { createMemoryStore, type MemoryStore } from "@portcullis/core";
import { createRandomBelow } from "../harness/random-below.js";

const SECRET = "the-secret-of-the-bench-0123456789-abcdefghijk";
const PEPPER = "the-pepper-of-the-bench-0123456789-abcdefghijk";

/** In what order callers come; a power of two. */
export const ORDER = 16_384;
/** Nobody who remembers tokens remembers more. */
export const CACHE_ENTRIES = 20_000;

/** Callers with a token each. */
export interface Callers {
  /** The texts of their tokens, in the order in which they come; no text is the string object that was verified first. */
  readonly tokens: readonly string[];
  readonly store: MemoryStore;
  /** What signed the tokens, for the others. */
  readonly key: KeyObject;
  readonly keyBytes: Buffer;
}

export async function createCallers(count: number): Promise<Callers> {
  const store = createMemoryStore();
  const auth = authOn(store);
  const texts: string[] = [];
  for (let caller = 0; caller < count; caller += 1) texts.push((await auth.createTokenPair(subjectAt(caller))).accessToken);
  const randomBelow = createRandomBelow();
  const keyBytes = Buffer.from(SECRET);
  return {
    tokens: Array.from({ length: ORDER }, () => texts[randomBelow(count)] ?? ""),
    store,
    key: createSecretKey(keyBytes),
    keyBytes,
  };
}

export function authOn(store: MemoryStore, tokenCacheEntries: number = CACHE_ENTRIES): Auth {
  return createAuth({ store, users: createUserDirectory({ store }), secrets: SECRET, apiKeyPeppers: PEPPER, tokenCacheEntries });
}

export function subjectAt(caller: number): {
  readonly userId: string;
  readonly email: string;
  readonly orgId: string;
  readonly role: string;
} {
  return { userId: `user-${caller}`, email: `user-${caller}@example.com`, orgId: "org-1", role: "member" };
}

/** Another string object with the same text, as each request brings one. */
export function copyOf(token: string): string {
  return Buffer.from(token, "latin1").toString("latin1");
}
