// Whose login it is: the account that an identity opens, is linked to by a verified address, or gets anew.

import type { SubjectState } from "@portcullis/core";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import type { UserAccount } from "../users/user-directory.js";
import type { Identities, LinkedIdentity } from "./identities.js";
import { OAuthRefused } from "./oauth-failure.js";
import type { NewUserDefaults, OAuthSettings } from "./oauth-settings.js";
import type { ProviderProfile } from "./provider-profile.js";

/** An account that a provider's word opens, with the state its tokens must be made of. */
export interface IdentifiedAccount {
  readonly account: UserAccount;
  readonly state: SubjectState;
  readonly identity: LinkedIdentity;
}

export interface IdentityAccounts {
  /** @throws {OAuthRefused} */
  ofProfile(profile: ProviderProfile, provider: string): Promise<IdentifiedAccount>;
  /** What an identity opens now. @throws {OAuthRefused} `account_refused`, `account_unknown`: unlinked meanwhile. */
  ofIdentity(identity: LinkedIdentity): Promise<IdentifiedAccount>;
}

// Each further round needs another login of the same person in the same instant.
const MOST_ROUNDS = 3;

export function createIdentityAccounts(
  settings: AuthSettings,
  { onUnknown, autoLink }: OAuthSettings,
  identities: Identities,
  instruments: Instruments,
): IdentityAccounts {
  const { store, users } = settings;

  async function ofIdentity(identity: LinkedIdentity): Promise<IdentifiedAccount> {
    // The state first: what ends the account's sessions, or the link, after this line ends this login too.
    const state = await store.subjects.read(identity.userId);
    const [account, current] = await Promise.all([users.byId(identity.userId), identities.byId(identity.id)]);
    if (current?.userId !== identity.userId) throw new OAuthRefused("account_unknown");
    // An account that is gone is not made anew here: its identity may belong to a directory that does not answer well.
    if (account === undefined || account.type !== "user" || state.disabled) throw new OAuthRefused("account_refused");
    return { account, state, identity };
  }

  async function link(profile: ProviderProfile, account: UserAccount, provider: string, how: "created" | "email"): Promise<LinkedIdentity> {
    const { identity, isNew } = await identities.link(profile, account.id, provider);
    if (isNew) instruments.emit({ kind: "identity_linked", userId: account.id, provider, how });
    return identity;
  }

  /** @returns `undefined`: somebody else made an account with this address just now. */
  async function create(profile: ProviderProfile, email: string, defaults: NewUserDefaults): Promise<UserAccount | undefined> {
    const { roles, orgRoles = [], orgId, workspaceId } = defaults;
    const account = await users.create({
      type: "user",
      email,
      emailVerified: true,
      name: profile.name,
      passwordHash: undefined,
      mustChangePassword: false,
      roles,
      orgRoles,
      orgId,
      workspaceId,
    });
    if (account !== undefined) instruments.emit({ kind: "account_created", userId: account.id, roles: account.roles });
    return account;
  }

  return Object.freeze({
    ofIdentity,
    async ofProfile(profile: ProviderProfile, provider: string): Promise<IdentifiedAccount> {
      for (let round = 0; round < MOST_ROUNDS; round += 1) {
        const known = await identities.find(profile);
        if (known !== undefined) return ofIdentity(known);
        const { verifiedEmail: email } = profile;
        const sameAddress = email === undefined ? undefined : await users.byEmail(email);
        if (sameAddress !== undefined) {
          // Both sides must have seen the person read their mail. An unverified local address is one that somebody typed in, perhaps
          // to wait for its owner (pre-hijacking): the owner's provider must not open that account.
          const mayLink = autoLink === "verified-email" && sameAddress.emailVerified === true && sameAddress.type === "user";
          if (!mayLink) throw new OAuthRefused("account_exists");
          if ((await store.subjects.read(sameAddress.id)).disabled) throw new OAuthRefused("account_refused");
          return ofIdentity(await link(profile, sameAddress, provider, "email"));
        }
        if (onUnknown === "refuse") throw new OAuthRefused("account_unknown");
        if (email === undefined) throw new OAuthRefused("email_unverified");
        const created = await create(profile, email, onUnknown.create);
        if (created !== undefined) return ofIdentity(await link(profile, created, provider, "created"));
      }
      throw new OAuthRefused("account_exists");
    },
  });
}
