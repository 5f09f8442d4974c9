import type { OAuthEvent } from "./oauth/oauth-event.js";

/** Why a login was refused; for the record only: the client sees one answer for all but `locked` and `overloaded`. */
export type LoginFailure =
  | "unknown_account"
  | "wrong_password"
  | "not_a_password_account"
  | "disabled"
  | "unusable_hash"
  | "locked"
  | "overloaded";

/**
 * What happened; feed it into audit and logs. No event carries a password, token, key or e-mail address: people appear as
 * `userId`, accounts that do not exist as `identifierHash` (a keyed hash: the same address gives the same value, nothing
 * gives the address back).
 */
export type AuthEvent =
  | { readonly kind: "login_succeeded"; readonly userId: string; readonly sessionId: string }
  | {
      readonly kind: "login_failed";
      readonly reason: LoginFailure;
      readonly identifierHash: string;
      readonly userId: string | undefined;
    }
  | { readonly kind: "account_locked"; readonly identifierHash: string; readonly durationMs: number }
  | { readonly kind: "token_refreshed"; readonly userId: string; readonly sessionId: string }
  /** A refresh token was redeemed twice: one of the two holders is not the user. The session was closed. */
  | { readonly kind: "refresh_reused"; readonly userId: string; readonly sessionId: string }
  /** A token claims a version that was never issued: the subject's state was rolled back, or a signing secret leaked. */
  | { readonly kind: "token_version_ahead"; readonly userId: string; readonly tokenVersion: number; readonly currentVersion: number }
  | { readonly kind: "session_evicted"; readonly userId: string; readonly sessionId: string }
  | { readonly kind: "logout"; readonly userId: string; readonly sessionId: string }
  | { readonly kind: "logout_all"; readonly userId: string; readonly tokenVersion: number; readonly sessionsEnded: number }
  | { readonly kind: "account_created"; readonly userId: string; readonly roles: readonly string[] }
  | { readonly kind: "account_disabled" | "account_enabled"; readonly userId: string }
  | { readonly kind: "password_changed"; readonly userId: string }
  | { readonly kind: "password_rehashed"; readonly userId: string }
  | OAuthEvent
  | { readonly kind: "api_key_created" | "api_key_revoked"; readonly userId: string; readonly keyId: string };
