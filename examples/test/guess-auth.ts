// What guesses-stores.test.ts and the processes it starts have in common.
import { type Auth, type AuthEvent, type AccountMail, createAccountMail, createAuth, createUserDirectory } from "@portcullis/auth";
import { openRedisStore } from "@portcullis/store-redis";
import { openSqlStore } from "@portcullis/store-sql";

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

export async function openGuessAuth({ url, prefix }: GuessTarget): Promise<GuessAuth> {
  const deadlineMs = 30_000;
  const store = url.startsWith("redis") ? openRedisStore(url, { prefix, deadlineMs }) : await openSqlStore(url, { deadlineMs });
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
  return { auth, mail, events, letters, close: () => store.close() };
}
