import type { Principal } from "@portcullis/core";
import type { DecisionShelf } from "../decision/decision-shelf.js";
import type { KnownIdentities } from "../decision/known-identities.js";
import type { Constraints } from "./compile-constraints.js";
import type { OrgRole } from "./compile-org-roles.js";
import type { Persona } from "./compile-personas.js";
import type { Role } from "./compile-roles.js";
import type { RoleUnions } from "./role-unions.js";

/** Organisation roles, and who may have them. */
export interface OrgRoles {
  readonly byName: ReadonlyMap<string, OrgRole>;
  /** Kinds of principals whose organisation roles count. */
  readonly heldBy: ReadonlySet<unknown>;
  /** Whether any of them grants a permission. */
  readonly grantAnything: boolean;
}

/** Kinds of principals. */
export type PrincipalType = Principal["type"];

/** All of them. */
export const PRINCIPAL_TYPES: readonly PrincipalType[] = Object.freeze(["user", "service", "apiKey", "system"]);

/** Roles in force with all that was derived from them: replaced as one. */
export interface Policy {
  readonly version: number;
  readonly roles: ReadonlyMap<string, Role>;
  readonly unions: RoleUnions;
  readonly constraints: Constraints;
  readonly orgRoles: OrgRoles;
  readonly personas: ReadonlyMap<string, Persona>;
  readonly known: KnownIdentities;
  readonly shelf: DecisionShelf;
}
