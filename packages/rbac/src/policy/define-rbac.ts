import { type Clock, invalidOption, type Metrics, noMetrics, systemClock } from "@portcullis/core";
import { ownOptions } from "../own-options.js";
import { CompiledRbac } from "./compiled-rbac.js";
import type { RbacConstraints } from "./compile-constraints.js";
import type { OrgRoleDefinition } from "./compile-org-roles.js";
import type { PersonaDefinition } from "./compile-personas.js";
import type { RoleDefinition } from "./compile-roles.js";
import type { Grant, PermissionKey, PermissionTree } from "./permission-key.js";
import { Instruments } from "./instruments.js";
import type { PrincipalType } from "./policy.js";
import { parsePolicyBase } from "./policy-base.js";
import type { Rbac } from "./rbac.js";
import type { RbacEvent } from "./rbac-event.js";

/** A policy and what it may be told beside it. */
export interface RbacDefinition<
  Tree extends PermissionTree,
  RoleName extends string,
  OrgRoleName extends string = string,
  PersonaName extends string = string,
> {
  /** Every resource with its actions. Only what is declared here exists. */
  readonly permissions: Tree;
  readonly roles: { readonly [Name in RoleName]: RoleDefinition<Grant<Tree>, NoInfer<RoleName>> };
  /** Roles within one organisation; default none. `standardOrgRoles` has four to start from. */
  readonly orgRoles?: { readonly [Name in OrgRoleName]: OrgRoleDefinition<Grant<Tree>> };
  /** Kinds of principals whose organisation roles count; default `["user"]`: programs do not inherit a human's. */
  readonly orgRolesHeldBy?: readonly PrincipalType[];
  /** Who somebody is in an organisation; default none. */
  readonly personas?: { readonly [Name in PersonaName]: PersonaDefinition };
  /** Actions that change nothing; every other action writes. Default `["read"]`. */
  readonly readActions?: readonly Tree[keyof Tree & string][number][];
  /** Roles that are kept apart. */
  readonly constraints?: RbacConstraints<NoInfer<RoleName>>;
  /** What denied clients learn. `false` (default): the permission and one of four words for the reason. `true`: only that it is forbidden. */
  readonly redactDenials?: boolean;
  /** Version of this policy, e.g. the revision it was loaded from: an integer from 1, default 1. */
  readonly policyVersion?: number;
  /** What resources, actions and roles may be called; names of object members, `.`, `*` and non-ASCII are refused in any case. */
  readonly namePattern?: RegExp;
  readonly metrics?: Metrics;
  /** Must not throw; what it throws is dropped, because an observer must not change a decision. */
  readonly onEvent?: (event: RbacEvent) => void;
  readonly clock?: Clock;
}

/**
 * Compiles a policy: permissions as `resource.action`, roles with grants, denials and inheritance.
 *
 * A denial overrides every grant, in whatever order and at whatever distance. Wildcards (`*`, `resource.*`, `*.action`) stand in
 * grants only and cover declared permissions only. The definition is copied: changing it afterwards changes nothing.
 *
 * @throws {RbacError} The policy cannot be meant: a name, grant, inherited role or cycle, named in the message.
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { defineRbac } from "@portcullis/rbac";
 *
 * const rbac = defineRbac({
 *   permissions: { workflows: ["read", "create", "delete"] },
 *   roles: {
 *     viewer: { grants: ["*.read"] },
 *     editor: { inherits: ["viewer"], grants: ["workflows.*"], denies: ["workflows.delete"] },
 *   },
 * });
 * console.log(rbac.check({ roles: ["editor"] }, "workflows.delete").reason); // explicit_deny
 * ```
 */
export function defineRbac<
  const Tree extends PermissionTree,
  RoleName extends string,
  OrgRoleName extends string = never,
  PersonaName extends string = never,
>(definition: RbacDefinition<Tree, RoleName, OrgRoleName, PersonaName>): Rbac<PermissionKey<Tree>, RoleName, OrgRoleName, PersonaName> {
  const options: Partial<RbacDefinition<PermissionTree, string>> = ownOptions("defineRbac", definition, OPTIONS);
  const { policyVersion = 1, metrics = noMetrics, onEvent, clock = systemClock } = options;
  if (!Number.isSafeInteger(policyVersion) || policyVersion < 1) throw invalidOption("policyVersion", policyVersion, "an integer from 1");
  if (onEvent !== undefined && typeof onEvent !== "function") throw invalidOption("onEvent", onEvent, "a function");
  if (!["counter", "gauge", "histogram"].every((name) => isMethod(metrics, name)))
    throw invalidOption("metrics", metrics, "a metrics port, e.g. from @portcullis/core/prometheus");
  if (!isMethod(clock, "now") || !isMethod(clock, "monotonic")) throw invalidOption("clock", clock, "a clock");
  const base = parsePolicyBase(options);
  const instruments = new Instruments(metrics, clock, onEvent, base.universe);
  return new CompiledRbac(base, options.roles, policyVersion, instruments);
}

function isMethod(port: unknown, name: string): boolean {
  return typeof port === "object" && port !== null && typeof (port as Record<string, unknown>)[name] === "function"; // an object
}

const OPTIONS = [
  "permissions",
  "roles",
  "orgRoles",
  "orgRolesHeldBy",
  "personas",
  "readActions",
  "constraints",
  "redactDenials",
  "policyVersion",
  "namePattern",
  "metrics",
  "onEvent",
  "clock",
] as const;
