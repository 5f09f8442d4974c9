import type { LimitResult } from "@portcullis/core";
import type { DecidedBy, DegradedReason, OutagePolicy } from "./decision.js";

/** How an answer came about. */
export interface Origin {
  readonly decidedBy: DecidedBy;
  readonly degraded: OutagePolicy | undefined;
  readonly degradedReason: DegradedReason | undefined;
}

export const FROM_STORE: Origin = Object.freeze({ decidedBy: "store", degraded: undefined, degradedReason: undefined });

/** An answer that is not the store's own, and where it came from: what is given back later goes there. */
export class Heard {
  constructor(
    /** `undefined`: nothing is known, the policy decides. */
    readonly result: LimitResult | undefined,
    readonly origin: Origin,
  ) {}
}
