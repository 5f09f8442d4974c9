import { createFactKey, type FactKey, type UserPrincipal } from "@portcullis/core";

/** An access token that was verified: signed by us, for us, in time, not revoked. Deep-frozen; carries no token text. */
export interface AccessToken {
  readonly principal: UserPrincipal;
  /** `jti`: what the blacklist knows it by. */
  readonly tokenId: string;
  /** The login it descends from. */
  readonly sessionId: string;
  /** How the user proved itself at login (RFC 8176). */
  readonly amr: readonly string[];
  /** Epoch ms. */
  readonly issuedAt: number;
  /** Epoch ms; at this instant it is expired. */
  readonly expiresAt: number;
}

/** The verified access token of this request; absent when the caller came with an API key or with nothing. Set by `authenticate`. */
export const accessTokenFact: FactKey<AccessToken> = createFactKey<AccessToken>("access-token");
