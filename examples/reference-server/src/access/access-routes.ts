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

/** `operationId`s that change something and need no permission: they are about the caller's own roles. */
export const OWN_ROLES: readonly string[] = Object.freeze(["activateRole", "deactivateRole"]);
