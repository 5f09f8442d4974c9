// One implementation, in core: auth needs them too.
export { requireMfa, resolvedPrincipalFact } from "@portcullis/core";
export { createAssignments } from "./assignments/create-assignments.js";
export { loadAssignments } from "./assignments/load-assignments.js";
export { authzenRoutes } from "./authzen/authzen-routes.js";
export { decisionKey } from "./decision/decision-key.js";
export { normaliseDepartment } from "./decision/find-org-role.js";
export { RbacError } from "./errors.js";
export { adminSecureEndpoint } from "./guards/admin-secure-endpoint.js";
export { checkedScopeFact } from "./guards/checked-scope.js";
export { assertGuarded, manifest, permissionOf, unguardedRoutes } from "./guards/manifest.js";
export { requireAuthentication } from "./guards/require-authentication.js";
export { requireOrgMutation } from "./guards/require-org-mutation.js";
export { requirePermission } from "./guards/require-permission.js";
export {
  requireAccessFor,
  requireApprovalAccess,
  requirePersona,
  requireReadAccess,
  requireWriteAccess,
} from "./guards/require-persona.js";
export { requireRoles } from "./guards/require-roles.js";
export { secureEndpoint } from "./guards/secure-endpoint.js";
export { defineRbac } from "./policy/define-rbac.js";
export { policyMatrix } from "./policy/policy-matrix.js";
export { standardOrgRoles, standardPermissions, standardPersonas, standardRoles, workflowPermissions } from "./policy/presets.js";
export { withShadow } from "./policy/with-shadow.js";
export { signIdentity } from "./trusted-callers/sign-identity.js";
export { trustIdentityHeaders } from "./trusted-callers/trust-identity-headers.js";

export type { RequireMfaOptions } from "@portcullis/core";
export type {
  AssignmentActor,
  AssignmentEvent,
  AssignmentPlace,
  AssignmentResult,
  Assignments,
  Consistency,
  Assignable,
  NewAssignment,
  ResolvedPrincipal,
  SubjectAssignments,
} from "./assignments/assignments.js";
export type { AssignmentsOptions } from "./assignments/create-assignments.js";
export type { Assignment, AssignmentKind } from "./assignments/held-role.js";
export type { LoadAssignmentsOptions } from "./assignments/load-assignments.js";
export type { RoleDefinitions } from "./assignments/stored-roles.js";
export type { AuthzenRoutesOptions } from "./authzen/authzen-routes.js";
export type { AuthzenAction, AuthzenCircumstances, AuthzenResource, AuthzenSubject } from "./authzen/evaluation.js";
export type { Given } from "./decision/can-grant.js";
export type {
  CheckOptions,
  ConstraintDecision,
  Decision,
  DecisionReason,
  Explanation,
  GrantDecision,
  Identity,
  OrgRoleExplanation,
  RoleDecision,
  RoleExplanation,
  Scope,
} from "./decision/decision.js";
export type { DecisionKeyParts } from "./decision/decision-key.js";
export type { RbacErrorCode } from "./errors.js";
export type { AdminSecureEndpointOptions } from "./guards/admin-secure-endpoint.js";
export type { ManifestEntry } from "./guards/manifest.js";
export type { RequireOrgMutationOptions } from "./guards/require-org-mutation.js";
export type { PermissionRequirement, RequirePermissionOptions } from "./guards/require-permission.js";
export type { RequirePersonaOptions } from "./guards/require-persona.js";
export type { RequireRolesOptions } from "./guards/require-roles.js";
export type { ResourceOwner } from "./guards/resource-owner.js";
export type { AuditedEndpoint, SecureEndpointOptions } from "./guards/secure-endpoint.js";
export type { RbacConstraints, SeparationOfDuty } from "./policy/compile-constraints.js";
export type { OrgRoleDefinition } from "./policy/compile-org-roles.js";
export type { PersonaAccess, PersonaDefinition } from "./policy/compile-personas.js";
export type { RoleDefinition } from "./policy/compile-roles.js";
export type { RbacDefinition } from "./policy/define-rbac.js";
export type { PermissionChange, PolicyDiff } from "./policy/diff.js";
export type { Grant, PermissionKey, PermissionTree } from "./policy/permission-key.js";
export type { PrincipalType } from "./policy/policy.js";
export type { MatrixCell, PolicyMatrix } from "./policy/policy-matrix.js";
export type { AnyRbac, Denial, GrantOf, PreparedCheck, Rbac, ReplaceRolesOptions, RoleDescription } from "./policy/rbac.js";
export type { RbacEvent } from "./policy/rbac-event.js";
export type { ShadowDifference, ShadowOptions } from "./policy/with-shadow.js";
export type { SignedIdentityHeaders, SignIdentityOptions } from "./trusted-callers/sign-identity.js";
export type { TrustedCallerEvent, TrustIdentityHeadersOptions } from "./trusted-callers/trust-identity-headers.js";
export type { TrustedCaller } from "./trusted-callers/trusted-caller.js";
