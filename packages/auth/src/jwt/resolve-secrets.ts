// Where a service's secrets come from: its configuration, else its store, else, if it is told so, chance.

import { randomBytes } from "node:crypto";
import { ConfigurationError, invalidOption, type StoredRecord, type StoreWith } from "@portcullis/core";
import { createSecretRing } from "./secret-ring.js";

/** Options of {@link resolveSecrets}. */
export interface ResolveSecretsOptions {
  /** From the environment, e.g. `process.env.AUTH_SECRETS`; the form of `createAuth`'s `secrets`. Wins wherever it is given. */
  readonly configured?: string | undefined;
  readonly store: StoreWith<"records">;
  /** What they are for, and the record's id: 1 to 64 characters of `a-z`, `0-9` and `-`. Secrets and peppers need a name each. */
  readonly name: string;
  /**
   * Makes a secret and keeps it in the store where neither has one. Default `false`. Then whoever reads a dump of the store signs
   * tokens: give production its secrets by configuration.
   */
  readonly allowGenerate?: boolean;
  /** Cryptographically strong random bytes. Default: `node:crypto`. */
  readonly random?: (bytes: number) => Uint8Array;
}

const COLLECTION = "auth-secrets";
const NAME = /^[a-z0-9-]{1,64}$/;
const SECRET_BYTES = 48;

/**
 * Finds the secrets for `createAuth`: what is configured, else what the store holds, else, only with `allowGenerate`, a new one that is
 * kept in the store. Of any number of processes that start at once, all get the same; what the store holds is never overwritten.
 *
 * @throws {ConfigurationError} `no_secrets`: there are none, and none may be made. `stored_secrets_unusable`: what the store holds is no
 *   secret; it was left as it is. `invalid_option`: what is configured is weak. No message shows one.
 * @throws {StoreUnavailable} Whether a secret was stored is unknown; the next call finds out.
 * @example
 * ```ts
 * import { createAuth, createUserDirectory, resolveSecrets } from "@portcullis/auth";
 * import { createMemoryStore } from "@portcullis/core";
 *
 * const store = createMemoryStore();
 * const allowGenerate = process.env.NODE_ENV !== "production";
 * createAuth({
 *   store,
 *   users: createUserDirectory({ store }),
 *   secrets: await resolveSecrets({ configured: process.env.AUTH_SECRETS, store, name: "token-secrets", allowGenerate }),
 *   apiKeyPeppers: await resolveSecrets({ configured: process.env.AUTH_PEPPERS, store, name: "api-key-peppers", allowGenerate }),
 * });
 * ```
 */
export async function resolveSecrets(options: ResolveSecretsOptions): Promise<string> {
  const { configured, store, name, allowGenerate = false, random = randomBytes } = options ?? {};
  if (typeof name !== "string" || !NAME.test(name)) throw invalidOption("name", name, "1 to 64 characters of a-z, 0-9 and -");
  if (typeof allowGenerate !== "boolean") throw invalidOption("allowGenerate", allowGenerate, "true or false");
  if (configured !== undefined) {
    if (typeof configured !== "string") throw invalidOption("configured", configured, "a string, the secrets with commas between");
    // An empty variable is a mistake in the environment, not the wish to have a secret made.
    createSecretRing("configured", configured);
    return configured;
  }
  if (typeof store?.records?.find !== "function") throw invalidOption("store", store, "a store with records");
  const stored = await store.records.find(COLLECTION, { id: name });
  if (stored !== undefined) return readStored(name, stored);
  if (!allowGenerate) {
    throw new ConfigurationError(
      "no_secrets",
      `There are no secrets for "${name}": none are configured, and the store holds none. Configure them (make one with: openssl rand -base64 48), or set allowGenerate to have one made and kept in the store, where whoever reads a dump of it can sign.`,
    );
  }
  const secret = Buffer.from(random(SECRET_BYTES)).toString("base64url");
  // A source of chance that is broken makes zeros.
  createSecretRing("random", secret);
  // The store decides which of several processes was first; the others take what it made.
  const inserted = await store.records.insert(COLLECTION, { id: name, scope: COLLECTION, value: JSON.stringify({ secrets: secret }) });
  if (inserted !== undefined) return secret;
  const winner = await store.records.find(COLLECTION, { id: name });
  if (winner === undefined) throw unusable(name, "was removed while it was read");
  return readStored(name, winner);
}

function readStored(name: string, { value }: StoredRecord): string {
  try {
    const { secrets } = JSON.parse(value) as { readonly secrets?: unknown };
    if (typeof secrets === "string") {
      createSecretRing("stored", secrets);
      return secrets;
    }
  } catch {
    // Without its cause, which may quote the record.
  }
  throw unusable(name, "is no secret");
}

function unusable(name: string, what: string): ConfigurationError {
  return new ConfigurationError(
    "stored_secrets_unusable",
    `The record "${name}" of the collection "${COLLECTION}" ${what}. It was left as it is: restore it, configure secrets, or remove it to have one made, which ends every token.`,
  );
}
