import { createFactKey, type FactKey } from "@portcullis/core";

/** Where the credential that counted came from. */
export interface CredentialUsed {
  readonly source: "cookie" | "authorization" | "x-api-key";
}

/** How the caller was authenticated; absent when it was not. Set by `authenticate`. */
export const credentialFact: FactKey<CredentialUsed> = createFactKey<CredentialUsed>("credential");
