/** A single token was ended by whoever held it (RFC 7009); its session goes on. */
export type TokenEvent = { readonly kind: "token_revoked"; readonly userId: string; readonly sessionId: string; readonly tokenId: string };
