// Which account a provider's subject belongs to. The key is (issuer, subject), never an address: addresses change hands.

import type { AuthSettings } from "../auth-settings.js";
import { sha256 } from "./digest.js";
import type { ProviderProfile } from "./provider-profile.js";

/** An identity at a provider that opens an account. */
export interface LinkedIdentity {
  /** Opaque; says nothing about the subject. */
  readonly id: string;
  readonly userId: string;
  readonly provider: string;
  /** Epoch ms. */
  readonly linkedAt: number;
}

export interface Identities {
  find(profile: ProviderProfile): Promise<LinkedIdentity | undefined>;
  /** @returns the identity as it is stored after it, of another account when that was first; and whether this call stored it. */
  link(profile: ProviderProfile, userId: string, provider: string): Promise<{ readonly identity: LinkedIdentity; readonly isNew: boolean }>;
  byId(id: string): Promise<LinkedIdentity | undefined>;
  of(userId: string): Promise<readonly LinkedIdentity[]>;
  /** @returns whether this call removed it. */
  remove(identity: LinkedIdentity): Promise<boolean>;
}

const COLLECTION = "auth-identities";
const PAGE = 100;

export function createIdentities({ store: { records } }: AuthSettings): Identities {
  const find = async (id: string): Promise<LinkedIdentity | undefined> => {
    const record = await records.find(COLLECTION, { id });
    return record === undefined ? undefined : toIdentity(record);
  };
  // Issuers are URLs and hold no NUL: no two pairs make one text.
  const idOf = ({ issuer, subject }: ProviderProfile): string => sha256(`${issuer}\0${subject}`);

  return Object.freeze({
    find: (profile: ProviderProfile) => find(idOf(profile)),
    byId: find,
    async link(profile: ProviderProfile, userId: string, provider: string) {
      const id = idOf(profile);
      for (;;) {
        const inserted = await records.insert(COLLECTION, { id, scope: userId, value: JSON.stringify({ provider }) });
        if (inserted !== undefined) return { identity: toIdentity(inserted), isNew: true };
        const identity = await find(id);
        // Otherwise taken, and gone again when it was looked at: unlinked in between.
        if (identity !== undefined) return { identity, isNew: false };
      }
    },
    async of(userId: string): Promise<readonly LinkedIdentity[]> {
      const all: LinkedIdentity[] = [];
      for (;;) {
        const after = all.at(-1)?.id;
        const { records: page } = await records.list(COLLECTION, { scope: userId, limit: PAGE, ...(after === undefined ? {} : { after }) });
        all.push(...page.map(toIdentity));
        if (page.length < PAGE) return Object.freeze(all);
      }
    },
    remove: async (identity: LinkedIdentity) => records.remove(COLLECTION, identity.id),
  });
}

function toIdentity(record: {
  readonly id: string;
  readonly scope: string;
  readonly value: string;
  readonly createdAt: number;
}): LinkedIdentity {
  const { provider } = JSON.parse(record.value) as { readonly provider: string }; // only this file writes the collection
  return Object.freeze({ id: record.id, userId: record.scope, provider, linkedAt: record.createdAt });
}
