// What sessions cost to open and to refresh, without the hash of a password.
import { createMemoryStore, type MemoryStore } from "@portcullis/core";
import { type Auth, createUserDirectory, type TokenPair } from "@portcullis/auth";
import type { Variant } from "../harness/measure.js";
import { authOn, subjectAt } from "./callers.js";

export const OPEN = "session opened, pair of tokens signed";
export const REFRESH = "refresh";

/** Both on the memory store, one after the other, a user for each. @param count Decisions of a turn. */
export function sessionVariants(count: number): readonly Variant[] {
  let opening: Auth = authOn(createMemoryStore());
  let refreshing: { readonly auth: Auth; readonly pairs: readonly TokenPair[] } = { auth: opening, pairs: [] };
  return [
    {
      name: OPEN,
      prepare() {
        opening = authOn(createMemoryStore());
      },
      async turn(many) {
        let opened = 0;
        for (let user = 0; user < many; user += 1) if ((await opening.createTokenPair(subjectAt(user))).sessionId !== "") opened += 1;
        return opened;
      },
    },
    {
      name: REFRESH,
      async prepare() {
        const store = createMemoryStore();
        const auth = authOn(store);
        const pairs: TokenPair[] = [];
        for (let user = 0; user < count; user += 1) {
          pairs.push(await auth.createTokenPair({ ...subjectAt(user), userId: await createUser(store, user) }));
        }
        refreshing = { auth, pairs };
      },
      async turn(many) {
        let refreshed = 0;
        for (const { refreshToken } of refreshing.pairs.slice(0, many)) {
          if ((await refreshing.auth.refresh(refreshToken)).kind === "ok") refreshed += 1;
        }
        return refreshed;
      },
    },
  ];
}

/** An account, made without a hash. @returns its id. */
export async function createUser(store: MemoryStore, user: number, passwordHash?: string): Promise<string> {
  const account = await createUserDirectory({ store }).create({
    type: "user",
    email: subjectAt(user).email,
    name: undefined,
    passwordHash,
    mustChangePassword: false,
    roles: ["member"],
    orgRoles: [],
    orgId: "org-1",
    workspaceId: undefined,
  });
  if (account === undefined) throw new Error(`There is a user ${user} already.`);
  return account.id;
}
