// What a provider says of somebody, in one form whoever says it.

import { normaliseEmail } from "../users/normalise-email.js";
import type { OAuthProvider } from "./providers/provider.js";

/** Somebody as a provider knows them. */
export interface ProviderProfile {
  /** With `subject`, the key of the identity. */
  readonly issuer: string;
  readonly subject: string;
  /** An address that the provider has verified, in its normal form; `undefined` without one. */
  readonly verifiedEmail: string | undefined;
  readonly name: string | undefined;
}

const MAX_NAME_CHARACTERS = 100;

export function toProfile(
  provider: OAuthProvider,
  subject: string,
  said: { readonly email: unknown; readonly isVerified: unknown; readonly name: unknown },
): ProviderProfile {
  const { email, isVerified, name } = said;
  // `true` and nothing like it: a provider that sends "true" sends "false" as a truthy string too. Normalised before anything
  // compares it: "K" (U+212A) in an address is a k, and would otherwise be somebody else's second spelling.
  const isUsable = provider.trustEmail && isVerified === true && typeof email === "string";
  return Object.freeze({
    issuer: provider.identityIssuer,
    subject,
    verifiedEmail: isUsable ? normaliseEmail(email) : undefined,
    name: typeof name === "string" ? shownName(name) : undefined,
  });
}

// It is shown to others: without control and direction characters, which write one thing and show another.
function shownName(name: string): string | undefined {
  const plain = name
    .slice(0, 4 * MAX_NAME_CHARACTERS)
    .replace(/\p{C}/gu, "")
    .trim()
    .slice(0, MAX_NAME_CHARACTERS);
  return plain === "" ? undefined : plain;
}
