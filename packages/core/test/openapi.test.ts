import { checkIfMatch, defineRoute, entityTag, type Guard, ALLOW, type JsonSchema, type Schema, toOpenApi } from "@portcullis/core";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { requestOf } from "./fake-request.js";

const toJsonSchema = (schema: Schema): JsonSchema => z.toJSONSchema(schema as unknown as z.ZodType, { io: "input" }) as JsonSchema; // the schemas below are zod's

describe("OpenAPI", () => {
  const permitted: Guard = { name: "permission", meta: { permission: "workflows.create" }, check: () => ALLOW };
  const document = toOpenApi(
    [
      defineRoute({
        method: "POST",
        path: "/workflows/:id/versions",
        operationId: "createVersion",
        summary: "Creates a version",
        tags: ["workflows"],
        guards: [permitted],
        stability: { level: "deprecated", since: new Date(0) },
        input: {
          params: z.object({ id: z.string().max(40) }),
          query: z.object({ dry: z.enum(["true"]).optional(), mode: z.string() }),
          body: z.object({ name: z.string() }),
        },
        responses: { 201: { description: "Created", schema: z.object({ version: z.number() }) } },
        handle: () => new Response(),
      }),
    ],
    { info: { title: "T", version: "1" }, toJsonSchema, securitySchemes: { bearer: { type: "http", scheme: "bearer" } } },
  );

  it("describes paths, parameters, bodies, responses, stability and permissions", () => {
    expect(document).toMatchObject({
      openapi: "3.1.1",
      security: [{ bearer: [] }],
      paths: {
        "/workflows/{id}/versions": {
          post: {
            operationId: "createVersion",
            deprecated: true,
            "x-stability": "deprecated",
            "x-permission": "workflows.create",
            parameters: [
              { name: "id", in: "path", required: true, schema: { type: "string", maxLength: 40 } },
              { name: "dry", in: "query", required: false },
              { name: "mode", in: "query", required: true },
            ],
            requestBody: { required: true, content: { "application/json": { schema: { type: "object", required: ["name"] } } } },
            responses: { 201: { description: "Created" }, default: { content: { "application/problem+json": {} } } },
          },
        },
      },
    });
  });
});

describe("If-Match", () => {
  it.each([
    [undefined, undefined],
    ["*", undefined],
    ['"7"', undefined],
    ['"6", "7"', undefined],
    ['"6"', 4002],
    ['W/"7"', 4002],
    ["7", 4002],
    ["", 4002],
  ])("%j against revision 7 is %j", (sent, code) => {
    expect(checkIfMatch(requestOf({ headers: sent === undefined ? {} : { "if-match": sent } }), 7)?.code).toBe(code);
    expect(entityTag(7)).toBe('"7"');
  });
});
