import type { AssignmentResult } from "./assignments.js";

/** Why a change is refused. */
export interface Refusal {
  readonly reason: AssignmentResult["reason"];
  readonly missing?: readonly string[];
  readonly constraint?: string | undefined;
}

const NONE: readonly string[] = Object.freeze([]);

/** The result of a change that was refused. */
export function refused({ reason, missing = NONE, constraint }: Refusal): AssignmentResult {
  return Object.freeze({ allowed: false, reason, missing, constraint, epoch: undefined });
}

/** The result of a change that was made. */
export function settled(epoch: number): AssignmentResult {
  return Object.freeze({ allowed: true, reason: "granted", missing: NONE, constraint: undefined, epoch });
}
