import type { Guard, Metrics } from "@portcullis/core";
import { type Assignments, defineRbac, type RbacConstraints, type RbacEvent, secureEndpoint, standardOrgRoles } from "@portcullis/rbac";

/** Roles that nobody holds together. */
export const CONSTRAINTS = Object.freeze({
  // Who looks into what was done does not do it. Administrators read the trail too, and are in it.
  static: [{ name: "independent_audit", roles: ["auditor", "member"] }],
} as const) satisfies RbacConstraints;

/** What can be done here, and which role may. The roles are those of a fresh store: from then on the stored ones are in force. */
export function createPolicy(metrics: Metrics, onEvent: (event: RbacEvent) => void) {
  return defineRbac({
    permissions: {
      workflows: ["read", "create", "update", "delete", "execute", "approve"],
      decisions: ["create", "configure"],
      integrations: ["read", "manage"],
      webhooks: ["read", "manage"],
      audit: ["read", "export"],
      users: ["read", "manage"],
      organisation: ["read", "manage"],
      access: ["read", "manage", "evaluate"],
      system: ["read", "manage"],
    },
    roles: {
      viewer: { grants: ["workflows.read", "integrations.read"] },
      member: {
        inherits: ["viewer"],
        grants: ["workflows.create", "workflows.update", "workflows.delete", "workflows.execute", "decisions.create", "webhooks.read"],
      },
      auditor: { grants: ["audit.*", "users.read", "access.read"] },
      admin: {
        inherits: ["member"],
        grants: [
          ...(["workflows.approve", "decisions.configure", "integrations.manage", "webhooks.manage"] as const),
          ...(["audit.*", "users.*", "organisation.*", "access.*"] as const),
        ],
      },
      // Who runs the service: alone sees across workspaces, and changes what holds for all of them.
      owner: { inherits: ["admin"], grants: ["*"] },
    },
    orgRoles: standardOrgRoles,
    constraints: CONSTRAINTS,
    metrics,
    onEvent,
  });
}

/** The compiled policy. */
export type ServicePolicy = ReturnType<typeof createPolicy>;
/** Every permission there is. */
export type Permission = ServicePolicy["permissions"][number];
/** A guard that lets a caller with the permission pass. */
export type Permit = (permission: Permission) => Guard;
/** Who holds what. Names of roles are text: stored definitions bring others than those above. */
export type ServiceAssignments = Assignments;

/** Binds the policy, so that routes say no more than what they need. */
export function createPermit(policy: ServicePolicy): Permit {
  return (permission) => secureEndpoint(policy, { permission });
}
