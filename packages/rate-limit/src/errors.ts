/** Everything that `@portcullis/rate-limit` throws at request time. A denial is never one of them: it is a `Decision`. */
export type RateLimitErrorCode = "invalid_cost" | "unknown_operation";

/** The program asked for something that no limit can answer. Nothing was charged; the request must not go on. */
export class RateLimitError extends Error {
  override readonly name = "RateLimitError";
  constructor(
    readonly code: RateLimitErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** @param cost Of any type: cost functions are the program's. */
export function invalidCost(cost: unknown): RateLimitError {
  const given = typeof cost === "number" ? String(cost) : `of type ${typeof cost}`;
  return new RateLimitError("invalid_cost", `The cost is ${given}; it must be an integer of 0 to ${Number.MAX_SAFE_INTEGER}.`);
}

/** @param operation As the program wrote it. */
export function unknownOperation(operation: string): RateLimitError {
  return new RateLimitError("unknown_operation", `The operation "${operation}" has no limit. Name it in the option "operations".`);
}
