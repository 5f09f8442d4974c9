import { ALLOW, callerOf, ConfigurationError, type Guard, type GuardRequest, invalidOption, type Verdict } from "@portcullis/core";
import type { Identity } from "../decision/decision.js";
import { ownOptions } from "../own-options.js";
import { PRINCIPAL_TYPES, type PrincipalType } from "../policy/policy.js";
import type { AnyRbac } from "../policy/rbac.js";
import { publishScope } from "./checked-scope.js";
import { denial } from "./denial.js";
import { ownerReader, RESOURCE_OWNER, type ResourceOwner } from "./resource-owner.js";

/** What an organisation guard may be told. Without `org` the resource is the caller's own organisation's. */
export interface RequireOrgMutationOptions extends ResourceOwner {
  /** The guard's name, unique within a chain; default `require-org-mutation`. */
  readonly name?: string;
}

/**
 * Lets a request pass whose principal may change an organisation's configuration: by an organisation role held for all of it, or,
 * where `departmentParam` names a route parameter, by one held for that department. 401 without a principal, 403 otherwise.
 *
 * Without `departmentParam` roles bound to departments never pass. Publishes the department as `checkedScopeFact`: act on that
 * one, not on the parameter.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { defineRbac, requireOrgMutation, standardOrgRoles, standardPermissions, standardRoles } from "@portcullis/rbac";
 *
 * const rbac = defineRbac({ permissions: standardPermissions, roles: standardRoles, orgRoles: standardOrgRoles });
 * export const canChangeDepartment = requireOrgMutation(rbac, { departmentParam: "department" });
 * ```
 */
export function requireOrgMutation(rbac: AnyRbac, options: RequireOrgMutationOptions = {}): Guard {
  const given = ownOptions("requireOrgMutation", options, ["name", ...RESOURCE_OWNER]);
  const { name = "require-org-mutation", departmentParam } = given;
  if (typeof name !== "string" || name === "") throw invalidOption("requireOrgMutation.name", name, "a non-empty string");
  const isPassable = rbac.orgRoles.some((role) =>
    PRINCIPAL_TYPES.some((type) => rbac.checkOrgMutation(holder(type, role), { org: "any", scope: { department: "any" } }).allowed),
  );
  if (!isPassable)
    throw new ConfigurationError(
      "invalid_option",
      'requireOrgMutation needs a policy with an organisation role that has "mutates: true", or nobody could pass.',
    );
  const ownerOf = ownerReader("requireOrgMutation", given, { always: true });
  return Object.freeze({
    name,
    meta: Object.freeze({
      orgMutation: true,
      ...(departmentParam === undefined ? {} : { params: Object.freeze([departmentParam]) }),
    }),
    check(request: GuardRequest): Verdict {
      const principal = callerOf(request);
      const checkOptions = ownerOf?.(request) ?? {};
      const decision = rbac.checkOrgMutation(principal, checkOptions);
      if (!decision.allowed) return denial({ rbac, guard: name, decision, principal, request, asked: {} });
      publishScope(request.facts, checkOptions);
      return ALLOW;
    },
  } satisfies Guard);
}

function holder(type: PrincipalType, role: string): Identity {
  return { type, roles: [], orgId: "any", orgRoles: [role], scopedDepartments: ["any"] };
}
