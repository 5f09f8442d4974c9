export { authzenRoutes } from "./authzen/authzen-routes.js";
export { defineRbac } from "./define-rbac.js";
export { RbacError } from "./errors.js";
export { manifest, permissionOf, unguardedRoutes } from "./guards/manifest.js";
export { requireAuthentication } from "./guards/require-authentication.js";
export { requireMfa } from "./guards/require-mfa.js";
export { requirePermission } from "./guards/require-permission.js";
export { requireRoles } from "./guards/require-roles.js";
export { secureEndpoint } from "./guards/secure-endpoint.js";
export { standardPermissions, standardRoles, workflowPermissions } from "./presets.js";

export type { AuthzenRoutesOptions } from "./authzen/authzen-routes.js";
export type { AuthzenAction, AuthzenCircumstances, AuthzenResource, AuthzenSubject } from "./authzen/evaluation.js";
export type { RoleDefinition } from "./compile-roles.js";
export type {
  CheckOptions,
  Decision,
  DecisionReason,
  Explanation,
  GrantDecision,
  Identity,
  RoleDecision,
  RoleExplanation,
} from "./decision.js";
export type { RbacDefinition } from "./define-rbac.js";
export type { RbacErrorCode } from "./errors.js";
export type { ManifestEntry } from "./guards/manifest.js";
export type { RequireMfaOptions } from "./guards/require-mfa.js";
export type { PermissionRequirement, RequirePermissionOptions } from "./guards/require-permission.js";
export type { RequireRolesOptions } from "./guards/require-roles.js";
export type { AuditedEndpoint, SecureEndpointOptions } from "./guards/secure-endpoint.js";
export type { Grant, PermissionKey, PermissionTree } from "./permission-key.js";
export type { AnyRbac, Denial, GrantOf, PreparedCheck, Rbac } from "./rbac.js";
export type { RbacEvent } from "./rbac-event.js";
