import type { Decision } from "./decision.js";
import { RateLimited } from "./errors.js";
import type { LimitCheck } from "./limit-check.js";

/** What `withRateLimit` needs of a limiter: one that `createRateLimiter` made, or a part of it. */
export interface Checks<Operation extends string> {
  check(check: LimitCheck<Operation>): Decision | Promise<Decision>;
}

/**
 * A function behind a limit: it runs when the check is allowed, and gives its place in flight back when it has ended.
 *
 * @param checkOf The check, or what makes it of the arguments.
 * @returns Throws `RateLimited`, with the decision, when refused: the function did not run.
 * @example
 * ```ts
 * import { createMemoryStore } from "@portcullis/core";
 * import { createRateLimiter, limitPresets, RateLimited, withRateLimit } from "@portcullis/rate-limit";
 *
 * const limiter = createRateLimiter({
 *   store: createMemoryStore(),
 *   floor: { limit: 3_000 },
 *   unauthenticated: { limit: 10 },
 *   tiers: limitPresets.tiers,
 *   defaultTier: "free",
 *   operations: { summarize: { limit: 1, burst: 1, maxInFlight: 1 } },
 * });
 * const summarize = withRateLimit(
 *   limiter,
 *   (subject: string) => ({ phase: "operation", operation: "summarize", by: { subject } }),
 *   async (_subject: string, text: string) => text.slice(0, 5),
 * );
 * console.log(await summarize("ada", "hello world")); // hello
 * const refusal = await summarize("ada", "again").catch((error: unknown) => error);
 * console.log(refusal instanceof RateLimited, (refusal as RateLimited).decision.retryAfterMs! > 59_000); // true true
 * ```
 */
export function withRateLimit<
  Operation extends string,
  CheckArgs extends readonly unknown[],
  Args extends readonly [...CheckArgs, ...unknown[]],
  Result,
>(
  limiter: Checks<Operation>,
  checkOf: LimitCheck<Operation> | ((...args: CheckArgs) => LimitCheck<Operation>),
  run: (...args: Args) => Result | Promise<Result>,
): (...args: Args) => Promise<Result> {
  return async (...args) => {
    // The arguments begin with those that the check is made of: `Args` says so.
    const first = args as readonly unknown[] as CheckArgs;
    const decision = await limiter.check(typeof checkOf === "function" ? checkOf(...first) : checkOf);
    if (!decision.allowed) throw new RateLimited(decision);
    try {
      return await run(...args);
    } finally {
      // A place that cannot be given back ends by itself: no reason to lose the result.
      try {
        await decision.release();
      } catch {
        // See above.
      }
    }
  };
}
