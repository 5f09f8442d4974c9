import type { Guard, Metrics } from "@portcullis/core";
import { defineRbac, type RbacEvent, secureEndpoint } from "@portcullis/rbac";

/** What can be done here, and which role may. */
export function createPolicy(metrics: Metrics, onEvent: (event: RbacEvent) => void) {
  return defineRbac({
    permissions: {
      workflows: ["read", "create", "update", "delete", "execute", "approve"],
      decisions: ["create", "configure"],
      integrations: ["read", "manage"],
      webhooks: ["read", "manage"],
      audit: ["read", "export"],
      users: ["read", "manage"],
      system: ["read", "manage"],
    },
    roles: {
      viewer: { grants: ["workflows.read", "integrations.read"] },
      member: {
        inherits: ["viewer"],
        grants: ["workflows.create", "workflows.update", "workflows.delete", "workflows.execute", "decisions.create", "webhooks.read"],
      },
      admin: {
        inherits: ["member"],
        grants: ["workflows.approve", "decisions.configure", "integrations.manage", "webhooks.manage", "audit.*", "users.*"],
      },
      // Who runs the service: alone sees across workspaces, and changes what holds for all of them.
      owner: { inherits: ["admin"], grants: ["*"] },
    },
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

/** Binds the policy, so that routes say no more than what they need. */
export function createPermit(policy: ServicePolicy): Permit {
  return (permission) => secureEndpoint(policy, { permission });
}
