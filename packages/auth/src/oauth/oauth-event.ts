import type { OAuthFailure } from "./oauth-failure.js";

/** What happened with other providers' identities. No event carries a subject, an address, a code or a token. */
export type OAuthEvent =
  | {
      readonly kind: "oauth_failed";
      readonly provider: string;
      readonly purpose: "login" | "link";
      readonly reason: OAuthFailure;
      /** The provider's error code, if it sent one in the alphabet of RFC 6749 §4.1.2.1: at most 64 characters. */
      readonly providerError: string | undefined;
      /** Which check failed, as codes (`ERR_JWT_CLAIM_VALIDATION_FAILED aud`, `ECONNREFUSED`); for whoever has to find out why. */
      readonly diagnosis: string | undefined;
      readonly userId: string | undefined;
    }
  | {
      readonly kind: "identity_linked";
      readonly userId: string;
      readonly provider: string;
      /** `created`: with its account; `email`: both sides had verified the address; `session`: by the user, logged in. */
      readonly how: "created" | "email" | "session";
    }
  | { readonly kind: "identity_unlinked"; readonly userId: string; readonly provider: string };
