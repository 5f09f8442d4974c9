import type { GuardRequest } from "@portcullis/core";

/** What a request came with in its header fields. */
export type PresentedCredential =
  | { readonly kind: "none" }
  | { readonly kind: "access_token"; readonly source: "authorization"; readonly token: string }
  | { readonly kind: "api_key"; readonly source: "authorization" | "x-api-key"; readonly key: string }
  /** Something is there that we cannot read: never the same as nothing. */
  | { readonly kind: "unreadable" }
  /** More than one. Which of them counts is a question that two readers answer differently. */
  | { readonly kind: "ambiguous" };

const NONE: PresentedCredential = Object.freeze({ kind: "none" });
const UNREADABLE: PresentedCredential = Object.freeze({ kind: "unreadable" });
const AMBIGUOUS: PresentedCredential = Object.freeze({ kind: "ambiguous" });

// RFC 6750 §2.1, the scheme in any case (RFC 9110 §11.1), exactly one space. What follows is checked by whoever reads it: each
// accepts its own alphabet only, and no white space.
const SCHEME = "bearer ";

/** Reads the one credential of the header fields: `Authorization: Bearer` (with dots a token, without an API key) or `X-API-Key`. */
export function credentialOf(request: GuardRequest): PresentedCredential {
  const authorization = request.header("authorization");
  const apiKey = request.header("x-api-key");
  if (authorization === undefined && apiKey === undefined) return NONE;
  if (authorization !== undefined && apiKey !== undefined) return AMBIGUOUS;
  const source = authorization === undefined ? "x-api-key" : "authorization";
  const value = authorization ?? apiKey ?? "";
  // Hosts that join repeated field lines put a comma between them; no credential has one.
  if (request.headerCount(source) > 1 || value.includes(",")) return AMBIGUOUS;
  if (source === "x-api-key") return { kind: "api_key", source, key: value };
  if (value.slice(0, SCHEME.length).toLowerCase() !== SCHEME) return UNREADABLE;
  const token = value.slice(SCHEME.length);
  return token.includes(".") ? { kind: "access_token", source, token } : { kind: "api_key", source, key: token };
}
