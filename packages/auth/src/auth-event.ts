import type { OAuthEvent } from "./oauth/oauth-event.js";
import type { SessionEvent } from "./sessions/session-event.js";
import type { SocketTicketEvent } from "./socket-tickets/socket-ticket-event.js";
import type { CookieEvent } from "./cookies/cookie-event.js";
import type { AccountMailEvent } from "./accounts/account-mail-event.js";
import type { SystemTokenEvent } from "./system-tokens/system-token-event.js";
import type { TokenEvent } from "./tokens/token-event.js";
import type { MfaEvent } from "./mfa/mfa-event.js";

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
  | SocketTicketEvent
  | CookieEvent
  | SystemTokenEvent
  | TokenEvent
  | MfaEvent
  | { readonly kind: "login_succeeded"; readonly userId: string; readonly sessionId: string }
  | {
      readonly kind: "login_failed";
      readonly reason: LoginFailure;
      readonly identifierHash: string;
      readonly userId: string | undefined;
    }
  | { readonly kind: "account_locked"; readonly identifierHash: string; readonly purpose: string; readonly durationMs: number }
  | { readonly kind: "token_refreshed"; readonly userId: string; readonly sessionId: string }
  | SessionEvent
  /** A token claims a version that was never issued: the subject's state was rolled back, or a signing secret leaked. */
  | { readonly kind: "token_version_ahead"; readonly userId: string; readonly tokenVersion: number; readonly currentVersion: number }
  /** The same of the version of its claims. */
  | { readonly kind: "claims_version_ahead"; readonly userId: string; readonly claimsVersion: number; readonly currentVersion: number }
  | { readonly kind: "rights_changed"; readonly userId: string; readonly rights: "raised" | "lowered" }
  | { readonly kind: "logout"; readonly userId: string; readonly sessionId: string }
  | { readonly kind: "logout_all"; readonly userId: string; readonly tokenVersion: number; readonly sessionsEnded: number }
  | { readonly kind: "account_created"; readonly userId: string; readonly roles: readonly string[] }
  | { readonly kind: "account_disabled" | "account_enabled"; readonly userId: string }
  | { readonly kind: "password_changed"; readonly userId: string }
  | { readonly kind: "password_rehashed"; readonly userId: string }
  | OAuthEvent
  /** `passwords.isBreached` threw or took too long; the new password was taken. */
  | { readonly kind: "breach_check_failed" }
  | AccountMailEvent
  | { readonly kind: "api_key_created" | "api_key_revoked"; readonly userId: string; readonly keyId: string };
