import type { MaybePromise } from "../guard/guard.js";

/** A stored API key: never the key itself. */
export interface ApiKeyRecord {
  readonly id: string;
  readonly ownerId: string;
  readonly name: string;
  /** HMAC of the secret. */
  readonly hash: string;
  /** Which pepper made the hash. */
  readonly pepperId: string;
  readonly lastFour: string;
  readonly createdAt: number;
  /** `undefined`: never. */
  readonly expiresAt: number | undefined;
  readonly revokedAt: number | undefined;
  readonly lastUsedAt: number | undefined;
  /** Roles, scopes, organisation: JSON of the auth package. */
  readonly data: string;
}

/** API keys. Revocation is visible to the very next `find`. */
export interface ApiKeys {
  /** @returns `false` when the id is taken; nothing was stored then. */
  insert(record: ApiKeyRecord): MaybePromise<boolean>;
  find(id: string): MaybePromise<ApiKeyRecord | undefined>;
  /** Newest first, revoked ones included. */
  list(ownerId: string): MaybePromise<readonly ApiKeyRecord[]>;
  /** @returns `true` for the one call that revoked it; a key of another owner is left alone. */
  revoke(id: string, ownerId: string): MaybePromise<boolean>;
  /** Notes a use; at most once per `minIntervalMs`, silently skipped otherwise. */
  touch(id: string, minIntervalMs: number): MaybePromise<void>;
}
