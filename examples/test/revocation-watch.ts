// What revocation-stores.test.ts and the processes it starts have in common.
import { randomUUID } from "node:crypto";
import { type Auth, type AuthStore, createAuth, createUserDirectory } from "@portcullis/auth";
import { openRedisStore } from "@portcullis/store-redis";
import { openSqlStore } from "@portcullis/store-sql";
import { Redis } from "ioredis";

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
  /** @returns the id of a new account. */
  createUser(): Promise<string>;
  close(): Promise<void>;
}

export async function openWatchedAuth({ url, prefix, hears, maxStalenessMs }: WatchTarget): Promise<OpenedAuth> {
  const deadlineMs = 30_000;
  const client = url.startsWith("redis") ? new Redis(url) : undefined;
  const store = client === undefined ? await openSqlStore(url, { deadlineMs }) : openRedisStore(client, { prefix, deadlineMs });
  const { bus, ...deaf } = store;
  const reached: AuthStore = hears ? { ...deaf, bus } : deaf;
  const users = createUserDirectory({ store });
  const auth = createAuth({
    store: reached,
    users,
    secrets: "a-secret-of-the-test-0123456789-abcdefghijk",
    apiKeyPeppers: "a-pepper-of-the-test-0123456789-abcdefghijk",
    revocation: { maxStalenessMs },
  });
  return {
    auth,
    async createUser() {
      const account = await users.create({
        type: "user",
        email: `${randomUUID()}@example.com`,
        name: undefined,
        passwordHash: undefined,
        mustChangePassword: false,
        roles: ["member"],
        orgRoles: [],
        orgId: undefined,
        workspaceId: undefined,
      });
      if (account === undefined) throw new Error("The address is taken.");
      return account.id;
    },
    async close() {
      await auth.close();
      await store.close();
      client?.disconnect();
    },
  };
}

export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
