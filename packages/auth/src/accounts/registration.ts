import { problems } from "@portcullis/core";
import type { AuthInternals } from "../auth-internals.js";
import { denied, type AuthResult } from "../auth-result.js";
import type { NewAccount } from "../login/create-account.js";
import type { ClientContext } from "../sessions/session-data.js";
import { type AccountInfo, withoutHash } from "../users/user-directory.js";
import type { AccountMailDelivery } from "./account-mail-settings.js";
import { createLinkTokens } from "./link-tokens.js";
import type { MailAccepted, MailRoom, OutgoingLetter } from "./mail-room.js";

/**
 * Accounts that people make themselves. The account exists, and its password is chosen, when the link of the letter is followed:
 * nobody can put a password of theirs on the address of somebody else and wait for the owner to confirm it (Sudhodanan and Paverd,
 * "Pre-hijacked accounts", USENIX Security 2022), and nothing tells whether an address has an account.
 */
export interface Registration {
  /** Sends a link, or tells the owner of the account that there is. Denied: `operationRateLimited`, `serviceUnavailable`. */
  request(email: string, client?: ClientContext): Promise<AuthResult<MailAccepted>>;
  /**
   * Makes the account, its address verified. Whoever calls it decides about the roles. Denied: `linkInvalid`; `conflict` when the
   * address got an account meanwhile; `validation` and `serviceUnavailable`, which leave the link good.
   */
  confirm(token: string, account: Omit<NewAccount, "email" | "emailVerified">): Promise<AuthResult<AccountInfo>>;
}

/** @returns `undefined` where there is no way to send the letter. */
export function createRegistration(
  internals: AuthInternals,
  room: MailRoom,
  deliver: AccountMailDelivery,
  ttlMs: number,
): Registration | undefined {
  if (deliver.registration === undefined) return undefined;
  const { accounts, settings } = internals;
  const { clock, random, store, users } = settings;
  const links = createLinkTokens(store.tickets, random, "registration");

  async function write(email: string): Promise<OutgoingLetter | undefined> {
    const account = await users.byEmail(email);
    if (account !== undefined) {
      if (deliver.alreadyRegistered === undefined || account.type !== "user") return undefined;
      return {
        purpose: "already_registered",
        userId: account.id,
        send: () => deliver.alreadyRegistered?.(Object.freeze({ account: withoutHash(account) })),
      };
    }
    return {
      purpose: "registration",
      userId: undefined,
      async send(): Promise<void> {
        const token = await links.create({ email }, ttlMs);
        await deliver.registration?.(Object.freeze({ email, token, expiresAt: clock.now() + ttlMs }));
      },
    };
  }

  return Object.freeze({
    request: async (email: string, client: ClientContext = {}) => room.request("registration", email, client, write),
    async confirm(token: string, account: Omit<NewAccount, "email" | "emailVerified">): Promise<AuthResult<AccountInfo>> {
      if ((await links.peek(token)) === undefined) return denied(problems.linkInvalid());
      return accounts.createForClaim(account, async () => (await links.take(token))?.email);
    },
  });
}
