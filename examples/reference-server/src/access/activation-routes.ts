import { ALLOW, defineRoute, deny, type Guard, principalFact, problems, type Route } from "@portcullis/core";
import { secureEndpoint } from "@portcullis/rbac";
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

/** `/api/me/roles`: makes a role of one's own count for a while, that does nothing otherwise. */
export function activationRoutes({ policy, assignments, record }: AccessServices): readonly Route[] {
  // No permission: everybody has a say in the own roles, and nobody else has.
  const guards = [secureEndpoint(policy, { guards: [inPersonOnly] })];
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
        const { id, orgId = "" } = caller;
        await record(facts, { action: "role.activate", target: { type: "user", id }, details: { role, ...body } });
        const place = { subjectId: id, orgId };
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
        const { id, orgId = "" } = caller;
        await record(facts, { action: "role.deactivate", target: { type: "user", id }, details: { role } });
        requireAllowed(await callersMistakes(assignments.deactivate(caller, { subjectId: id, orgId }, { role })));
        return ok({ role, deactivated: true });
      },
    }),
  ];
}

// An activation counts for everything that its holder is logged in with: neither a key made for less nor a trusted caller begins one.
const inPersonOnly: Guard = Object.freeze({
  name: "in-person-only",
  check: ({ facts }) => {
    const principal = facts.get(principalFact);
    const isInPerson = principal?.type === "user" && principal.via === undefined;
    return isInPerson ? ALLOW : deny(problems.forbidden({ detail: "Log in to do this yourself." }));
  },
} satisfies Guard);
