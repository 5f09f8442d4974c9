import type { MaybePromise } from "../guard/guard.js";

/** One holder at a time of a named right, e.g. to run a scheduled job. Half-open: at `expiresAt` the lease is free. */
export interface Leases {
  /** Takes a free lease. Extends it when `holder` has it already. @returns whether `holder` has it now. */
  acquire(name: string, holder: string, ttlMs: number): MaybePromise<boolean>;
  /** Gives it back; another's lease is left alone. @returns whether `holder` had it. */
  release(name: string, holder: string): MaybePromise<boolean>;
}
