import type { Principal } from "@portcullis/core";
import type { Given } from "../decision/can-grant.js";
import type {
  CheckOptions,
  ConstraintDecision,
  Decision,
  Explanation,
  GrantDecision,
  Identity,
  RoleDecision,
} from "../decision/decision.js";
import type { PersonaAccess } from "./compile-personas.js";
import type { RoleDefinition } from "./compile-roles.js";
import type { PolicyDiff } from "./diff.js";

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
export interface Rbac<
  Key extends string = string,
  RoleName extends string = string,
  OrgRoleName extends string = string,
  PersonaName extends string = string,
> {
  /** Every declared permission, in the order declared. */
  readonly permissions: readonly Key[];
  /** The roles in force. */
  readonly roles: readonly string[];
  /** Every organisation role, in the order declared. */
  readonly orgRoles: readonly OrgRoleName[];
  /** Every persona, in the order declared. */
  readonly personas: readonly PersonaName[];
  /** Grows with each `replaceRoles`; every decision carries it. */
  readonly policyVersion: number;
  /** Whether denied clients are told neither the permission nor the reason. */
  readonly redactDenials: boolean;

  /** Whether a string from outside is a declared permission. */
  isPermission(value: unknown): value is Key;

  /** Whether the permission's action changes something: it is not one of the policy's `readActions`. An undeclared one does. */
  isWrite(permission: Key): boolean;

  /**
   * Whether the identity may: one of its roles grants the permission, none denies it, the credential's scopes cover it, and the
   * resource belongs to its organisation.
   *
   * Where `options.org` says whose resource it is, an organisation role held there may grant too, for its departments if it is bound
   * to them.
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

  /**
   * Whether the identity may change the configuration of an organisation (`options.org`, which must be its own), or of the
   * department `options.scope` of it: one of its organisation roles mutates, and is held for all of it or for that department.
   */
  checkOrgMutation(identity: Identity | undefined, options: CheckOptions): RoleDecision;

  /** Whether one of the identity's personas may read, write or approve, or is one of those named. */
  checkPersona(identity: Identity | undefined, wanted: PersonaAccess | readonly PersonaName[]): RoleDecision;

  /** Whether one subject may be assigned these roles together: no static constraint keeps them apart. */
  checkAssignment(roles: readonly string[]): ConstraintDecision;

  /** Whether these roles may be active at once: no constraint, static or dynamic, keeps them apart. */
  checkActivation(roles: readonly string[]): ConstraintDecision;

  /** The check with its reasons, role by role. Slower than `check`; counts no metric. */
  explain(identity: Identity | undefined, permission: Key, options?: CheckOptions): Explanation;

  /** Everything the identity may, in the order declared; empty where every check would deny. */
  permissionsOf(identity: Identity | undefined, options?: CheckOptions): readonly Key[];

  /**
   * Whether the actor has everything that it would give: ask before a role is created, edited, assigned, or somebody is invited.
   * The actor's scopes bound it too.
   *
   * A role holds everywhere, so what the actor has by organisation roles only does not count for one. An organisation role is
   * compared within `options.org`; one bound to departments within `options.scope`.
   *
   * @param given A role, an organisation role, or the grants of one that is being written.
   */
  canGrant(actor: Identity | undefined, given: Given<GrantOf<Key>>, options?: CheckOptions): GrantDecision<Key>;

  /** Whether an organisation role counts only for its holder's departments; `false` for one that the policy does not have. */
  isBoundToDepartments(orgRole: string): boolean;

  /** What a role is and amounts to; `undefined` for one that the policy does not have. */
  describeRole(role: string): RoleDescription<Key> | undefined;

  /**
   * The same policy with other roles, to ask what it would say: `rbac.diff(rbac.withRoles(roles), accounts)`. It has no metrics and
   * no observer, and the version that `replaceRoles` would give it.
   *
   * @throws {RbacError} The roles do not compile.
   */
  withRoles(roles: { readonly [name: string]: RoleDefinition<GrantOf<Key>> }): Rbac<Key, string, OrgRoleName, PersonaName>;

  /**
   * How another policy differs: what is declared, what each role gains and loses, and which of the identities would notice.
   *
   * @param identities Those whose change is of interest, e.g. every account; default none.
   */
  diff(other: AnyRbac, identities?: Iterable<Identity>): PolicyDiff;

  /**
   * Puts other roles in force, all at once: a check sees the old policy or the new one, never a mixture.
   *
   * @returns the new policy version.
   * @throws {RbacError} The roles do not compile; the old ones stay in force.
   * @throws {ConfigurationError} `invalid_option`: the version does not grow.
   */
  replaceRoles(roles: { readonly [name: string]: RoleDefinition<GrantOf<Key>> }, options?: ReplaceRolesOptions): number;

  /** Counts a guard's denial and emits it as an event; guards of your own call it so that they are seen the same way. Never throws. */
  reportDenial(denial: Denial): void;
}

/** A role as it is written, and what it amounts to. */
export interface RoleDescription<Key extends string = string> {
  readonly role: string;
  readonly inherits: readonly string[];
  readonly grants: readonly string[];
  readonly denies: readonly string[];
  /** Every permission it gives, inherited ones included and without those that it denies. */
  readonly allowed: readonly Key[];
  /** Every permission it denies, inherited denials included. */
  readonly denied: readonly Key[];
}

/** How roles are put in force. */
export interface ReplaceRolesOptions {
  /** The version they have from now on, more than the one before; default one more. */
  readonly policyVersion?: number;
  /**
   * What is done with grants and denials that cover no declared permission, and with constraints that name roles which are not there or
   * that a role breaks by itself: `refuse` (default) or `ignore`.
   */
  readonly unknownGrants?: "refuse" | "ignore";
}

/** A policy whose permissions and roles are not known to the compiler: what other code takes without carrying the generics. */
export type AnyRbac = Rbac;
