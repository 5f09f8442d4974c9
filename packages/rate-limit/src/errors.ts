import type { Decision } from "./decision.js";

/** Everything that `@portcullis/rate-limit` throws at request time. A denial is never one of them, `withRateLimit` excepted: it is a `Decision`. */
export type RateLimitErrorCode = "invalid_check" | "invalid_cost" | "unknown_operation" | "rate_limited";

/** The program asked for something that no limit can answer. Nothing was charged; the request must not go on. */
export class RateLimitError extends Error {
  override readonly name: string = "RateLimitError";
  constructor(
    readonly code: RateLimitErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** A function made by `withRateLimit` was refused; it did not run. */
export class RateLimited extends RateLimitError {
  override readonly name = "RateLimited";
  constructor(readonly decision: Decision) {
    const wait = decision.retryAfterMs === undefined ? "" : ` Try again in ${Math.ceil(decision.retryAfterMs)} ms.`;
    super("rate_limited", `The call was refused (${decision.code}: ${decision.violated.join(", ") || decision.policy}).${wait}`);
  }
}

/** @param what Is wrong with it, after "The check". */
export function invalidCheck(what: string): RateLimitError {
  return new RateLimitError("invalid_check", `The check ${what}.`);
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
