import { randomUUID } from "node:crypto";
import { invalidOption, type MaybePromise, type StoredRecord, type StoreWith } from "@portcullis/core";
import { AuthError } from "../errors.js";
import { normaliseEmail } from "./normalise-email.js";
import type { PasswordUpdate, UserAccount, UserDirectory } from "./user-directory.js";

/** What an application may change of an account; passwords are changed by `auth.changePassword`. */
export type AccountChange = Partial<
  Pick<UserAccount, "name" | "roles" | "orgRoles" | "scopedDepartments" | "personas" | "orgId" | "workspaceId" | "mustChangePassword">
>;

/** A `UserDirectory` in the store, with what an administration needs beside it. */
export interface StoredUserDirectory extends UserDirectory {
  /**
   * Changes an account. Roles are in the access tokens: call `auth.accountChanged` after changing them.
   *
   * @returns the account after it; `undefined` when there is none.
   */
  update(id: string, change: AccountChange): Promise<UserAccount | undefined>;
  /** By id, ascending; `after` is the last id of the page before. */
  list(page: {
    readonly limit: number;
    readonly after?: string;
  }): Promise<{ readonly accounts: readonly UserAccount[]; readonly total: number }>;
}

/** Options of {@link createUserDirectory}. */
export interface UserDirectoryOptions {
  readonly store: StoreWith<"records">;
  /** Makes the id of a new account: 1 to 128 characters, never one used before. Default: a random UUID. */
  readonly createId?: () => string;
}

const COLLECTION = "auth-users";
const SCOPE = "users";

/**
 * Keeps accounts in the store's `records`, for applications without a user table of their own.
 *
 * @throws {ConfigurationError} `invalid_option`: no store with records.
 * @example
 * ```ts
 * import { createUserDirectory } from "@portcullis/auth";
 * import { createMemoryStore } from "@portcullis/core";
 *
 * const users = createUserDirectory({ store: createMemoryStore() });
 * console.log(await users.isEmpty()); // true
 * ```
 */
export function createUserDirectory(options: UserDirectoryOptions): StoredUserDirectory {
  const { store, createId = randomUUID } = options ?? {};
  if (typeof store?.records?.find !== "function") throw invalidOption("store", store, "a store with records");
  const { records } = store;

  async function change(id: string, next: (account: UserAccount) => UserAccount | undefined): Promise<UserAccount | undefined> {
    for (;;) {
      const record = await records.find(COLLECTION, { id });
      const account = record === undefined ? undefined : next(toAccount(record));
      if (record === undefined || account === undefined) return undefined;
      const replaced = await records.replace(COLLECTION, id, record.revision, JSON.stringify(account));
      // Somebody else was faster: read what they left and apply the change to that.
      if (replaced !== undefined) return toAccount(replaced);
    }
  }

  return Object.freeze({
    byId: (id: string) => accountOf(records.find(COLLECTION, { id })),
    byEmail: (email: string) => accountOf(records.find(COLLECTION, { uniqueKey: email })),
    async isEmpty(): Promise<boolean> {
      return (await records.list(COLLECTION, { scope: SCOPE, limit: 1 })).total === 0;
    },
    async create(account: Omit<UserAccount, "id">): Promise<UserAccount | undefined> {
      // Two spellings of one address must not become two accounts: no caller may bring its own idea of normal.
      if (normaliseEmail(account.email) !== account.email) {
        throw new AuthError(
          "invalid_account",
          "The account's e-mail address is not in its normal form. Pass it through normaliseEmail first.",
        );
      }
      const stored: UserAccount = { ...account, id: createId() };
      const record = await records.insert(COLLECTION, {
        id: stored.id,
        scope: SCOPE,
        uniqueKey: account.email,
        value: JSON.stringify(stored),
      });
      return record === undefined ? undefined : toAccount(record);
    },
    async updatePassword(id: string, update: PasswordUpdate): Promise<boolean> {
      const { expectedHash, passwordHash, mustChangePassword } = update;
      const changed = await change(id, (account) =>
        account.passwordHash === expectedHash ? { ...account, passwordHash, mustChangePassword } : undefined,
      );
      return changed !== undefined;
    },
    async confirmEmail(id: string, email: string): Promise<boolean> {
      const changed = await change(id, (account) => (account.email === email ? { ...account, emailVerified: true } : undefined));
      return changed !== undefined;
    },
    update: (id: string, changes: AccountChange) => change(id, (account) => ({ ...account, ...changeable(changes) })),
    async list(page: {
      readonly limit: number;
      readonly after?: string;
    }): Promise<{ readonly accounts: readonly UserAccount[]; readonly total: number }> {
      const found = await records.list(COLLECTION, { scope: SCOPE, ...page });
      return { accounts: found.records.map(toAccount), total: found.total };
    },
  });
}

// Named one by one: a request body that is passed through must not set a password hash.
function changeable(changes: AccountChange): AccountChange {
  const { name, roles, orgRoles, scopedDepartments, personas, orgId, workspaceId, mustChangePassword } = changes;
  const entries = Object.entries({ name, roles, orgRoles, scopedDepartments, personas, orgId, workspaceId, mustChangePassword });
  return Object.fromEntries(entries.filter(([key]) => Object.hasOwn(changes, key)));
}

function accountOf(found: MaybePromise<StoredRecord | undefined>): MaybePromise<UserAccount | undefined> {
  if (found instanceof Promise) return found.then((record) => (record === undefined ? undefined : toAccount(record)));
  return found === undefined ? undefined : toAccount(found);
}

function toAccount(record: StoredRecord): UserAccount {
  const account = JSON.parse(record.value) as UserAccount; // only this file writes the collection
  // JSON drops members that are undefined: named here, so that every account has every member.
  const { id, type, email, name, emailVerified = false, passwordHash, mustChangePassword, roles, orgRoles, orgId, workspaceId } = account;
  const { scopedDepartments, personas } = account;
  return Object.freeze({
    id,
    type,
    email,
    name,
    emailVerified,
    passwordHash,
    mustChangePassword,
    roles: Object.freeze(roles),
    orgRoles: Object.freeze(orgRoles),
    scopedDepartments: frozen(scopedDepartments),
    personas: frozen(personas),
    orgId,
    workspaceId,
  });
}

function frozen(list: readonly string[] | undefined): readonly string[] | undefined {
  return list === undefined ? undefined : Object.freeze(list);
}
