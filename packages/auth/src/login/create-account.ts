import { problems } from "@portcullis/core";
import { denied, ok, type AuthResult } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import type { PasswordHasher } from "../passwords/password-hasher.js";
import type { PasswordPolicy } from "../passwords/password-policy.js";
import { normaliseEmail } from "../users/normalise-email.js";
import { type AccountInfo, withoutHash } from "../users/user-directory.js";
import { overloaded } from "./password-login.js";

/** An account to be made. */
export interface NewAccount {
  readonly email: string;
  readonly password: string;
  readonly roles: readonly string[];
  readonly name?: string;
  readonly orgRoles?: readonly string[];
  readonly orgId?: string;
  readonly workspaceId?: string;
  readonly mustChangePassword?: boolean;
  /** Default `false`. Say `true` only where the address was proven. */
  readonly emailVerified?: boolean;
}

/** Makes accounts with a password. */
export interface AccountCreation {
  createAccount(account: NewAccount): Promise<AuthResult<AccountInfo>>;
  setup(account: NewAccount): Promise<AuthResult<AccountInfo>>;
  /**
   * Makes an account for an address that its owner has proven.
   *
   * @param claim Gives the address, once: asked when nothing else stands against the account. `undefined` is denied as `linkInvalid`.
   */
  createForClaim(account: Omit<NewAccount, "email">, claim: () => Promise<string | undefined>): Promise<AuthResult<AccountInfo>>;
}

const SETUP_KEY = "auth:setup";
// Longer than any setup takes; a process that dies in the middle of it keeps others out for so long only.
const SETUP_LOCK_MS = 60_000;

export function createAccountCreation(
  settings: AuthSettings,
  hasher: PasswordHasher,
  policy: PasswordPolicy,
  instruments: Instruments,
): AccountCreation {
  const { store, users } = settings;

  async function create(
    account: Omit<NewAccount, "email">,
    claim: () => Promise<string | undefined> | string,
  ): Promise<AuthResult<AccountInfo>> {
    const problem = await policy(account.password, "/password");
    if (problem !== undefined) return denied(problem);
    const place = hasher.enter();
    if (place === undefined) return overloaded();
    try {
      const email = await claim();
      if (email === undefined) return denied(problems.linkInvalid());
      const passwordHash = await hasher.hash(place, account.password);
      const { name, roles, orgRoles = [], orgId, workspaceId, mustChangePassword = false, emailVerified = false } = account;
      const created = await users.create({
        type: "user",
        email,
        name,
        emailVerified,
        passwordHash,
        mustChangePassword,
        roles,
        orgRoles,
        orgId,
        workspaceId,
      });
      if (created === undefined) return denied(problems.conflict({ detail: "An account with this e-mail address exists." }));
      instruments.emit({ kind: "account_created", userId: created.id, roles: created.roles });
      return ok(withoutHash(created));
    } finally {
      place.leave();
    }
  }

  async function createAccount(account: NewAccount): Promise<AuthResult<AccountInfo>> {
    const email = normaliseEmail(account.email);
    if (email !== undefined) return create(account, () => email);
    return denied(
      problems.validation({ extensions: { errors: [{ in: "body", pointer: "/email", message: "This is not an e-mail address." }] } }),
    );
  }

  return Object.freeze({
    createAccount,
    createForClaim: async (account: Omit<NewAccount, "email">, claim: () => Promise<string | undefined>) =>
      create({ ...account, emailVerified: true }, claim),
    async setup(account: NewAccount): Promise<AuthResult<AccountInfo>> {
      // Whoever puts the ticket may look and create; all others are told that the place is taken, which is soon true.
      if (!(await store.tickets.put(SETUP_KEY, "1", SETUP_LOCK_MS))) return denied(alreadySetUp());
      const result = (await users.isEmpty()) ? await createAccount(account) : denied(alreadySetUp());
      if (result.kind === "denied") await store.tickets.take(SETUP_KEY);
      return result;
    },
  });
}

function alreadySetUp() {
  return problems.conflict({ detail: "The first account exists or is being made. Log in with it." });
}
