/** Codes of what the program that uses auth did wrong, or of what broke; never caused by a request. */
export type AuthErrorCode =
  | "token_too_large"
  | "invalid_account"
  | "too_many_sessions"
  | "hashing_failed"
  | "closed"
  | "sealed_secret_unreadable";

/** The call cannot be meant, or could not be done: nothing was stored and no token was made. The message says what to change. */
export class AuthError extends Error {
  override readonly name = "AuthError";
  constructor(
    readonly code: AuthErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
