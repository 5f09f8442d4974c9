import { allOf, ConfigurationError, type Guard, invalidOption, type JsonValue, requireMfa, type RequireMfaOptions } from "@portcullis/core";
import { RbacError } from "../errors.js";
import { ownOptions } from "../own-options.js";
import type { PersonaAccess } from "../policy/compile-personas.js";
import type { AnyRbac, Rbac } from "../policy/rbac.js";
import { requireAuthentication } from "./require-authentication.js";
import { requireOrgMutation } from "./require-org-mutation.js";
import { requireParam } from "./require-param.js";
import { parseRequirement, type PermissionRequirement, requirePermission } from "./require-permission.js";
import { requireAccessFor, requireApprovalAccess, requirePersona, requireReadAccess, requireWriteAccess } from "./require-persona.js";
import { RESOURCE_OWNER, type ResourceOwner } from "./resource-owner.js";

/** What an audit guard is told of the endpoint it records. */
export interface AuditedEndpoint {
  /** What the audit trail calls it. */
  readonly action: string;
  /** The route parameter that names the resource. */
  readonly resourceIdParam: string | undefined;
  /** What becomes of a request that cannot be recorded: `closed`: it is refused before its handler runs. `open`: it goes on. */
  readonly onFailure: "closed" | "open";
}

/** What an endpoint needs. Concerns do not know each other: audit and approval come in as guards. */
export interface SecureEndpointOptions<Key extends string = string, PersonaName extends string = string> extends ResourceOwner {
  /** Absent: any authenticated caller. */
  readonly permission?: PermissionRequirement<Key>;
  /** `false`: everybody, and `permission` must be absent. Default `true`. */
  readonly requireAuth?: boolean;
  /** Authenticates; leave it out where a guard before this one does. */
  readonly authenticate?: Guard;
  /** Records the request. Asked first, so that its settle hook sees denials, faults and clients that left, last of all. */
  readonly audit?: Guard | ((endpoint: AuditedEndpoint) => Guard);
  /** Name of the action for `audit`, where that is a function; default: the permission. */
  readonly auditAction?: string;
  /** Route parameter with the id of the resource, for `audit`, where that is a function. */
  readonly resourceIdParam?: string;
  /** What becomes of a request that `audit`, where that is a function, cannot record; default `open`. */
  readonly auditFailure?: "closed" | "open";
  /** Requires a second factor. */
  readonly mfa?: RequireMfaOptions | Guard;
  /** Requires a persona: one that may read, write or approve, one of those named, or `by_action`: as the permission's action demands. */
  readonly persona?: "by_action" | PersonaAccess | readonly PersonaName[];
  /** Requires an organisation role that changes the organisation (`org`) or the department (`departmentParam`). */
  readonly orgMutation?: boolean;
  /** Further guards, asked once the permission is there. */
  readonly guards?: readonly Guard[];
  /** Asked last: nobody is asked to approve what the caller may not do. */
  readonly approval?: Guard;
}

const OPTIONS = [
  "permission",
  "requireAuth",
  "authenticate",
  "audit",
  "auditAction",
  "resourceIdParam",
  "auditFailure",
  "mfa",
  "persona",
  "orgMutation",
  ...RESOURCE_OWNER,
  "guards",
  "approval",
] as const;

/**
 * One guard for an endpoint: audit, authentication, second factor, permission, organisation role, persona, further guards, approval,
 * in this order.
 *
 * The handler runs only when all of them let the request pass. Carries what it requires in `meta`, for `manifest` and OpenAPI.
 *
 * @throws {RbacError} `unauthenticated_permission`: `requireAuth: false` together with something only a known caller can have;
 *   `unknown_permission`, `empty_requirement`.
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { defineRoute } from "@portcullis/core";
 * import { defineRbac, secureEndpoint, standardPermissions, standardRoles } from "@portcullis/rbac";
 *
 * const rbac = defineRbac({ permissions: standardPermissions, roles: standardRoles });
 * export const removeWorkflow = defineRoute({
 *   method: "DELETE",
 *   path: "/workflows/:id",
 *   operationId: "removeWorkflow",
 *   summary: "Removes a workflow",
 *   guards: [secureEndpoint(rbac, { permission: "workflows.delete", mfa: { maxAgeMs: 900_000 } })],
 *   handle: () => new Response(null, { status: 204 }),
 * });
 * ```
 */
export function secureEndpoint<Key extends string, PersonaName extends string>(
  rbac: Rbac<Key, string, string, PersonaName>,
  options: SecureEndpointOptions<NoInfer<Key>, NoInfer<PersonaName>>,
): Guard {
  const {
    permission,
    requireAuth = true,
    authenticate,
    audit,
    auditAction,
    resourceIdParam,
    auditFailure,
    mfa,
    persona,
    orgMutation = false,
    org,
    departmentParam,
    guards = [],
    approval,
  } = ownOptions("secureEndpoint", options, OPTIONS);
  if (typeof requireAuth !== "boolean") throw invalidOption("secureEndpoint.requireAuth", requireAuth, "true or false");
  if (mfa !== undefined && (typeof mfa !== "object" || (mfa as unknown) === null))
    throw invalidOption("secureEndpoint.mfa", mfa, "options such as { maxAgeMs: 900_000 }, or a guard");
  const owner: ResourceOwner = { ...(org === undefined ? {} : { org }), ...(departmentParam === undefined ? {} : { departmentParam }) };
  if (typeof orgMutation !== "boolean") throw invalidOption("secureEndpoint.orgMutation", orgMutation, "true or false");
  if (auditFailure !== undefined && auditFailure !== "open" && auditFailure !== "closed")
    throw invalidOption("secureEndpoint.auditFailure", auditFailure, '"open" or "closed"');
  if (!requireAuth && (orgMutation || [permission, mfa, persona, approval].some((needed) => needed !== undefined))) {
    throw new RbacError(
      "unauthenticated_permission",
      "secureEndpoint was given requireAuth: false with something that only a known caller can have: permission, mfa, persona, orgMutation or approval. Remove one of the two.",
    );
  }
  if (typeof audit !== "function" && [auditAction, resourceIdParam, auditFailure].some((told) => told !== undefined)) {
    throw new ConfigurationError(
      "invalid_option",
      "secureEndpoint passes auditAction, resourceIdParam and auditFailure to an audit function; a finished audit guard was told already. Give audit as a function.",
    );
  }
  if (permission === undefined && !orgMutation && Object.keys(owner).length > 0)
    throw invalidOption("secureEndpoint.org", org ?? departmentParam, "absent where neither a permission nor orgMutation is required");
  if (resourceIdParam !== undefined && (typeof resourceIdParam !== "string" || resourceIdParam === ""))
    throw invalidOption("secureEndpoint.resourceIdParam", resourceIdParam, "the name of a route parameter");
  // Made first: it refuses what is no permission, before that is read.
  const permissionGuards = permission === undefined ? [] : [requirePermission(rbac, permission, owner)];
  const action = auditAction ?? (permission === undefined ? undefined : describe(permission));
  if (typeof audit === "function" && (typeof action !== "string" || action === ""))
    throw invalidOption("secureEndpoint.auditAction", auditAction, "the name of the action, where no permission names it");
  if (!Array.isArray(guards)) throw invalidOption("secureEndpoint.guards", guards, "a list of guards");
  const parts: readonly Guard[] = [
    // action is a string, by the line above
    ...given(
      "audit",
      typeof audit === "function"
        ? toGuard("audit", audit({ action: action as string, resourceIdParam, onFailure: auditFailure ?? "open" }))
        : audit,
    ),
    ...given("authenticate", authenticate),
    ...(requireAuth ? [requireAuthentication()] : []),
    ...(mfa === undefined ? [] : [isGuard(mfa) ? mfa : requireMfa(mfa)]),
    ...permissionGuards,
    ...(orgMutation ? [requireOrgMutation(rbac, owner)] : []),
    ...(persona === undefined ? [] : personaGuards(rbac, persona, permission)),
    ...(resourceIdParam === undefined ? [] : [requireParam(resourceIdParam)]),
    ...Array.from(guards, (guard, index) => toGuard(`guards[${index}]`, guard)),
    ...given("approval", approval),
  ];
  const meta: { [name: string]: JsonValue } = {
    ...(requireAuth ? {} : { public: true }),
    ...(audit === undefined ? {} : { audit: action ?? true }),
    ...(mfa === undefined ? {} : { mfa: true }),
    ...(approval === undefined ? {} : { approval: true }),
  };
  return Object.freeze({
    ...allOf("secure-endpoint", parts),
    meta: Object.freeze(meta),
  });
}

function personaGuards<Key extends string, PersonaName extends string>(
  rbac: Rbac<Key, string, string, PersonaName>,
  persona: "by_action" | PersonaAccess | readonly PersonaName[],
  permission: PermissionRequirement<Key> | undefined,
): readonly Guard[] {
  if (typeof persona !== "string") return [requirePersona(rbac, persona)];
  if (persona !== "by_action") {
    // Own ones only: "constructor" is found on every object.
    if (!Object.hasOwn(ACCESS_GUARDS, persona))
      throw invalidOption("secureEndpoint.persona", persona, '"by_action", "read", "write", "approve" or a list of personas');
    return [ACCESS_GUARDS[persona](rbac)];
  }
  const keys = permission === undefined ? [] : parseRequirement(permission).keys;
  const [first] = keys;
  if (first === undefined) throw invalidOption("secureEndpoint.persona", persona, "a persona or an access where no permission is required");
  // Of several permissions, one that writes decides: whoever may pass by it could write.
  const deciding = keys.find((key) => rbac.isWrite(key)) ?? first;
  return [requireAccessFor(rbac, deciding)];
}

const ACCESS_GUARDS: Readonly<Record<PersonaAccess, (rbac: AnyRbac) => Guard>> = Object.freeze({
  read: requireReadAccess,
  write: requireWriteAccess,
  approve: requireApprovalAccess,
});

function given(option: string, guard: Guard | undefined): readonly Guard[] {
  return guard === undefined ? [] : [toGuard(option, guard)];
}

// A guard that is none, or undefined by a wrong import, must not leave the endpoint open: it throws here, not at the first request.
function toGuard(option: string, guard: unknown): Guard {
  if (!isGuard(guard)) throw invalidOption(`secureEndpoint.${option}`, guard, "a guard");
  return guard;
}

function isGuard(value: unknown): value is Guard {
  return typeof value === "object" && value !== null && "check" in value && typeof value.check === "function";
}

function describe(permission: PermissionRequirement): string {
  const { mode, keys } = parseRequirement(permission);
  return keys.join(mode === "any" ? "|" : "+");
}
