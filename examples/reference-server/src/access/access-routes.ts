import type { Route } from "@portcullis/core";
import type { AccessServices } from "./access-services.js";
import { activationRoutes } from "./activation-routes.js";
import { assignmentRoutes } from "./assignment-routes.js";
import { decisionPoint } from "./decision-point.js";
import { departmentRoutes } from "./department-routes.js";
import { policyRoutes } from "./policy-routes.js";

/** Who may do what: the policy, who holds which roles, departments, and a decision point for other services. */
export function accessRoutes(services: AccessServices): readonly Route[] {
  return [policyRoutes, assignmentRoutes, activationRoutes, departmentRoutes, decisionPoint].flatMap((routesOf) => routesOf(services));
}

/** `operationId`s that change something and need no permission: they act on the caller's own account, or prove who it is. */
export const OWN_ACCOUNT: readonly string[] = Object.freeze([
  ...["authLogin", "authRefresh", "authLogout", "authLogoutAll", "authChangePassword", "authCreateApiKey", "authRevokeApiKey"],
  ...["activateRole", "deactivateRole"],
]);
