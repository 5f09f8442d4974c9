/** Codes of exceptions of this package. What a tenant did wrong with an endpoint is a problem (`ProblemError`), not one of these. */
export type WebhookErrorCode =
  | "delivery_conflict"
  | "egress_blocked"
  | "invalid_payload"
  | "invalid_secret"
  | "payload_not_json"
  | "payload_too_large"
  | "unknown_endpoint"
  | "unknown_event"
  | "unreadable_endpoint"
  | "webhook_id_taken";

/** A promise that this package cannot keep; see `docs/errors.md` for each code. Nothing was enqueued or sent by the failed call. */
export class WebhookError extends Error {
  override readonly name = "WebhookError";
  constructor(
    readonly code: WebhookErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** One answer for every blocked address: which rule and which address would tell a tenant about our network (WH-E11). */
export function egressBlocked(): WebhookError {
  return new WebhookError(
    "egress_blocked",
    "The address may not be called from here. Use a public https address, or add it to the allow list.",
  );
}
