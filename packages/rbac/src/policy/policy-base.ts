import { invalidOption } from "@portcullis/core";
import { compileOrgRoles } from "./compile-org-roles.js";
import { compilePersonas, type Persona } from "./compile-personas.js";
import { DEFAULT_NAME_PATTERN, Universe } from "./compile-permissions.js";
import { type ParsedConstraints, parseConstraints } from "./compile-constraints.js";
import type { RbacDefinition } from "./define-rbac.js";
import type { PermissionTree } from "./permission-key.js";
import { type OrgRoles, PRINCIPAL_TYPES } from "./policy.js";

/** All of a policy but its roles: it stays when roles are replaced. */
export interface PolicyBase {
  readonly universe: Universe;
  readonly namePattern: RegExp;
  readonly readActions: ReadonlySet<string>;
  readonly constraints: ParsedConstraints;
  readonly orgRoles: OrgRoles;
  readonly personas: ReadonlyMap<string, Persona>;
  readonly redactDenials: boolean;
}

/** @throws {RbacError} What `defineRbac` throws, but for roles. @throws {ConfigurationError} `invalid_option` */
export function parsePolicyBase(options: Partial<RbacDefinition<PermissionTree, string>>): PolicyBase {
  const { redactDenials = false, namePattern = DEFAULT_NAME_PATTERN, orgRolesHeldBy = ["user"], readActions = ["read"] } = options;
  if (typeof redactDenials !== "boolean") throw invalidOption("redactDenials", redactDenials, "true or false");
  if (!(namePattern instanceof RegExp)) throw invalidOption("namePattern", namePattern, "a regular expression");
  if (!Array.isArray(orgRolesHeldBy) || !orgRolesHeldBy.every((type) => PRINCIPAL_TYPES.includes(type)))
    throw invalidOption("orgRolesHeldBy", orgRolesHeldBy, `a list of ${PRINCIPAL_TYPES.join(", ")}`);
  if (!Array.isArray(readActions) || !readActions.every((action) => typeof action === "string"))
    throw invalidOption("readActions", readActions, "a list of actions");
  // A copy without g and y: those make test() depend on the test before.
  const pattern = new RegExp(namePattern.source, namePattern.flags.replaceAll(/[gy]/g, ""));
  const universe = new Universe(options.permissions, pattern);
  const byName = compileOrgRoles(options.orgRoles, universe, pattern);
  return Object.freeze({
    universe,
    namePattern: pattern,
    readActions: new Set(readActions),
    constraints: parseConstraints(options.constraints),
    orgRoles: Object.freeze({
      byName,
      heldBy: new Set<unknown>(orgRolesHeldBy),
      grantAnything: [...byName.values()].some(({ grants }) => grants.length > 0),
    }),
    personas: compilePersonas(options.personas, pattern),
    redactDenials,
  });
}
