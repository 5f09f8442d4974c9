import type { MaybePromise } from "../guard/guard.js";

/** A counter's state on the store's clock. */
export interface CounterState {
  readonly value: number;
  /** Ms until the window ends and the counter is 0 again. */
  readonly remainingMs: number;
}

/**
 * Counts that may not pass a limit within a window: failed logins, quotas.
 * The window opens with the first accepted `add` and is never extended by later ones.
 */
export interface Counters {
  /**
   * Adds `amount` if the sum stays at or below `limit`; otherwise changes nothing. One indivisible step, so that 100 parallel
   * attempts at a limit of 5 are accepted exactly 5 times.
   *
   * @param amount Integer >= 1.
   * @throws {StoreUnavailable}
   */
  add(
    key: string,
    amount: number,
    bound: { readonly limit: number; readonly windowMs: number },
  ): MaybePromise<CounterState & { readonly accepted: boolean }>;
  /** @returns value 0 and remainingMs 0 for a key never counted or past its window. */
  read(key: string): MaybePromise<CounterState>;
  /** Back to 0, window closed. */
  reset(key: string): MaybePromise<void>;
}
