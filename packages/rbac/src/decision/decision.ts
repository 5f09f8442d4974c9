/**
 * Who asks: the part of core's `Principal` that decisions are made of, so that any principal is one.
 *
 * Only own properties are read, once per check.
 */
export interface Identity {
  readonly roles: readonly string[];
  /** The organisation the roles are held in. */
  readonly orgId?: string | undefined;
  /** Roles within `orgId`, e.g. `editor`; they count for resources of that organisation only. */
  readonly orgRoles?: readonly string[] | undefined;
  /** Departments of `orgId` that organisation roles bound to departments are held for. Compared by letters, `*` is none of them. */
  readonly scopedDepartments?: readonly string[] | undefined;
  /** Who it is in the organisation. Alone a persona grants nothing. */
  readonly personas?: readonly string[] | undefined;
  /** Upper bound of the credential in the grammar of grants (`*`, `resource.*`, `*.action`, `resource.action`); absent: no bound. */
  readonly scopes?: readonly string[] | undefined;
  /** What kind of principal it is; absent: a user. Organisation roles are for users only, unless the policy says otherwise. */
  readonly type?: "user" | "service" | "apiKey" | "system";
  /** The trusted caller that vouches for it; decisions carry it. */
  readonly via?: string | undefined;
}

/** A part of an organisation. */
export interface Scope {
  /** As the request names it; compared in lower case. What is no name (`a-z`, `0-9`, `-`, `_`, at most 64) denies. */
  readonly department: string;
}

/** What a check may be told beside the permission. */
export interface CheckOptions {
  /** The organisation that owns the resource; the identity's must be the same. Given but not a string denies (`wrong_org`). */
  readonly org?: string;
  /** The part of the organisation that the resource belongs to, for organisation roles that are bound to departments. */
  readonly scope?: Scope;
}

/**
 * Why a decision fell as it did.
 * - `granted`: a role has it, no role denies it, the credential's scopes cover it.
 * - `unauthenticated`: there is no identity.
 * - `malformed`: the identity or the options do not have their shape; an option that nobody reads is one of these mistakes.
 * - `invalid_permission`: not a permission but a wildcard, or not a string.
 * - `unknown_permission`: not declared; denied for everybody, whatever they hold.
 * - `wrong_org`: the resource belongs to another organisation.
 * - `no_roles`: the identity has no role that the policy knows.
 * - `missing_permission`: no role has it. `explicit_deny`: a role denies it.
 * - `out_of_scope`: the roles have it, the credential was made for less.
 * - `separation_of_duty`: the identity holds roles together that a constraint keeps apart.
 * - `missing_role`, `missing_org_role`: of role checks only.
 * - `scope_param_missing`: a role bound to departments would do, but the request names no department.
 * - `invalid_scope`: what the request names is no department's name. `wrong_scope`: it is a department that the role is not held for.
 * - `persona_required`: none of the identity's personas may do this.
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
  | "separation_of_duty"
  | "missing_role"
  | "missing_org_role"
  | "scope_param_missing"
  | "invalid_scope"
  | "wrong_scope"
  | "persona_required";

/** The answer to "may it?", frozen. The full reason is for logs and audit; clients see less (see `redactDenials`). */
export interface Decision {
  readonly allowed: boolean;
  readonly reason: DecisionReason;
  /** The permission asked for; at most 128 characters of an undeclared one. */
  readonly permission: string;
  /** The identity's role (or organisation role) that decided: the one that grants, or the one that denies. */
  readonly role: string | undefined;
  /** The grant or denial that decided, as written in the policy. */
  readonly grant: string | undefined;
  /** Where a role bound to departments granted: the department in the form that was checked. Act on this one. */
  readonly scope: Scope | undefined;
  /** Which policy decided; caches of decisions compare it. */
  readonly policyVersion: number;
  /** What an HTTP response to it would be. */
  readonly status: 200 | 401 | 403;
  /** The trusted caller that vouches for the identity. */
  readonly via: string | undefined;
}

/** The answer to "has it one of these roles, organisation roles or personas?", frozen. */
export interface RoleDecision {
  readonly allowed: boolean;
  readonly reason: DecisionReason;
  /** The identity's role, organisation role or persona that satisfied the check. */
  readonly role: string | undefined;
  /** As in {@link Decision}. */
  readonly scope: Scope | undefined;
  readonly policyVersion: number;
  readonly status: 200 | 401 | 403;
}

/** The answer to "may somebody hold these roles together?", frozen. */
export interface ConstraintDecision {
  readonly allowed: boolean;
  readonly reason: "granted" | "separation_of_duty" | "unknown_role" | "malformed";
  /** The constraint that keeps them apart. */
  readonly constraint: string | undefined;
  /** The roles of it that would be held together, inherited ones included; for `unknown_role` the names that no role has. */
  readonly roles: readonly string[];
}

/** How a decision came about, for people who administer the policy; never for the client that was denied. */
export interface Explanation {
  readonly decision: Decision;
  /** For each role of the identity what it says of the permission, in the identity's order. */
  readonly roles: readonly RoleExplanation[];
  /** For each organisation role what it says of the permission, and whether it counts for what was asked. */
  readonly orgRoles: readonly OrgRoleExplanation[];
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

/** What one organisation role says of a permission. */
export interface OrgRoleExplanation {
  readonly role: string;
  readonly known: boolean;
  /** The grant that covers it. */
  readonly grant: string | undefined;
  /** `granted`, or why it does not count here. */
  readonly reason: DecisionReason;
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
