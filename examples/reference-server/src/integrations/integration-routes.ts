import { randomUUID } from "node:crypto";
import { defineRoute, parsePage, ProblemError, problems, type Route } from "@portcullis/core";
import { z } from "zod";
import type { Collection, Document } from "../collection.js";
import { ok, okPage } from "../envelope.js";
import type { Permit } from "../permissions.js";
import { callerOf, workspaceOf } from "../workspace.js";

export const integrationSchema = z.object({
  name: z.string().trim().min(1).max(200),
  provider: z.string().trim().min(1).max(100),
  settings: z.record(z.string().max(64), z.string().max(2048)).default({}),
  credentials: z.object({
    apiKey: z.string().min(1).max(4096).optional(),
    clientSecret: z.string().min(1).max(4096).optional(),
    token: z.string().min(1).max(8192).optional(),
  }),
});

/** A connection to someone else's service. Its credentials are encrypted in the store and never leave the server again. */
export type Integration = z.infer<typeof integrationSchema>;

/** JSON pointers of what is encrypted at rest. */
export const ENCRYPTED_FIELDS = Object.freeze(["/credentials/apiKey", "/credentials/clientSecret", "/credentials/token"]);

/** What the integration routes work with. */
export interface IntegrationServices {
  readonly permit: Permit;
  readonly integrations: Collection<Integration>;
}

const TAGS = ["integrations"];
const idParams = z.object({ id: z.string().min(1).max(128) });

/** `/api/integrations`: third-party credentials, written but never shown. */
export function integrationRoutes({ permit, integrations }: IntegrationServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/integrations",
      operationId: "listIntegrations",
      summary: "Lists integrations, without their credentials",
      tags: TAGS,
      guards: [permit("integrations.read")],
      input: { query: z.object({ limit: z.string().optional(), offset: z.string().optional() }) },
      responses: { 200: { description: "A page of integrations" } },
      async handle(_request, { facts, query }) {
        const { limit, offset } = parsePage(query);
        const { documents, total } = await integrations.list(workspaceOf(callerOf(facts)), { limit, offset });
        return okPage(documents.map(view), { limit, offset, total });
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/integrations",
      operationId: "createIntegration",
      summary: "Stores an integration; its credentials are encrypted",
      tags: TAGS,
      guards: [permit("integrations.manage")],
      input: { body: integrationSchema },
      responses: { 201: { description: "The integration, without its credentials" } },
      async handle(_request, { facts, body }) {
        const document = await integrations.insert(workspaceOf(callerOf(facts)), randomUUID(), body);
        if (document === undefined) throw new ProblemError(problems.conflict());
        return ok(view(document), { status: 201, headers: { location: `/api/integrations/${document.id}` } });
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/integrations/:id",
      operationId: "getIntegration",
      summary: "Shows an integration, without its credentials",
      tags: TAGS,
      guards: [permit("integrations.read")],
      input: { params: idParams },
      responses: { 200: { description: "The integration" } },
      async handle(_request, { facts, params }) {
        const document = await integrations.find(workspaceOf(callerOf(facts)), params.id);
        if (document === undefined) throw new ProblemError(problems.notFound());
        return ok(view(document));
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/api/integrations/:id",
      operationId: "deleteIntegration",
      summary: "Deletes an integration",
      tags: TAGS,
      guards: [permit("integrations.manage")],
      input: { params: idParams },
      responses: { 200: { description: "Deleted" } },
      async handle(_request, { facts, params }) {
        if (!(await integrations.remove(workspaceOf(callerOf(facts)), params.id))) throw new ProblemError(problems.notFound());
        return ok({ id: params.id, deleted: true });
      },
    }),
  ];
}

function view({ id, revision, createdAt, value }: Document<Integration>): object {
  const { name, provider, settings, credentials } = value;
  return {
    id,
    revision,
    name,
    provider,
    settings,
    has_api_key: credentials.apiKey !== undefined,
    has_client_secret: credentials.clientSecret !== undefined,
    has_token: credentials.token !== undefined,
    createdAt: new Date(createdAt).toISOString(),
  };
}
