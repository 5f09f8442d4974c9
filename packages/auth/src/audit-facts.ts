import type { AuthEvent } from "./auth-event.js";

/** How an event of authentication stands in an audit log. */
export interface AuditFacts {
  /** `security`: somebody may be under attack, or ways into an account changed. `admin`: what is done to accounts, not by their users. */
  readonly category: "authentication" | "security" | "admin";
  /** `failure`: neither granted nor refused; it did not work. */
  readonly outcome: "success" | "denied" | "failure";
}

const facts = (category: AuditFacts["category"], outcome: AuditFacts["outcome"] = "success"): AuditFacts =>
  Object.freeze({ category, outcome });

// Every kind, by type: an event that is new does not compile until somebody said what it is.
const FACTS: Readonly<Record<AuthEvent["kind"], AuditFacts>> = Object.freeze({
  login_succeeded: facts("authentication"),
  login_failed: facts("authentication", "denied"),
  account_locked: facts("security", "denied"),
  token_refreshed: facts("authentication"),
  token_revoked: facts("authentication"),
  logout: facts("authentication"),
  logout_all: facts("authentication"),

  refresh_repeated: facts("authentication"),
  refresh_reused: facts("security", "denied"),
  session_evicted: facts("authentication"),
  session_revoked: facts("authentication"),
  session_refused: facts("authentication", "denied"),
  token_version_ahead: facts("security", "denied"),
  claims_version_ahead: facts("security", "denied"),

  account_created: facts("admin"),
  account_disabled: facts("admin"),
  account_enabled: facts("admin"),
  rights_changed: facts("admin"),

  password_changed: facts("security"),
  password_reset: facts("security"),
  password_rehashed: facts("authentication"),
  breach_check_failed: facts("security", "failure"),
  email_verified: facts("authentication"),
  account_mail_sent: facts("authentication"),
  account_mail_failed: facts("authentication", "failure"),
  account_mail_limited: facts("authentication", "denied"),

  mfa_challenged: facts("authentication"),
  mfa_enrolment_started: facts("authentication"),
  mfa_enrolled: facts("security"),
  mfa_verified: facts("authentication"),
  mfa_failed: facts("authentication", "denied"),
  mfa_backup_codes_replaced: facts("security"),
  mfa_disabled: facts("security"),
  mfa_bypass_granted: facts("admin"),
  mfa_bypass_revoked: facts("admin"),
  mfa_bypass_expired: facts("security"),
  mfa_bypass_used: facts("security"),

  oauth_failed: facts("authentication", "denied"),
  identity_linked: facts("security"),
  identity_unlinked: facts("security"),

  api_key_created: facts("security"),
  api_key_revoked: facts("security"),
  system_token_issued: facts("admin"),
  system_token_revoked: facts("admin"),
  system_tokens_revoked: facts("admin"),

  csrf_refused: facts("security", "denied"),
  socket_ticket_refused: facts("authentication", "denied"),
  socket_closed: facts("authentication"),
});
const BY_ADMINISTRATOR = facts("admin");

/**
 * What an audit log needs to know of an event beside the event itself. Pure; every kind of event has an answer.
 *
 * @example
 * ```ts
 * import { auditFactsOf } from "@portcullis/auth";
 *
 * console.log(auditFactsOf({ kind: "refresh_reused", userId: "ada", sessionId: "s1" })); // { category: 'security', outcome: 'denied' }
 * ```
 */
export function auditFactsOf(event: AuthEvent): AuditFacts {
  return event.kind === "mfa_disabled" && event.by === "administrator" ? BY_ADMINISTRATOR : FACTS[event.kind];
}
