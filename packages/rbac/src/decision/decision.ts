/**
 * Who asks: the part of core's `Principal` that decisions are made of, so that any principal is one.
 *
 * Only own properties are read, once per check.
 */
export interface Identity {
  readonly roles: readonly string[];
  /** The organisation the roles are held in. */
  readonly orgId?: string | undefined;
  /** Upper bound of the credential in the grammar of grants (`*`, `resource.*`, `*.action`, `resource.action`); absent: no bound. */
  readonly scopes?: readonly string[] | undefined;
}

/** What a check may be told beside the permission. */
export interface CheckOptions {
  /** The organisation that owns the resource; the identity's must be the same. Given but not a string denies (`wrong_org`). */
  readonly org?: string;
}

/**
 * Why a decision fell as it did.
 * - `granted`: a role has it, no role denies it, the credential's scopes cover it.
 * - `unauthenticated`: there is no identity.
 * - `malformed`: the identity or the options do not have their shape.
 * - `invalid_permission`: not a permission but a wildcard, or not a string.
 * - `unknown_permission`: not declared; denied for everybody, whatever they hold.
 * - `wrong_org`: the resource belongs to another organisation.
 * - `no_roles`: the identity has no role that the policy knows.
 * - `missing_permission`: no role has it. `explicit_deny`: a role denies it.
 * - `out_of_scope`: the roles have it, the credential was made for less.
 * - `missing_role`: of role checks only.
 */
export type DecisionReason =
  | "granted"
  | "unauthenticated"
  | "malformed"
  | "invalid_permission"
  | "unknown_permission"
  | "wrong_org"
  | "no_roles"
  | "missing_permission"
  | "explicit_deny"
  | "out_of_scope"
  | "missing_role";

/** The answer to "may it?", frozen. The full reason is for logs and audit; clients see less (see `redactDenials`). */
export interface Decision {
  readonly allowed: boolean;
  readonly reason: DecisionReason;
  /** The permission asked for; at most 128 characters of an undeclared one. */
  readonly permission: string;
  /** The identity's role that decided: the one that grants, or the one that denies. */
  readonly role: string | undefined;
  /** The grant or denial that decided, as written in the policy. */
  readonly grant: string | undefined;
  /** Which policy decided; caches of decisions compare it. */
  readonly policyVersion: number;
  /** What an HTTP response to it would be. */
  readonly status: 200 | 401 | 403;
}

/** The answer to "has it one of these roles?", frozen. */
export interface RoleDecision {
  readonly allowed: boolean;
  readonly reason: DecisionReason;
  /** The identity's role that satisfied the check. */
  readonly role: string | undefined;
  readonly policyVersion: number;
  readonly status: 200 | 401 | 403;
}

/** How a decision came about, for people who administer the policy; never for the client that was denied. */
export interface Explanation {
  readonly decision: Decision;
  /** For each role of the identity what it says of the permission, in the identity's order. */
  readonly roles: readonly RoleExplanation[];
  /** Whether the credential's own bound covers the permission. */
  readonly scopes: "unbounded" | "covered" | "not_covered";
}

/** What one role says of a permission. A role may both grant and deny; the denial wins. */
export interface RoleExplanation {
  readonly role: string;
  /** Whether the policy defines it; unknown roles count for nothing. */
  readonly known: boolean;
  /** The grant that covers it and the roles from this one to where it is written. */
  readonly granted: { readonly grant: string; readonly path: readonly string[] } | undefined;
  readonly denied: { readonly grant: string; readonly path: readonly string[] } | undefined;
}

/** The answer to "may it give this away?", frozen. */
export interface GrantDecision<Key extends string = string> {
  readonly allowed: boolean;
  /** As for checks; `unknown_role`: the policy has no such role. */
  readonly reason: DecisionReason | "unknown_role";
  /** What the actor would give without having it, in the order declared. */
  readonly missing: readonly Key[];
  readonly policyVersion: number;
  readonly status: 200 | 401 | 403;
}
