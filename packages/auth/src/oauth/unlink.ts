import { problems } from "@portcullis/core";
import type { AuthInternals } from "../auth-internals.js";
import { denied, ok, type AuthResult } from "../auth-result.js";
import type { Identities, LinkedIdentity } from "./identities.js";

export interface Unlinking {
  unlink(userId: string, provider: string): Promise<AuthResult<undefined>>;
  forget(userId: string): Promise<void>;
}

// Longer than any unlink takes; a process that dies in the middle of one keeps others out for so long only.
const LOCK_MS = 10_000;

export function createUnlinking({ settings: { store, users }, instruments }: AuthInternals, identities: Identities): Unlinking {
  async function remove(identity: LinkedIdentity): Promise<void> {
    const { userId, provider } = identity;
    if (await identities.remove(identity)) instruments.emit({ kind: "identity_unlinked", userId, provider });
  }

  return Object.freeze({
    async unlink(userId: string, provider: string): Promise<AuthResult<undefined>> {
      // One at a time: two unlinks of two providers would each see the other's as the one that remains.
      const lock = `oauth:unlink:${userId}`;
      if (!(await store.tickets.put(lock, "1", LOCK_MS))) return denied(problems.requestInFlight());
      try {
        const all = await identities.of(userId);
        const going = all.filter((identity) => identity.provider === provider);
        if (going.length === 0) return denied(problems.notFound());
        if (going.length === all.length && (await users.byId(userId))?.passwordHash === undefined) {
          return denied(
            problems.conflict({ detail: "Nothing would be left to log in with. Set a password or link another provider first." }),
          );
        }
        for (const identity of going) await remove(identity);
        return ok(undefined);
      } finally {
        await store.tickets.take(lock);
      }
    },
    async forget(userId: string): Promise<void> {
      for (const identity of await identities.of(userId)) await remove(identity);
    },
  });
}
