// What guesses-stores.test.ts and the processes it starts have in common.
import {
  type Auth,
  type AuthEvent,
  type AccountMail,
  type AuthStore,
  createAccountMail,
  createAuth,
  createUserDirectory,
} from "@portcullis/auth";
import { openRedisStore } from "@portcullis/store-redis";
import { openSqlStore } from "@portcullis/store-sql";
import { Redis } from "ioredis";

export const THRESHOLD = 5;

/** Which store a process opens. */
export interface GuessTarget {
  readonly url: string;
  /** On Redis: whose keys. */
  readonly prefix: string;
}

/** What a process does as often as it is told, all at once. */
export type GuessJob =
  | { readonly kind: "login"; readonly email: string; readonly password: string; readonly times: number }
  | { readonly kind: "reset"; readonly token: string; readonly newPassword: string; readonly times: number };

/** What came of it. */
export interface Guessed {
  readonly codes: readonly (number | string)[];
  /** Wrong passwords that were computed. */
  readonly computed: number;
}

/** A store, and auth on it. */
export interface GuessAuth {
  readonly auth: Auth;
  readonly mail: AccountMail;
  readonly events: readonly AuthEvent[];
  /** The tokens of the letters sent so far. */
  readonly letters: readonly string[];
  close(): Promise<void>;
}

const DEADLINE_MS = 30_000;

async function openStore({ url, prefix }: GuessTarget): Promise<{ readonly store: AuthStore; close(): Promise<void> }> {
  if (!url.startsWith("redis")) {
    const store = await openSqlStore(url, { deadlineMs: DEADLINE_MS });
    return { store, close: () => store.close() };
  }
  const client = new Redis(url);
  return { store: openRedisStore(client, { prefix, deadlineMs: DEADLINE_MS }), close: async () => void (await client.quit()) };
}

export async function openGuessAuth(target: GuessTarget): Promise<GuessAuth> {
  const { store, close } = await openStore(target);
  const events: AuthEvent[] = [];
  const letters: string[] = [];
  const auth = createAuth({
    store,
    users: createUserDirectory({ store }),
    secrets: "a-secret-of-the-test-0123456789-abcdefghijk",
    apiKeyPeppers: "a-pepper-of-the-test-0123456789-abcdefghijk",
    lockout: { threshold: THRESHOLD },
    passwords: { queueLength: 200 },
    onEvent: (event) => events.push(event),
  });
  const mail = createAccountMail({
    auth,
    deliver: { passwordReset: ({ token }) => void letters.push(token), emailVerification: () => {} },
  });
  return { auth, mail, events, letters, close };
}
