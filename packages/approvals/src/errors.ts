/** Codes of exceptions of this package. Refusals of requests are problems (`ProblemError`), not these. */
export type ApprovalErrorCode = "not_canonical" | "unreadable_approval";

/** A promise that this package cannot keep; see `docs/errors.md` for each code. Nothing was changed by the failed call. */
export class ApprovalError extends Error {
  override readonly name = "ApprovalError";
  constructor(
    readonly code: ApprovalErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
