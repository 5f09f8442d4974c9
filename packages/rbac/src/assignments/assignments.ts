import type { MaybePromise, Principal } from "@portcullis/core";
import type { DecisionReason } from "../decision/decision.js";
import type { Assignment, AssignmentKind } from "./held-role.js";
import type { RoleDefinitions } from "./stored-roles.js";

/** Who makes a change: somebody, who cannot give more than it has, or the program itself, which is trusted. */
export type AssignmentActor = Principal | "program";

/** Which of the things that can be held. */
export type Assignable<RoleName extends string = string, OrgRoleName extends string = string, PersonaName extends string = string> =
  | { readonly role: RoleName }
  | { readonly orgRole: OrgRoleName }
  | { readonly persona: PersonaName };

/** Whose, and in which organisation. */
export interface AssignmentPlace {
  readonly subjectId: string;
  /** Empty for applications without organisations. */
  readonly orgId: string;
}

/** An assignment to be made. */
export interface NewAssignment {
  /** For organisation roles bound to departments, and required there: the departments. */
  readonly departments?: readonly string[];
  /** From this instant (epoch ms) on it is over. */
  readonly expiresAt?: number;
  /** It does nothing until its holder activates it, each time for this long (ms) at most. */
  readonly activatableForMs?: number;
}

/** How a change of assignments ended; nothing was changed unless `allowed`. */
export interface AssignmentResult {
  readonly allowed: boolean;
  /**
   * `granted`, or why not. As for checks, about the actor; and
   * - `unknown_role`: the policy has no such role, organisation role or persona.
   * - `separation_of_duty`: a constraint keeps the subject's roles apart.
   * - `last_holder`: nobody else holds it, and somebody must; of stored roles: it would be gone.
   * - `not_held`: the subject does not hold it. `not_activatable`: it needs no activation. `not_own`: only its
   *   holder activates it.
   * - `departments_differ`: the subject holds another organisation role for other departments.
   * - `changed_meanwhile`: of stored roles: somebody else replaced them first.
   */
  readonly reason:
    | DecisionReason
    | "unknown_role"
    | "last_holder"
    | "not_held"
    | "not_activatable"
    | "not_own"
    | "departments_differ"
    | "changed_meanwhile";
  /** Permissions that the actor would give, take away, deny, or free of a denial, without having them. */
  readonly missing: readonly string[];
  /** The constraint, for `separation_of_duty`. */
  readonly constraint: string | undefined;
  /** The subject's epoch after the change; of stored roles their revision. */
  readonly epoch: number | undefined;
}

/** What a subject holds in an organisation. */
export interface SubjectAssignments {
  /** Grows with every change; a key of cached decisions holds it. */
  readonly epoch: number;
  /** All of it: also what is over, or not active now. */
  readonly assignments: readonly Assignment[];
}

/** `strong`: as the store has it now. `bounded` (default): not older than `maxStalenessMs`. */
export type Consistency = "bounded" | "strong";

/** The principal with the roles, organisation roles, departments and personas that are active now. */
export type ResolvedPrincipal = Principal & {
  /** Of what it holds. */
  readonly subjectEpoch: number;
};

/** Something happened to who holds what; feed it into audit. */
export type AssignmentEvent =
  | {
      readonly kind: "assignment_changed" | "assignment_refused";
      readonly change: "assign" | "revoke" | "activate" | "deactivate";
      readonly subjectId: string;
      readonly orgId: string;
      readonly held: AssignmentKind;
      readonly name: string;
      /** Whom the change is laid to: a principal's id, or `program`. */
      readonly actorId: string;
      readonly reason: AssignmentResult["reason"];
    }
  | {
      readonly kind: "roles_changed" | "roles_refused";
      readonly actorId: string;
      readonly reason: AssignmentResult["reason"];
      /** Roles that are new, gone, or written otherwise than before, or that give or deny something else. */
      readonly roles: readonly string[];
      readonly policyVersion: number;
    };

/**
 * Who holds which roles, kept in a store: shared by every process, changed by rules, effective at once in this process and within
 * `maxStalenessMs` in all others.
 *
 * Changes are refused where they would give somebody more than the actor has, break a separation of duty, or take the last holder
 * from a role that must have one. Each is one compare-and-set in the store: of two that exclude each other, one is refused.
 */
export interface Assignments<RoleName extends string = string, OrgRoleName extends string = string, PersonaName extends string = string> {
  /** How long another process may go on with what it read before a change, ms. */
  readonly maxStalenessMs: number;

  /** What a subject holds. @throws {StoreUnavailable} */
  of(place: AssignmentPlace, options?: { readonly consistency?: Consistency }): MaybePromise<SubjectAssignments>;

  /**
   * The principal with what the store says its subject holds now, in the place of the roles of its credential. Those of an API key
   * are its owner's, as far as it names them, and its scopes still bound it; it has no personas. A principal that a trusted caller vouches for may no more than by the roles that
   * caller named, and nothing that any of its roles denies. The system's own principals hold nothing in a store and are given back as they are.
   *
   * At once where it was read within `maxStalenessMs`; a promise where it must be read.
   *
   * @throws {StoreUnavailable} Nothing is known of its roles.
   */
  resolve(principal: Principal, options?: { readonly consistency?: Consistency }): MaybePromise<ResolvedPrincipal>;

  /**
   * Gives it, or changes how it is held. The actor must have all that it gives, for as long as it gives it, and all that the subject
   * loses by what it denies. Nobody frees an assignment of its own from being activated.
   *
   * @throws {StoreUnavailable} @throws {ConfigurationError} `invalid_option`
   */
  assign(
    actor: AssignmentActor,
    place: AssignmentPlace,
    held: Assignable<RoleName, OrgRoleName, PersonaName>,
    how?: NewAssignment,
  ): Promise<AssignmentResult>;

  /**
   * Takes it away. The actor must have all that it gives, and all that it denies: a denial that goes gives something. What the policy
   * does not have any more is taken away by whoever has everything.
   *
   * @throws {StoreUnavailable}
   */
  revoke(actor: AssignmentActor, place: AssignmentPlace, held: Assignable<RoleName, OrgRoleName, PersonaName>): Promise<AssignmentResult>;

  /**
   * Makes an assignment that needs activation count for a while. Only its holder does that, with a credential of its own (an API key
   * or a trusted caller does not do for it), or the program; ask for a second factor before.
   *
   * @param forMs At most the assignment's `activatableForMs`. From a later call on the time is the later call's.
   * @throws {StoreUnavailable} @throws {ConfigurationError} `invalid_option`
   */
  activate(
    actor: AssignmentActor,
    place: AssignmentPlace,
    held: Assignable<RoleName, OrgRoleName, PersonaName>,
    forMs: number,
  ): Promise<AssignmentResult>;

  /** Ends an activation before its time; by whoever may activate. @throws {StoreUnavailable} */
  deactivate(
    actor: AssignmentActor,
    place: AssignmentPlace,
    held: Assignable<RoleName, OrgRoleName, PersonaName>,
  ): Promise<AssignmentResult>;

  /** Who holds it in an organisation, active or not, by subject id. @throws {StoreUnavailable} */
  holders(
    orgId: string,
    held: Assignable<RoleName, OrgRoleName, PersonaName>,
    page: { readonly limit: number; readonly after?: string },
  ): Promise<readonly { readonly subjectId: string; readonly assignment: Assignment }[]>;

  /**
   * Makes all that was read or decided about a subject old: from the return on no check of this process uses it, from
   * `maxStalenessMs` later on none of any.
   *
   * @returns the new epoch. @throws {StoreUnavailable}
   */
  bumpEpoch(place: AssignmentPlace): Promise<number>;

  /** Revision of the stored roles that are in force here; 0 while the store has none and those of `defineRbac` are. */
  readonly rolesRevision: number;

  /**
   * Stores role definitions and puts them in force: here at once, elsewhere within `maxStalenessMs`. The actor must have all that
   * the roles it changes give, gave, and begin or stop to deny, and have it without end; and belong to where roles are changed
   * (`rolesOrgId`).
   *
   * @param expectedRevision The revision they were made from.
   * @throws {RbacError} They do not compile; nothing was stored. @throws {StoreUnavailable}
   */
  replaceRoles(actor: AssignmentActor, roles: RoleDefinitions, expectedRevision: number): Promise<AssignmentResult>;

  /** Puts the store's roles in force now, e.g. when the process starts. @throws {StoreUnavailable} */
  refresh(): Promise<void>;
}
