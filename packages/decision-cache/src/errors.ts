/** Codes of what can go wrong with a call; none of them changes what is stored. */
export type DecisionCacheErrorCode = "invalid_argument" | "unsupported_value" | "unsupported_key" | "compute_timeout";

/** A call that could not be answered. What the computation itself throws is passed on as it is. */
export class DecisionCacheError extends Error {
  override readonly name = "DecisionCacheError";
  constructor(
    readonly code: DecisionCacheErrorCode,
    message: string,
  ) {
    super(message);
  }
}
