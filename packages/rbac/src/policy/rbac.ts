import type { Principal } from "@portcullis/core";
import type { CheckOptions, Decision, Explanation, GrantDecision, Identity, RoleDecision } from "../decision/decision.js";
import type { RoleDefinition } from "./compile-roles.js";

/** Grants that a set of permissions allows for: each of them, its resource, its action, everything. */
export type GrantOf<Key extends string> =
  | "*"
  | Key
  | (Key extends `${infer Resource}.${infer Action}` ? `${Resource}.*` | `*.${Action}` : never);

/** A check of one permission, resolved beforehand. Never throws. */
export type PreparedCheck = (identity: Identity | undefined, options?: CheckOptions) => Decision;

/** A denial that a guard answered. */
export interface Denial {
  readonly decision: Decision | RoleDecision;
  /** The guard's name. */
  readonly guard: string;
  readonly principal: Principal | undefined;
  readonly correlationId: string | undefined;
}

/**
 * A compiled policy: immutable, safe to share, replaced only as a whole.
 *
 * Checks are synchronous and never throw: whatever is wrong with the question, the answer is a denial that says why.
 */
export interface Rbac<Key extends string = string, RoleName extends string = string> {
  /** Every declared permission, in the order declared. */
  readonly permissions: readonly Key[];
  /** The roles in force. */
  readonly roles: readonly string[];
  /** Grows by one with each `replaceRoles`; every decision carries it. */
  readonly policyVersion: number;
  /** Whether denied clients are told neither the permission nor the reason. */
  readonly redactDenials: boolean;

  /** Whether a string from outside is a declared permission. */
  isPermission(value: unknown): value is Key;

  /**
   * Whether the identity may: one of its roles grants the permission, none denies it, the credential's scopes cover it, and the
   * resource belongs to its organisation.
   *
   * @param identity `undefined` denies as `unauthenticated`.
   * @returns frozen; the same object for the same roles and permission, so treat it as a value.
   */
  check(identity: Identity | undefined, permission: Key, options?: CheckOptions): Decision;

  /**
   * Resolves a permission once, for guards and hot loops. The check follows `replaceRoles`.
   *
   * @throws {RbacError} `unknown_permission`
   */
  prepare(permission: Key): PreparedCheck;

  /**
   * Whether the identity has one of the roles; a role that inherits a wanted one counts unless `exact`.
   *
   * A credential bounded by scopes has the roles only if its scopes contain `*`: a role says more than any list of permissions.
   */
  checkRoles(
    identity: Identity | undefined,
    roles: readonly RoleName[],
    options?: CheckOptions & { readonly exact?: boolean },
  ): RoleDecision;

  /** The check with its reasons, role by role. Slower than `check`; counts no metric. */
  explain(identity: Identity | undefined, permission: Key, options?: CheckOptions): Explanation;

  /** Everything the identity may, in the order declared; empty where every check would deny. */
  permissionsOf(identity: Identity | undefined, options?: CheckOptions): readonly Key[];

  /**
   * Whether the actor has everything that it would give: ask before a role is created, edited, assigned, or somebody is invited.
   * The actor's scopes bound it too.
   *
   * @param given A role, or the grants of one that is being written.
   */
  canGrant(
    actor: Identity | undefined,
    given: { readonly role: string } | { readonly permissions: readonly GrantOf<Key>[] },
    options?: CheckOptions,
  ): GrantDecision<Key>;

  /**
   * Puts other roles in force, all at once: a check sees the old policy or the new one, never a mixture.
   *
   * @returns the new policy version.
   * @throws {RbacError} The roles do not compile; the old ones stay in force.
   */
  replaceRoles(roles: { readonly [name: string]: RoleDefinition<GrantOf<Key>> }): number;

  /** Counts a guard's denial and emits it as an event; guards of your own call it so that they are seen the same way. Never throws. */
  reportDenial(denial: Denial): void;
}

/** A policy whose permissions and roles are not known to the compiler: what other code takes without carrying the generics. */
export type AnyRbac = Rbac;
