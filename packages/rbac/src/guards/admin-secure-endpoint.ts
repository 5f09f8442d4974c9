import { allOf, type Guard, invalidOption } from "@portcullis/core";
import { RbacError } from "../errors.js";
import { ownOptions } from "../own-options.js";
import type { Rbac } from "../policy/rbac.js";
import type { PermissionRequirement } from "./require-permission.js";
import { requireRoles } from "./require-roles.js";
import { secureEndpoint, type SecureEndpointOptions } from "./secure-endpoint.js";

/** What an endpoint of administrators needs: a permission and an audit trail always. */
export interface AdminSecureEndpointOptions<
  Key extends string = string,
  RoleName extends string = string,
  PersonaName extends string = string,
> extends Omit<SecureEndpointOptions<Key, PersonaName>, "requireAuth" | "permission" | "audit" | "auditFailure"> {
  readonly permission: PermissionRequirement<Key>;
  readonly audit: NonNullable<SecureEndpointOptions<Key>["audit"]>;
  /** Roles of which the caller has one, or one that inherits it; default `admin` and `owner`, as far as the policy defines them. */
  readonly adminRoles?: readonly RoleName[];
}

const DEFAULT_ADMIN_ROLES = ["admin", "owner"];

/**
 * {@link secureEndpoint} for administrators: audit, authentication, second factor, an administrator's role, permission, in this order.
 *
 * A second factor is always asked for; `mfa` says how recent it must be. An audit guard made here (`audit` is a function) is told to
 * refuse what it cannot record.
 *
 * @throws {RbacError} `unknown_role`: neither `admin` nor `owner` is defined and no `adminRoles` are given; and as `secureEndpoint`.
 * @throws {ConfigurationError} `invalid_option`: `permission` or `audit` is missing.
 */
export function adminSecureEndpoint<Key extends string, RoleName extends string, PersonaName extends string>(
  rbac: Rbac<Key, RoleName, string, PersonaName>,
  options: AdminSecureEndpointOptions<NoInfer<Key>, NoInfer<RoleName>, NoInfer<PersonaName>>,
): Guard {
  const { adminRoles, permission, audit, mfa = {}, ...rest } = ownOptions("adminSecureEndpoint", options, OPTIONS);
  if (permission === undefined) throw invalidOption("adminSecureEndpoint.permission", permission, "a permission");
  if (audit === undefined) throw invalidOption("adminSecureEndpoint.audit", audit, "a guard, or a function that makes one");
  const wanted: readonly string[] = adminRoles ?? DEFAULT_ADMIN_ROLES.filter((role) => rbac.roles.includes(role));
  if (wanted.length === 0 && adminRoles === undefined)
    throw new RbacError(
      "unknown_role",
      `adminSecureEndpoint finds no role ${DEFAULT_ADMIN_ROLES.join(" or ")} in the policy. Say who administers with adminRoles.`,
    );
  const roleGuard = requireRoles<string>(rbac, wanted, { name: "require-admin-role" });
  const endpoint = secureEndpoint(rbac, {
    ...rest,
    permission,
    audit,
    ...(typeof audit === "function" ? { auditFailure: "closed" } : {}),
    mfa,
  });
  const parts = endpoint.parts ?? [];
  // In front of the permission: which permissions exist is no business of those who administer nothing.
  const place = parts.findLastIndex(({ name }) => name === "require-permission");
  return Object.freeze({
    ...allOf("admin-secure-endpoint", [...parts.slice(0, place), roleGuard, ...parts.slice(place)]),
    meta: endpoint.meta ?? {},
  });
}

const OPTIONS = [
  "adminRoles",
  "permission",
  "authenticate",
  "audit",
  "auditAction",
  "resourceIdParam",
  "mfa",
  "persona",
  "orgMutation",
  "org",
  "departmentParam",
  "guards",
  "approval",
] as const;
