import type { Route } from "@portcullis/core";
import { authzenRoutes } from "@portcullis/rbac";
import { principalOf } from "../accounts.js";
import { callerOf } from "../workspace.js";
import type { AccessServices } from "./access-services.js";
import { userId } from "./params.js";

/**
 * OpenID AuthZEN for other services of an organisation: what somebody of it may do here. The answers are the specification's own,
 * without an envelope. Of everybody else it says what it says of nobody: no.
 */
export function decisionPoint({ policy, permit, assignments, users, isDisabled, policyDecisionPoint }: AccessServices): readonly Route[] {
  return authzenRoutes(policy, {
    policyDecisionPoint,
    // A path of the public address is the proxy's.
    prefix: "",
    guards: [permit("access.evaluate")],
    async identityOf({ type, id }, { facts }) {
      if (type !== "user" || !userId.safeParse(id).success) return undefined;
      const account = await users.byId(id);
      if (account === undefined || account.orgId !== callerOf(facts).orgId || (await isDisabled(id))) return undefined;
      return assignments.resolve(principalOf(account));
    },
    // What is asked about belongs to the organisation of who asks, or to the department of it that is named.
    checkOptionsOf({ properties }, { facts }) {
      const { orgId } = callerOf(facts);
      const { department } = properties;
      return {
        ...(orgId === undefined ? {} : { org: orgId }),
        ...(typeof department === "string" ? { scope: { department } } : {}),
      };
    },
  });
}
