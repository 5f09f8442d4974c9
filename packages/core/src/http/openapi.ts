import type { JsonValue } from "../problem/problem.js";
import type { Route } from "./route.js";
import type { Schema } from "./schema.js";

/** A JSON Schema (draft 2020-12) as an object. */
export type JsonSchema = { readonly [keyword: string]: JsonValue };

/** What an OpenAPI document needs beside the routes. */
export interface OpenApiOptions {
  readonly info: {
    readonly title: string;
    readonly version: string;
    readonly description?: string;
  };
  readonly servers?: readonly { readonly url: string; readonly description?: string }[];
  /**
   * Turns a route's schema into JSON Schema; with zod: `(schema) => z.toJSONSchema(schema, { io: "input" })`.
   * Core depends on no schema library, so the one who chose it says how.
   */
  readonly toJsonSchema: (schema: Schema) => JsonSchema;
  /** OpenAPI security schemes by name; every route lists them as alternatives. */
  readonly securitySchemes?: { readonly [name: string]: JsonValue };
}

const PROBLEM_SCHEMA: JsonSchema = {
  type: "object",
  required: ["type", "title", "status", "detail", "code", "category", "retryable"],
  properties: {
    type: { type: "string", format: "uri" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    instance: { type: "string", description: "The correlation id of the request." },
    code: { type: "integer", minimum: 1000, maximum: 8999 },
    category: { type: "string" },
    retryable: { type: "boolean" },
    retryAfter: { type: "integer", minimum: 1, description: "Seconds; also in Retry-After." },
  },
};

/**
 * Describes routes as an OpenAPI 3.1 document: paths, parameters, bodies, responses, stability, and what guards say of themselves.
 *
 * @see OpenAPI Specification 3.1.1
 */
export function toOpenApi(routes: readonly Route[], options: OpenApiOptions): JsonSchema {
  const paths: Record<string, Record<string, JsonValue>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:([A-Za-z][A-Za-z0-9]*)/g, "{$1}");
    (paths[path] ??= {})[route.method.toLowerCase()] = operation(route, options);
  }
  const { securitySchemes } = options;
  return {
    openapi: "3.1.1",
    info: options.info,
    ...(options.servers === undefined ? {} : { servers: options.servers }),
    paths,
    components: {
      schemas: { Problem: PROBLEM_SCHEMA },
      ...(securitySchemes === undefined ? {} : { securitySchemes }),
    },
    ...(securitySchemes === undefined ? {} : { security: Object.keys(securitySchemes).map((name) => ({ [name]: [] })) }),
  };
}

function operation(route: Route, { toJsonSchema }: OpenApiOptions): JsonValue {
  const { params, query, body } = route.input;
  const responses: Record<string, JsonValue> = {};
  for (const [status, { description, schema }] of Object.entries(route.responses)) {
    responses[status] = {
      description,
      ...(schema === undefined ? {} : { content: { "application/json": { schema: toJsonSchema(schema) } } }),
    };
  }
  responses.default = {
    description: "A problem (RFC 9457).",
    content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
  };
  return {
    operationId: route.operationId,
    summary: route.summary,
    ...(route.tags.length === 0 ? {} : { tags: route.tags }),
    ...(route.stability.level === "deprecated" ? { deprecated: true } : {}),
    "x-stability": route.stability.level,
    ...guardMembers(route),
    parameters: [...pathParameters(route.path, params, toJsonSchema), ...queryParameters(query, toJsonSchema)],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: route.input.bodyRequired ?? true,
            content: { "application/json": { schema: toJsonSchema(body) } },
          },
        }),
    responses,
  };
}

// What guards publish of themselves, e.g. rbac's permission as `x-permission`.
function guardMembers(route: Route): { readonly [name: string]: JsonValue } {
  const members: Record<string, JsonValue> = {};
  const guards = route.guards.flatMap((guard) => [guard, ...(guard.parts ?? [])]);
  for (const guard of guards) for (const [name, value] of Object.entries(guard.meta ?? {})) members[`x-${name}`] = value;
  // The path says that already.
  delete members["x-params"];
  return members;
}

function pathParameters(path: string, schema: Schema | undefined, toJsonSchema: (schema: Schema) => JsonSchema): JsonValue[] {
  const properties = schema === undefined ? {} : propertiesOf(toJsonSchema(schema));
  const names = [...path.matchAll(/:([A-Za-z][A-Za-z0-9]*)/g)].map((match) => match[1] as string); // the group is not optional
  return names.map((name) => ({
    name,
    in: "path",
    required: true,
    schema: properties[name] ?? { type: "string" },
  }));
}

function queryParameters(schema: Schema | undefined, toJsonSchema: (schema: Schema) => JsonSchema): JsonValue[] {
  if (schema === undefined) return [];
  const json = toJsonSchema(schema);
  const required = Array.isArray(json.required) ? json.required : [];
  return Object.entries(propertiesOf(json)).map(([name, property]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema: property,
  }));
}

function propertiesOf(schema: JsonSchema): { readonly [name: string]: JsonValue } {
  const { properties } = schema;
  return typeof properties === "object" && properties !== null && !Array.isArray(properties)
    ? (properties as { readonly [name: string]: JsonValue })
    : {}; // checked: an object that is no array
}
