import { allOf, ConfigurationError, type Guard, type GuardRequest, invalidOption, type JsonValue } from "@portcullis/core";
import { RbacError } from "../errors.js";
import { ownOptions } from "../own-options.js";
import type { Rbac } from "../policy/rbac.js";
import { requireAuthentication } from "./require-authentication.js";
import { requireMfa, type RequireMfaOptions } from "./require-mfa.js";
import { type PermissionRequirement, requirePermission } from "./require-permission.js";

/** What an audit guard is told of the endpoint it records. */
export interface AuditedEndpoint {
  /** What the audit trail calls it. */
  readonly action: string;
  /** The route parameter that names the resource. */
  readonly resourceIdParam: string | undefined;
}

/** What an endpoint needs. Concerns do not know each other: audit and approval come in as guards. */
export interface SecureEndpointOptions<Key extends string = string> {
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
  /** Requires a second factor. */
  readonly mfa?: RequireMfaOptions | Guard;
  /** The organisation that owns the resource, for `permission`. */
  readonly org?: (request: GuardRequest) => string | undefined;
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
  "mfa",
  "org",
  "guards",
  "approval",
] as const;

/**
 * One guard for an endpoint: audit, authentication, second factor, permission, further guards, approval, in this order.
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
export function secureEndpoint<Key extends string>(rbac: Rbac<Key>, options: SecureEndpointOptions<NoInfer<Key>>): Guard {
  const {
    permission,
    requireAuth = true,
    authenticate,
    audit,
    auditAction,
    resourceIdParam,
    mfa,
    org,
    guards = [],
    approval,
  } = ownOptions("secureEndpoint", options, OPTIONS);
  if (typeof requireAuth !== "boolean") throw invalidOption("secureEndpoint.requireAuth", requireAuth, "true or false");
  if (!requireAuth && (permission !== undefined || mfa !== undefined || approval !== undefined)) {
    throw new RbacError(
      "unauthenticated_permission",
      "secureEndpoint was given requireAuth: false with a permission, mfa or approval, which only a known caller can have. Remove one of the two.",
    );
  }
  if (typeof audit !== "function" && (auditAction !== undefined || resourceIdParam !== undefined)) {
    throw new ConfigurationError(
      "invalid_option",
      "secureEndpoint passes auditAction and resourceIdParam to an audit function; a finished audit guard was told its action already. Give audit as a function.",
    );
  }
  if (org !== undefined && permission === undefined)
    throw invalidOption("secureEndpoint.org", org, "absent where no permission is required");
  const action = auditAction ?? (permission === undefined ? undefined : describe(permission));
  if (typeof audit === "function" && (typeof action !== "string" || action === ""))
    throw invalidOption("secureEndpoint.auditAction", auditAction, "the name of the action, where no permission names it");
  if (!Array.isArray(guards)) throw invalidOption("secureEndpoint.guards", guards, "a list of guards");
  const parts: readonly Guard[] = [
    // action is a string, by the line above
    ...given("audit", typeof audit === "function" ? toGuard("audit", audit({ action: action as string, resourceIdParam })) : audit),
    ...given("authenticate", authenticate),
    ...(requireAuth ? [requireAuthentication()] : []),
    ...(mfa === undefined ? [] : [isGuard(mfa) ? mfa : requireMfa(mfa)]),
    ...(permission === undefined ? [] : [requirePermission(rbac, permission, org === undefined ? {} : { org })]),
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
  if (typeof permission === "string") return permission;
  return "any" in permission ? permission.any.join("|") : permission.all.join("+");
}
