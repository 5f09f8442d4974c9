/** What happened to sessions after their login. */
export type SessionEvent =
  /** A refresh token was sent again within the grace, and was answered with the same successor. Many of them: a client with a fault. */
  | { readonly kind: "refresh_repeated"; readonly userId: string; readonly sessionId: string }
  /** A refresh token was redeemed twice: one of the two holders is not the user. The session was closed. */
  | { readonly kind: "refresh_reused"; readonly userId: string; readonly sessionId: string }
  /** It gave way to a newer one, by `sessions.max`. */
  | { readonly kind: "session_evicted"; readonly userId: string; readonly sessionId: string }
  /** Ended from the list of sessions, or because its account is gone. */
  | { readonly kind: "session_revoked"; readonly userId: string; readonly sessionId: string }
  /** A login was right, but the account has as many sessions as it may have. */
  | { readonly kind: "session_refused"; readonly userId: string };
