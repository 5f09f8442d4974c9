import type { JsonSchema, Schema } from "@portcullis/core";
import { type Batch, type Evaluation, type Reading, SEMANTICS } from "./evaluation.js";
import { MEMBERS, readBatch, readEvaluation } from "./read-evaluation.js";

/**
 * A body that must be one evaluation. It never has issues of its own: a route answers those with 422, and AuthZEN wants 400
 * (Authorization API 1.0, "Error Responses"), so the handler is given what was wrong.
 */
export function evaluationBody(): Schema<Reading<Evaluation>> {
  return describedSchema(evaluationJson, readEvaluation);
}

/** A body of one evaluation or of many. */
export function batchBody(maxEvaluations: number): Schema<Reading<Batch>> {
  return describedSchema(
    () => batchJson(maxEvaluations),
    (value) => readBatch(value, maxEvaluations),
  );
}

/** The answer to one evaluation. */
export const decisionResponse: Schema = describedSchema(decisionJson, (value) => value);

/** The answer to many, or to one asked of the batch endpoint. */
export const decisionsResponse: Schema = describedSchema(
  () => ({ oneOf: [object({ evaluations: { type: "array", items: decisionJson() } }), decisionJson()] }),
  (value) => value,
);

/** What a policy decision point says of itself. */
export const metadataResponse: Schema = describedSchema(
  () =>
    object({
      policy_decision_point: { type: "string", format: "uri" },
      access_evaluation_endpoint: { type: "string", format: "uri" },
      access_evaluations_endpoint: { type: "string", format: "uri" },
    }),
  (value) => value,
);

// Standard Schema with Standard JSON Schema (standardschema.dev), which zod's schemas have as well: OpenAPI is made of both alike.
// Only keywords that every draft knows are used, so any target is served.
function describedSchema<Output>(json: () => JsonSchema, read: (value: unknown) => Output): Schema<Output> {
  const standard = {
    version: 1,
    vendor: "portcullis",
    validate: (value: unknown) => ({ value: read(value) }),
    jsonSchema: Object.freeze({ input: json, output: json }),
  } as const;
  return Object.freeze({ "~standard": Object.freeze(standard) });
}

function evaluationJson(): JsonSchema {
  return { type: "object", required: Object.keys(MEMBERS), properties: evaluationProperties() };
}

function batchJson(maxEvaluations: number): JsonSchema {
  return {
    type: "object",
    description: "The top level's subject, action, resource and context are defaults of the evaluations.",
    properties: {
      ...evaluationProperties(),
      evaluations: { type: "array", maxItems: maxEvaluations, items: { type: "object", properties: evaluationProperties() } },
      options: { type: "object", properties: { evaluations_semantic: { type: "string", enum: SEMANTICS, default: "execute_all" } } },
    },
  };
}

function evaluationProperties(): JsonSchema {
  const entities = Object.entries(MEMBERS).map(([kind, limits]) => {
    const members = Object.entries<number>(limits).map(([name, maxLength]) => [name, { type: "string", minLength: 1, maxLength }] as const);
    return [kind, { type: "object", properties: { ...Object.fromEntries(members), properties: { type: "object" } } }] as const;
  });
  return { ...Object.fromEntries(entities), context: { type: "object" } };
}

function decisionJson(): JsonSchema {
  return { type: "object", required: ["decision"], properties: { decision: { type: "boolean" }, context: { type: "object" } } };
}

function object(properties: JsonSchema): JsonSchema {
  return { type: "object", required: Object.keys(properties), properties };
}
