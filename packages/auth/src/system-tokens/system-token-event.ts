/** What happened to the tokens of services. */
export type SystemTokenEvent =
  | { readonly kind: "system_token_issued"; readonly service: string; readonly tokenId: string; readonly audiences: readonly string[] }
  | { readonly kind: "system_token_revoked"; readonly service: string; readonly tokenId: string }
  /** Every token of the service issued so far is refused. */
  | { readonly kind: "system_tokens_revoked"; readonly service: string; readonly tokenVersion: number };
