/** What went wrong with a value. Also the only values of the metric label `error_type`. */
export type EncryptionErrorCode =
  | "key_not_found"
  | "malformed"
  | "unsupported_version"
  | "auth_failed"
  | "invalid_input"
  | "provider_unavailable"
  | "limit";

/**
 * A value was not encrypted or not decrypted; nothing of it was returned and nothing was changed.
 *
 * One code, `auth_failed`, stands for every failed authentication (another key, another binding, a changed bit): telling them
 * apart would help only a forger.
 */
export class EncryptionError extends Error {
  override readonly name = "EncryptionError";
  constructor(
    readonly code: EncryptionErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The one answer to every failed authentication. Made without a cause: OpenSSL's text differs by reason. */
export function authFailed(): EncryptionError {
  return new EncryptionError(
    "auth_failed",
    "The value does not authenticate: it was changed, belongs to another place, or was made under another key. Treat it as tampered with.",
  );
}

/** A value that is no envelope, where one is needed. */
export function malformed(what: string): EncryptionError {
  return new EncryptionError("malformed", what);
}

/** A call that cannot be meant. */
export function invalidInput(what: string): EncryptionError {
  return new EncryptionError("invalid_input", what);
}
