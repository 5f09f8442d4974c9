import { defineRoute, type Principal, type Route, subjectOf } from "@portcullis/core";
import { type AssignmentPlace, requireAuthentication } from "@portcullis/rbac";
import { z } from "zod";
import { ok } from "../envelope.js";
import { callerOf } from "../workspace.js";
import type { AccessServices } from "./access-services.js";
import { roleName } from "./params.js";
import { callersMistakes, requireAllowed } from "./refusals.js";

const TAGS = ["users"];
const SECOND_MS = 1000;
const params = z.object({ role: roleName });
const path = "/api/me/roles/:role/activate";
// No permission: everybody has a say in the own roles, and nobody else has; keys and trusted callers are refused by the assignments.
const guards = [requireAuthentication()];

/** `/api/me/roles`: makes a role of one's own count for a while, that does nothing otherwise. */
export function activationRoutes({ assignments, record }: AccessServices): readonly Route[] {
  return [
    defineRoute({
      method: "POST",
      path,
      operationId: "activateRole",
      summary: "Activates a role of the caller's, at most for as long as it was given to be",
      tags: TAGS,
      guards,
      input: { params, body: z.strictObject({ for_seconds: z.int().min(1).max(31_536_000) }) },
      responses: { 200: { description: "The role, and for how long" } },
      async handle(_request, { facts, params: { role }, body }) {
        const caller = callerOf(facts);
        const place = ownPlace(caller);
        await record(facts, { action: "role.activate", target: { type: "user", id: place.subjectId }, details: { role, ...body } });
        requireAllowed(await callersMistakes(assignments.activate(caller, place, { role }, body.for_seconds * SECOND_MS)));
        return ok({ role, for_seconds: body.for_seconds });
      },
    }),
    defineRoute({
      method: "DELETE",
      path,
      operationId: "deactivateRole",
      summary: "Ends an activation before its time",
      tags: TAGS,
      guards,
      input: { params },
      responses: { 200: { description: "The role" } },
      async handle(_request, { facts, params: { role } }) {
        const caller = callerOf(facts);
        const place = ownPlace(caller);
        await record(facts, { action: "role.deactivate", target: { type: "user", id: place.subjectId }, details: { role } });
        requireAllowed(await callersMistakes(assignments.deactivate(caller, place, { role })));
        return ok({ role, deactivated: true });
      },
    }),
  ];
}

function ownPlace(caller: Principal): AssignmentPlace {
  return { subjectId: subjectOf(caller), orgId: caller.orgId ?? "" };
}
