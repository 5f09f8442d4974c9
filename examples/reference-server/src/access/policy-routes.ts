import { defineRoute, type Route } from "@portcullis/core";
import { policyMatrix } from "@portcullis/rbac";
import { z } from "zod";
import { findColleague, principalOf } from "../accounts.js";
import { ok } from "../envelope.js";
import { CONSTRAINTS } from "../permissions.js";
import { callerOf } from "../workspace.js";
import type { AccessServices } from "./access-services.js";
import { roleName, userId } from "./params.js";
import { callersMistakes, requireAllowed } from "./refusals.js";

const TAGS = ["access"];
const names = z.array(z.string().min(1).max(200)).max(1000).default([]);
const rolesSchema = z.record(roleName, z.strictObject({ inherits: names, grants: names, denies: names }));

/** `/api/access`: the policy as it is in force, and why it decides as it does. */
export function policyRoutes({ policy, permit, assignments, users, isDisabled, manifest, record }: AccessServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/access/policy",
      operationId: "getAccessPolicy",
      summary: "Shows which role may do what, and the revision that a change of the roles must name",
      tags: TAGS,
      guards: [permit("access.read")],
      responses: { 200: { description: "Roles as they are written, the table of roles and permissions, and the constraints" } },
      async handle() {
        await assignments.refresh();
        const roles = policy.roles.map((role) => {
          const { inherits = [], grants = [], denies = [] } = policy.describeRole(role) ?? {};
          return [role, { inherits, grants, denies }] as const;
        });
        return ok({
          ...policyMatrix(policy),
          rolesRevision: assignments.rolesRevision,
          roles: Object.fromEntries(roles),
          orgRoles: policy.orgRoles,
          constraints: CONSTRAINTS,
        });
      },
    }),
    defineRoute({
      method: "PUT",
      path: "/api/access/roles",
      operationId: "replaceRoles",
      summary: "Replaces all roles, for every organisation, if they are still at the revision",
      tags: TAGS,
      guards: [permit("access.manage")],
      input: { body: z.strictObject({ roles: rolesSchema, revision: z.int().min(0) }) },
      responses: { 200: { description: "The new revision and the policy's version" } },
      async handle(_request, { facts, body }) {
        await record(facts, { action: "roles.replace", target: { type: "policy" }, details: body });
        requireAllowed(await callersMistakes(assignments.replaceRoles(callerOf(facts), body.roles, body.revision)));
        return ok({ policyVersion: policy.policyVersion, rolesRevision: assignments.rolesRevision });
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/access/routes",
      operationId: "listGuardedRoutes",
      summary: "Lists every route with what guards it",
      tags: TAGS,
      guards: [permit("access.read")],
      responses: { 200: { description: "Method, path and requirements of each" } },
      handle: () => ok(manifest()),
    }),
    defineRoute({
      method: "POST",
      path: "/api/access/explain",
      operationId: "explainAccess",
      summary: "Says why somebody of the organisation may do something or not, role by role",
      tags: TAGS,
      guards: [permit("access.read")],
      input: {
        body: z.strictObject({
          user_id: userId,
          permission: z.string().min(1).max(128),
          department: z.string().min(1).max(64).optional(),
        }),
      },
      responses: { 200: { description: "The decision and what each role says" } },
      async handle(_request, { facts, body }) {
        const account = await findColleague(users, callerOf(facts), body.user_id);
        const identity = await assignments.resolve(principalOf(account), { consistency: "strong" });
        const explanation = policy.explain(identity, body.permission, {
          ...(account.orgId === undefined ? {} : { org: account.orgId }),
          ...(body.department === undefined ? {} : { scope: { department: body.department } }),
        });
        return ok({ ...explanation, subjectEpoch: identity.subjectEpoch, accountDisabled: await isDisabled(account.id) });
      },
    }),
  ];
}
