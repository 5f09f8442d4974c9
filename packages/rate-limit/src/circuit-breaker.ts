import type { Clock } from "@portcullis/core";

/** What a breaker does with calls: lets all through, lets none through, or waits for one that tries. */
export type BreakerState = "closed" | "open" | "half_open";

/** Leaves a store alone that fails, but for a try now and then. */
export interface CircuitBreaker {
  readonly state: BreakerState;
  /** Whether a call may go to the store; a `true` while it is not closed is the try, whose end must be told. */
  allows(): boolean;
  succeeded(): void;
  failed(): void;
}

/**
 * Makes a breaker: after so many failures in a row it opens; then one call every so often tries, and closes it when it succeeds.
 *
 * @param probeMs Between two tries.
 */
export function createCircuitBreaker({
  failures,
  probeMs,
  clock,
}: {
  readonly failures: number;
  readonly probeMs: number;
  readonly clock: Clock;
}): CircuitBreaker {
  let failed = 0;
  /** When the next try may start; `undefined` while closed. */
  let probeAt: number | undefined;
  let isProbing = false;
  return {
    get state() {
      if (probeAt === undefined) return "closed";
      return isProbing ? "half_open" : "open";
    },
    allows() {
      if (probeAt === undefined) return true;
      if (isProbing || clock.monotonic() < probeAt) return false;
      isProbing = true;
      return true;
    },
    succeeded() {
      failed = 0;
      probeAt = undefined;
      isProbing = false;
    },
    failed() {
      failed += 1;
      // A call that began before the breaker opened ends now: it says nothing new.
      if (probeAt !== undefined && !isProbing) return;
      if (failed >= failures || isProbing) probeAt = clock.monotonic() + probeMs;
      isProbing = false;
    },
  };
}
