import { defineRoute, type Route } from "@portcullis/core";
import type { Assignable, NewAssignment } from "@portcullis/rbac";
import { z } from "zod";
import { findColleague, placeOf, syncDirectory } from "../accounts.js";
import { ok } from "../envelope.js";
import type { Permission } from "../permissions.js";
import { callerOf } from "../workspace.js";
import type { AccessServices } from "./access-services.js";
import { roleName, userId } from "./params.js";
import { callersMistakes, requireAllowed } from "./refusals.js";

const TAGS = ["users"];
const SECOND_MS = 1000;
const userParams = z.object({ id: userId });
const roleParams = z.object({ id: userId, role: roleName });

const roleBody = z.strictObject({
  expires_at: z.int().min(1).optional().describe("Epoch ms; from then on it is over."),
  activatable_for_seconds: z
    .int()
    .min(1)
    .max(31_536_000)
    .optional()
    .describe("It does nothing until it is activated, for this long at most."),
});
const orgRoleBody = z.strictObject({
  departments: z.array(z.string().max(64)).max(256).optional().describe("Of a role that is bound to departments: which."),
});

const heldSchema = z.object({
  user_id: z.string(),
  /** Grows with every change. */
  epoch: z.int(),
  assignments: z.array(
    z.object({
      kind: z.enum(["role", "orgRole", "persona"]),
      name: z.string(),
      departments: z.array(z.string()).readonly(),
      expires_at: z.int().nullable(),
      activatable_for_seconds: z.number().nullable(),
      active_until: z.int().nullable(),
      assigned_by: z.string(),
      assigned_at: z.int(),
    }),
  ),
});

/** `/api/users/:id`: who holds which roles. Each change holds for the next request. */
export function assignmentRoutes({ permit, assignments, users, record }: AccessServices): readonly Route[] {
  const show = async (id: string, place: ReturnType<typeof placeOf>): Promise<Response> => {
    const { epoch, assignments: held } = await assignments.of(place, { consistency: "strong" });
    const body: z.input<typeof heldSchema> = {
      user_id: id,
      epoch,
      assignments: held.map(({ kind, name, departments, expiresAt, activatableForMs, activeUntil, assignedBy, assignedAt }) => ({
        ...{ kind, name, departments, assigned_by: assignedBy, assigned_at: assignedAt },
        expires_at: expiresAt ?? null,
        activatable_for_seconds: activatableForMs === undefined ? null : activatableForMs / SECOND_MS,
        active_until: activeUntil ?? null,
      })),
    };
    return ok(body);
  };

  /** The two routes that give and take one kind of role. */
  const changing = <Body>(kind: {
    readonly path: string;
    readonly what: string;
    readonly operation: string;
    readonly permission: Permission;
    readonly body: z.ZodType<Body>;
    readonly held: (role: string) => Assignable;
    readonly how: (body: Body) => NewAssignment;
  }): readonly Route[] => {
    const shared = {
      path: `/api/users/:id/${kind.path}/:role`,
      tags: TAGS,
      guards: [permit(kind.permission)],
      responses: { 200: { description: "What the user holds now", schema: heldSchema } },
    };
    return [
      defineRoute({
        ...shared,
        method: "PUT",
        operationId: `assign${kind.operation}`,
        summary: `Gives somebody ${kind.what}, as far as the caller has what it gives`,
        input: { params: roleParams, body: kind.body },
        async handle(_request, { facts, params, body }) {
          const account = await findColleague(users, callerOf(facts), params.id);
          const held = kind.held(params.role);
          await record(facts, { action: "role.assign", target: { type: "user", id: account.id }, details: { ...held, ...body } });
          requireAllowed(await callersMistakes(assignments.assign(callerOf(facts), placeOf(account), held, kind.how(body))));
          await syncDirectory(users, assignments, account);
          return show(account.id, placeOf(account));
        },
      }),
      defineRoute({
        ...shared,
        method: "DELETE",
        operationId: `revoke${kind.operation}`,
        summary: `Takes ${kind.what} away`,
        input: { params: roleParams },
        async handle(_request, { facts, params }) {
          const account = await findColleague(users, callerOf(facts), params.id);
          const held = kind.held(params.role);
          await record(facts, { action: "role.revoke", target: { type: "user", id: account.id }, details: held });
          requireAllowed(await callersMistakes(assignments.revoke(callerOf(facts), placeOf(account), held)));
          await syncDirectory(users, assignments, account);
          return show(account.id, placeOf(account));
        },
      }),
    ];
  };

  return [
    defineRoute({
      method: "GET",
      path: "/api/users/:id/roles",
      operationId: "listUserRoles",
      summary: "Shows what somebody of the organisation holds, also what is over or not active",
      tags: TAGS,
      guards: [permit("users.read")],
      input: { params: userParams },
      responses: { 200: { description: "Roles and organisation roles", schema: heldSchema } },
      async handle(_request, { facts, params }) {
        const account = await findColleague(users, callerOf(facts), params.id);
        return show(account.id, placeOf(account));
      },
    }),
    ...changing({
      path: "roles",
      what: "a role",
      operation: "Role",
      permission: "users.manage",
      body: roleBody,
      held: (role) => ({ role }),
      how: ({ expires_at: expiresAt, activatable_for_seconds: seconds }) => ({
        ...(expiresAt === undefined ? {} : { expiresAt }),
        ...(seconds === undefined ? {} : { activatableForMs: seconds * SECOND_MS }),
      }),
    }),
    ...changing({
      path: "organisation-roles",
      what: "a role in the organisation",
      operation: "OrganisationRole",
      permission: "organisation.manage",
      body: orgRoleBody,
      held: (orgRole) => ({ orgRole }),
      how: ({ departments }) => (departments === undefined ? {} : { departments }),
    }),
  ];
}
