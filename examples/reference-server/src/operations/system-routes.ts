import { defineRoute, type JsonSchema, type Route, securityHeaders, toOpenApi, type Schema } from "@portcullis/core";
import type { Registry } from "prom-client";
import { z } from "zod";
import { ok } from "../envelope.js";
import { DOCS_STYLE, renderDocsPage } from "./docs-page.js";

/** Version of the API, in OpenAPI and on the docs page. */
export const API_VERSION = "0.1.0";

/** What the operational routes work with. */
export interface SystemServices {
  readonly registry: Registry;
  /** @throws When the store does not answer. */
  readonly ping: () => Promise<void>;
  readonly startedAt: number;
  readonly now: () => number;
}

const TAGS = ["system"];

/** `/api/health` and `/api/metrics`: for load balancers and Prometheus, without authentication; they tell nothing of anybody. */
export function systemRoutes({ registry, ping, startedAt, now }: SystemServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/health",
      operationId: "health",
      summary: "Says whether the service and its store answer",
      tags: TAGS,
      responses: {
        200: { description: "Healthy", schema: z.object({ status: z.literal("ok"), uptimeSeconds: z.number() }) },
        503: { description: "The store does not answer" },
      },
      async handle() {
        // A store that is away is a StoreUnavailable here, which is a 503.
        await ping();
        return ok({ status: "ok", uptimeSeconds: Math.floor((now() - startedAt) / 1000) });
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/metrics",
      operationId: "metrics",
      summary: "Prometheus metrics",
      tags: TAGS,
      responses: { 200: { description: "Text exposition format" } },
      handle: async () => new Response(await registry.metrics(), { headers: { "content-type": registry.contentType } }),
    }),
  ];
}

/** `/docs`, `/openapi.json`: made from the routes, so that they cannot lag behind. */
export function docsRoutes(documented: readonly Route[]): readonly Route[] {
  const document = describeApi(documented);
  const page = renderDocsPage(document);
  const json = JSON.stringify(document);
  const asDocument = [securityHeaders({ preset: "document", hstsMaxAgeSeconds: false })];
  return [
    defineRoute({
      method: "GET",
      path: "/docs",
      operationId: "docs",
      summary: "The API as a page",
      tags: TAGS,
      guards: asDocument,
      handle: () => new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } }),
    }),
    defineRoute({
      method: "GET",
      path: "/docs/style.css",
      operationId: "docsStyle",
      summary: "Style of the page",
      tags: TAGS,
      guards: asDocument,
      handle: () => new Response(DOCS_STYLE, { headers: { "content-type": "text/css; charset=utf-8" } }),
    }),
    defineRoute({
      method: "GET",
      path: "/openapi.json",
      operationId: "openapi",
      summary: "The API as an OpenAPI 3.1 document",
      tags: TAGS,
      handle: () => new Response(json, { headers: { "content-type": "application/json; charset=utf-8" } }),
    }),
  ];
}

/** The OpenAPI document of the service. */
export function describeApi(routes: readonly Route[]): JsonSchema {
  return toOpenApi(routes, {
    info: {
      title: "Portcullis reference server",
      version: API_VERSION,
      description: "Operations for AI agents: workflows, decisions, integrations, webhooks, approvals and their audit trail.",
    },
    toJsonSchema,
    securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
  });
}

function toJsonSchema(schema: Schema): JsonSchema {
  if (!(schema instanceof z.ZodType)) return describedBySelf(schema);
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest as JsonSchema; // JSON by construction
}

// Standard JSON Schema (standardschema.dev): schemas that need no library to be described.
function describedBySelf(schema: Schema): JsonSchema {
  const { jsonSchema } = schema["~standard"] as { readonly jsonSchema?: { input(options: { readonly target: string }): JsonSchema } };
  if (jsonSchema === undefined) throw new TypeError("A route has a schema that cannot describe itself; teach toJsonSchema its kind.");
  return jsonSchema.input({ target: "draft-2020-12" });
}
