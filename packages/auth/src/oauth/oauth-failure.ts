// Why a login over a provider was refused: our own words only. What the provider said is never shown to the browser.

import { type Problem, problems } from "@portcullis/core";

/** Why a login over a provider, or a link, was refused. Clients may branch on it: `reason` of the problem, `error` at the error URL. */
export type OAuthFailure =
  /** The state is unknown, used, older than ten minutes, of another provider or of another browser. */
  | "state_invalid"
  /** The user, or the provider on its own, said no. */
  | "access_denied"
  /** The provider answered with an error of its own, to the browser or to us. */
  | "provider_error"
  /** No answer in time, or one that says "later". */
  | "provider_unavailable"
  /** `iss` of the authorization response is missing or somebody else's (RFC 9207). */
  | "issuer_mismatch"
  /** The answer breaks the protocol, or leads somewhere else. */
  | "response_invalid"
  | "id_token_invalid"
  | "userinfo_invalid"
  /** The provider gives no address that it has verified, and a new account needs one. */
  | "email_unverified"
  /** Nobody has linked this identity, and strangers get no account. */
  | "account_unknown"
  /** An account with this address exists and may not be opened by the provider's word: log in and link. */
  | "account_exists"
  /** The account is disabled, gone, or a service. */
  | "account_refused"
  /** The identity belongs to another account. */
  | "already_linked"
  /** The session that asked for the link has ended. */
  | "session_ended"
  /** The session desk refused, e.g. too many sessions. */
  | "sign_in_refused";

/** Thrown inside the flow and caught at its end: a provider's answer is checked many calls deep. */
export class OAuthRefused extends Error {
  override readonly name = "OAuthRefused";
  constructor(
    readonly reason: OAuthFailure,
    /** The provider's own error code; for the record. */
    readonly providerError?: string | undefined,
    options?: ErrorOptions,
  ) {
    super(reason, options);
  }
}

// Codes of the libraries and of the system, and names of claims. Messages and causes hold what the provider sent.
const CODE = /^[A-Z][A-Z0-9_]{1,63}$/;
const CLAIM = /^[a-z_]{1,16}$/;
const MOST_CAUSES = 4;

/** Which check failed, in words that are not the provider's. */
export function diagnosisOf(refused: OAuthRefused): string | undefined {
  const words: string[] = [];
  let error: unknown = refused.cause;
  for (let depth = 0; depth < MOST_CAUSES && typeof error === "object" && error !== null; depth += 1) {
    const { code, claim, cause } = error as { readonly code?: unknown; readonly claim?: unknown; readonly cause?: unknown };
    if (typeof code === "string" && CODE.test(code)) words.push(code);
    if (typeof claim === "string" && CLAIM.test(claim)) words.push(claim);
    error = cause;
  }
  return words.length === 0 ? undefined : words.join(" ");
}

const BY_THE_PROVIDER: ReadonlySet<OAuthFailure> = new Set([
  "provider_unavailable",
  "response_invalid",
  "id_token_invalid",
  "userinfo_invalid",
]);

/** What the client is answered with. */
export function failureProblem(reason: OAuthFailure): Problem {
  if (reason === "state_invalid") return problems.oauthStateInvalid();
  const extensions = { reason };
  if (reason === "already_linked") {
    return problems.conflict({ detail: "This identity is linked to another account. Unlink it there first.", extensions });
  }
  const problem = problems.oauthFailed({ extensions });
  // One code, two statuses: what the provider did wrong is a bad gateway, everything else the client's to change.
  return BY_THE_PROVIDER.has(reason) ? Object.freeze({ ...problem, status: 502 }) : problem;
}
