// What revocation-stores.test.ts and the processes it starts have in common.
import { type Auth, type AuthStore, createAuth, createUserDirectory } from "@portcullis/auth";
import { openRedisStore } from "@portcullis/store-redis";
import { openSqlStore } from "@portcullis/store-sql";

/** Which store a process opens, and how it is told of what ended. */
export interface WatchTarget {
  readonly url: string;
  /** On Redis: whose keys. */
  readonly prefix: string;
  /** Whether messages reach it. */
  readonly hears: boolean;
  readonly maxStalenessMs: number;
}

/** On the clock that all processes of the machine share, ms. */
export interface Watched {
  /** When the last verification that accepted the token began. */
  readonly lastAcceptedAtMs: number;
  /** How many did. */
  readonly accepted: number;
}

/** A store, and auth on it. */
export interface OpenedAuth {
  readonly auth: Auth;
  close(): Promise<void>;
}

export async function openWatchedAuth({ url, prefix, hears, maxStalenessMs }: WatchTarget): Promise<OpenedAuth> {
  const deadlineMs = 30_000;
  const store = url.startsWith("redis") ? openRedisStore(url, { prefix, deadlineMs }) : await openSqlStore(url, { deadlineMs });
  const { bus, ...deaf } = store;
  const reached: AuthStore = hears ? { ...deaf, bus } : deaf;
  const auth = createAuth({
    store: reached,
    users: createUserDirectory({ store }),
    secrets: "a-secret-of-the-test-0123456789-abcdefghijk",
    apiKeyPeppers: "a-pepper-of-the-test-0123456789-abcdefghijk",
    revocation: { maxStalenessMs },
  });
  return {
    auth,
    async close() {
      await auth.close();
      await store.close();
    },
  };
}

export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
