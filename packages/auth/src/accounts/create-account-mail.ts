import { problems } from "@portcullis/core";
import { internalsOf } from "../auth-internals.js";
import { denied, ok, type AuthDenial, type AuthResult } from "../auth-result.js";
import type { Auth } from "../create-auth.js";
import { overloaded } from "../login/password-login.js";
import type { ClientContext } from "../sessions/session-data.js";
import { type AccountInfo, type UserAccount, withoutHash } from "../users/user-directory.js";
import { readAccountMail, readDelivery, type AccountMailDelivery, type AccountMailSettings } from "./account-mail-settings.js";
import { createLinkTokens, type LinkClaim, type LinkTokens } from "./link-tokens.js";
import { createMailRoom, type MailAccepted, type OutgoingLetter } from "./mail-room.js";
import { createRegistration, type Registration } from "./registration.js";

/** Options of {@link createAccountMail}. */
export interface AccountMailOptions extends Partial<AccountMailSettings> {
  readonly auth: Auth;
  readonly deliver: AccountMailDelivery;
}

/** The end of a forgotten password. */
export interface PasswordReset {
  readonly token: string;
  readonly newPassword: string;
}

/**
 * Accounts by letter: a forgotten password, the proof of an address, registration.
 *
 * Every request is answered alike, before it is looked whether there is an account. Denied: `operationRateLimited` for the caller's
 * network, `serviceUnavailable` under load.
 *
 * A link is good once, for its purpose, until it expires, and while the account has the address and the password that it had when
 * the letter was sent; otherwise `linkInvalid`.
 */
export interface AccountMail {
  /** Sends a link to the account's address, if it has a password and is not disabled. */
  requestPasswordReset(email: string, client?: ClientContext): Promise<AuthResult<MailAccepted>>;
  /**
   * Sets a new password: every session ends, a lock is lifted, a demand to change the password is met. Opens no session: a second
   * factor is asked for at the next login as always. Denied: `linkInvalid`, `validation` and `serviceUnavailable`, which leave the
   * link good.
   */
  confirmPasswordReset(reset: PasswordReset, client?: ClientContext): Promise<AuthResult<AccountInfo>>;
  /** Sends a link to the account's address, if that is not verified. */
  requestEmailVerification(email: string, client?: ClientContext): Promise<AuthResult<MailAccepted>>;
  /** Notes that the address was proven. Denied: `linkInvalid`. */
  confirmEmail(token: string): Promise<AuthResult<AccountInfo>>;
  /** `undefined` where `deliver.registration` is not given. */
  readonly registration: Registration | undefined;
  /** When all letters under way were sent, or could not be: for a shutdown. */
  settled(): Promise<void>;
}

/**
 * Builds the flows that end in a letter; `authRoutes(auth, { accountMail })` serves them.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { createAccountMail, createAuth, createUserDirectory } from "@portcullis/auth";
 * import { createMemoryStore } from "@portcullis/core";
 *
 * const store = createMemoryStore();
 * const secret = (): string => randomBytes(48).toString("base64");
 * const auth = createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret() });
 * await auth.setup({ email: "ada@example.com", password: "correct horse battery", roles: ["admin"] });
 *
 * const letters: string[] = []; // send them instead
 * const mail = createAccountMail({
 *   auth,
 *   deliver: {
 *     passwordReset: ({ token }) => void letters.push(token),
 *     emailVerification: ({ token }) => void letters.push(token),
 *   },
 * });
 * await mail.requestPasswordReset("ada@example.com");
 * await mail.settled();
 * const reset = await mail.confirmPasswordReset({ token: letters[0] ?? "", newPassword: "a new and longer one" });
 * console.log(reset.kind); // ok
 * ```
 */
export function createAccountMail(options: AccountMailOptions): AccountMail {
  const { auth, deliver: delivery, ...given } = options;
  const internals = internalsOf("auth", auth);
  const deliver = readDelivery(delivery);
  const limits = readAccountMail(given);
  const { hasher, instruments, lockout, policy, replacePassword, settings } = internals;
  const { clock, random, store, users } = settings;
  const room = createMailRoom(internals, limits);
  const resets = createLinkTokens(store.tickets, random, "password-reset");
  const verifications = createLinkTokens(store.tickets, random, "email-verification");

  /** A letter to this address's account, where it is one that letters are sent to. */
  async function writeTo(
    email: string,
    kind: { readonly purpose: "password_reset" | "email_verification"; readonly links: LinkTokens; readonly ttlMs: number },
    isMeant: (account: UserAccount) => boolean,
  ): Promise<OutgoingLetter | undefined> {
    const account = await users.byEmail(email);
    if (account === undefined || account.type !== "user" || !isMeant(account)) return undefined;
    const { disabled, passwordVersion } = await store.subjects.read(account.id);
    if (disabled) return undefined;
    const { links, purpose, ttlMs } = kind;
    return {
      purpose,
      userId: account.id,
      async send(): Promise<void> {
        const token = await links.create({ email: account.email, holder: { userId: account.id, passwordVersion } }, ttlMs);
        const letter = Object.freeze({ account: withoutHash(account), token, expiresAt: clock.now() + ttlMs });
        await (purpose === "password_reset" ? deliver.passwordReset(letter) : deliver.emailVerification(letter));
      },
    };
  }

  /** The account of a link, if all is as it was. */
  async function holderOf({ email, holder }: LinkClaim): Promise<UserAccount | undefined> {
    if (holder === undefined) return undefined;
    // The account before the state: a change of password raises the version before it stores the hash, so that a hash which is
    // newer than the link is never seen with the version of the link.
    const account = await users.byId(holder.userId);
    const state = await store.subjects.read(holder.userId);
    return account?.email === email && !state.disabled && state.passwordVersion === holder.passwordVersion ? account : undefined;
  }

  async function useUp(links: LinkTokens, token: string): Promise<UserAccount | undefined> {
    const claim = await links.take(token);
    return claim === undefined ? undefined : holderOf(claim);
  }

  return Object.freeze({
    requestPasswordReset: async (email: string, client: ClientContext = {}) =>
      room.request("password_reset", email, client, async (address) =>
        writeTo(
          address,
          { purpose: "password_reset", links: resets, ttlMs: limits.passwordResetTtlMs },
          // Who logs in with another provider only is not given a second way in.
          ({ passwordHash }) => passwordHash !== undefined,
        ),
      ),
    async confirmPasswordReset({ token, newPassword }: PasswordReset, client: ClientContext = {}): Promise<AuthResult<AccountInfo>> {
      // First whether there is such a link: who has none learns nothing about passwords, and asks no list of leaked ones.
      if ((await resets.peek(token)) === undefined) return linkInvalid();
      const problem = await policy(newPassword, "/new_password");
      if (problem !== undefined) return denied(problem);
      const place = hasher.enter();
      if (place === undefined) return overloaded();
      try {
        // From here on the link is used up: of any number of parallel calls one goes on.
        const account = await useUp(resets, token);
        if (account === undefined) return linkInvalid();
        const passwordHash = await hasher.hash(place, newPassword);
        if ((await replacePassword(account, passwordHash)) === undefined) return linkInvalid();
        await lockout.forgive(account.email, client);
        instruments.emit({ kind: "password_reset", userId: account.id });
        return ok(withoutHash({ ...account, mustChangePassword: false }));
      } finally {
        place.leave();
      }
    },
    requestEmailVerification: async (email: string, client: ClientContext = {}) =>
      room.request("email_verification", email, client, async (address) =>
        writeTo(
          address,
          { purpose: "email_verification", links: verifications, ttlMs: limits.emailVerificationTtlMs },
          ({ emailVerified }) => emailVerified !== true,
        ),
      ),
    async confirmEmail(token: string): Promise<AuthResult<AccountInfo>> {
      const account = await useUp(verifications, token);
      if (account === undefined || !(await users.confirmEmail(account.id, account.email))) return linkInvalid();
      instruments.emit({ kind: "email_verified", userId: account.id });
      return ok(withoutHash({ ...account, emailVerified: true }));
    },
    registration: createRegistration(internals, room, deliver, limits.emailVerificationTtlMs),
    settled: async () => room.settled(),
  });
}

function linkInvalid(): AuthDenial {
  return denied(problems.linkInvalid());
}
