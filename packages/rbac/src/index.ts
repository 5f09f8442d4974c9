export { defineRbac } from "./policy/define-rbac.js";
export { RbacError } from "./errors.js";
export { manifest, permissionOf, unguardedRoutes } from "./guards/manifest.js";
export { requireAuthentication } from "./guards/require-authentication.js";
export { requireMfa } from "./guards/require-mfa.js";
export { requirePermission } from "./guards/require-permission.js";
export { requireRoles } from "./guards/require-roles.js";
export { secureEndpoint } from "./guards/secure-endpoint.js";
export { standardPermissions, standardRoles, workflowPermissions } from "./policy/presets.js";

export type { RoleDefinition } from "./policy/compile-roles.js";
export type {
  CheckOptions,
  Decision,
  DecisionReason,
  Explanation,
  GrantDecision,
  Identity,
  RoleDecision,
  RoleExplanation,
} from "./decision/decision.js";
export type { RbacDefinition } from "./policy/define-rbac.js";
export type { RbacErrorCode } from "./errors.js";
export type { ManifestEntry } from "./guards/manifest.js";
export type { RequireMfaOptions } from "./guards/require-mfa.js";
export type { PermissionRequirement, RequirePermissionOptions } from "./guards/require-permission.js";
export type { RequireRolesOptions } from "./guards/require-roles.js";
export type { AuditedEndpoint, SecureEndpointOptions } from "./guards/secure-endpoint.js";
export type { Grant, PermissionKey, PermissionTree } from "./policy/permission-key.js";
export type { AnyRbac, Denial, GrantOf, PreparedCheck, Rbac } from "./policy/rbac.js";
export type { RbacEvent } from "./policy/rbac-event.js";
