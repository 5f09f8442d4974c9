import { createAssignments, defineRbac, standardPermissions, standardRoles } from "@portcullis/rbac";
import type { Clock, Principal, StoreWith } from "@portcullis/core";

/** The roles of {@link openAssignments}. */
export const ROLES = {
  ...standardRoles,
  cashier: { grants: ["billing.manage"] },
  auditor: { grants: ["*.read"] },
  manager: { grants: ["users.manage"] },
  requester: { grants: ["workflows.create"] },
  approver: { grants: ["workflows.approve"] },
  releaser: { grants: ["workflows.execute"] },
} as const;

/** Three roles of which nobody holds two. */
export const APART = ["cashier", "auditor", "manager"] as const;
/** Three roles of which nobody has two active. */
export const IN_TURN = ["requester", "approver", "releaser"] as const;

/** A policy, and who holds its roles in a store: what every process of these tests has of its own. */
export function openAssignments(store: StoreWith<"grants">, options: { readonly maxStalenessMs?: number; readonly clock?: Clock } = {}) {
  const rbac = defineRbac({
    permissions: standardPermissions,
    roles: ROLES,
    constraints: { static: [{ name: "till", roles: APART }], dynamic: [{ name: "in-turn", roles: IN_TURN }] },
  });
  return { rbac, assignments: createAssignments(rbac, { store, ...options }) };
}

/** A user whose credential says that it owns everything. */
export function userOf(id: string, orgId: string): Principal {
  return {
    ...{ type: "user", id, orgId, workspaceId: undefined, roles: ["owner"], orgRoles: [], scopes: undefined, authMethod: "password" },
    ...{ email: undefined, sessionId: undefined, tokenVersion: 1, mfaAt: undefined, mustChangePassword: false },
  };
}
