import type { MaybePromise } from "@portcullis/core";

/** Somebody who can log in, or a service that owns API keys. */
export interface UserAccount {
  /** 1 to 128 characters, stable, never reused. */
  readonly id: string;
  /** A service has no password login. */
  readonly type: "user" | "service";
  /** As `normaliseEmail` gives it; unique. */
  readonly email: string;
  readonly name: string | undefined;
  /** Whether the address was proven to be theirs; only then may another provider's word for it open this account. */
  readonly emailVerified?: boolean | undefined;
  /** An Argon2id hash; `undefined`: no password login. */
  readonly passwordHash: string | undefined;
  /** Until it is changed, the account can do nothing else. */
  readonly mustChangePassword: boolean;
  readonly roles: readonly string[];
  readonly orgRoles: readonly string[];
  /** Departments that the department-bound organisation roles are held for. */
  readonly scopedDepartments?: readonly string[] | undefined;
  /** Who it is in the organisation; grants nothing by itself. */
  readonly personas?: readonly string[] | undefined;
  readonly orgId: string | undefined;
  readonly workspaceId: string | undefined;
}

/** An account as it is handed out: what passes it on by mistake passes no hash on. */
export type AccountInfo = Omit<UserAccount, "passwordHash">;

export function withoutHash({ passwordHash: _kept, ...account }: UserAccount): AccountInfo {
  return Object.freeze(account);
}

/** A new password, and the hash it replaces. */
export interface PasswordUpdate {
  /** The hash that was read before; the update happens only if it is still stored. */
  readonly expectedHash: string | undefined;
  readonly passwordHash: string;
  readonly mustChangePassword: boolean;
}

/**
 * The accounts, as authentication sees them. They belong to the application: implement this over your own table, or take
 * `createUserDirectory`. Whether an account is disabled, and its token version, are not here but in the store's `subjects`,
 * which every request reads; use `auth.setDisabled` and `auth.revokeUser`. After changing an account's roles call
 * `auth.accountChanged`; before deleting an account call `auth.setDisabled(id, true)` and leave it so: access tokens are verified without
 * a look at this directory, and ids are never used again.
 */
export interface UserDirectory {
  byId(id: string): MaybePromise<UserAccount | undefined>;
  /** @param email As `normaliseEmail` gives it. */
  byEmail(email: string): MaybePromise<UserAccount | undefined>;
  /** Whether there is no account at all: only then may the first administrator be set up. */
  isEmpty(): MaybePromise<boolean>;
  /** @returns the account with its new id, or `undefined` when the e-mail address is taken; nothing was stored then. */
  create(account: Omit<UserAccount, "id">): MaybePromise<UserAccount | undefined>;
  /** Replaces the password in one indivisible step. @returns `false` when the stored hash is not `expectedHash` any more. */
  updatePassword(id: string, update: PasswordUpdate): MaybePromise<boolean>;
  /** Notes that the address was proven, if it is still the account's. @returns `false` when it is not. */
  confirmEmail(id: string, email: string): MaybePromise<boolean>;
}
