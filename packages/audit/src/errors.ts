/** Codes of what the audit log refuses. */
export type AuditErrorCode =
  | "invalid_event"
  | "queue_full"
  | "log_corrupt"
  | "no_signer"
  | "inconsistent_checkpoint"
  | "out_of_range"
  | "malformed_note"
  | "untrusted_note"
  | "bad_signature";

/** The audit log refused. Unless the code's description says otherwise, nothing was appended and nothing was signed. */
export class AuditError extends Error {
  override readonly name = "AuditError";
  constructor(
    readonly code: AuditErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
