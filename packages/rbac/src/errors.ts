/** Codes of mistakes in a policy or in the definition of a guard; thrown where it is defined, never by a request. */
export type RbacErrorCode =
  | "invalid_name"
  | "invalid_grant"
  | "unknown_permission"
  | "unknown_role"
  | "role_cycle"
  | "invalid_constraint"
  | "unknown_persona"
  | "empty_requirement"
  | "unauthenticated_permission"
  | "unguarded_route";

/** A policy or a guard that cannot be meant: nothing was defined and nothing changed. Fix the definition. */
export class RbacError extends Error {
  override readonly name = "RbacError";
  constructor(
    readonly code: RbacErrorCode,
    message: string,
  ) {
    super(message);
  }
}
