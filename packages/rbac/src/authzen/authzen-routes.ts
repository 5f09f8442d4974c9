import {
  ALLOW,
  defineRoute,
  deny,
  type Guard,
  type GuardRequest,
  invalidOption,
  type MaybePromise,
  ProblemError,
  problems,
  type Route,
} from "@portcullis/core";
import type { CheckOptions, Identity } from "../decision/decision.js";
import { ownOptions } from "../own-options.js";
import type { AnyRbac } from "../policy/rbac.js";
import { createEvaluator, type DecisionBody, type EvaluationRules } from "./evaluate.js";
import type { AuthzenAction, AuthzenCircumstances, AuthzenResource, AuthzenSubject, Reading } from "./evaluation.js";
import { batchBody, decisionResponse, decisionsResponse, evaluationBody, metadataResponse } from "./evaluation-schemas.js";
import { placePolicyDecisionPoint } from "./policy-decision-point.js";

/** What {@link authzenRoutes} must be told. */
export interface AuthzenRoutesOptions {
  /**
   * Who the subject is to the policy. `undefined`: nobody, and the decision is `false`. Throw `StoreUnavailable` where it cannot be
   * told now. Called once for a subject that a batch gives as its default.
   */
  readonly identityOf: (subject: AuthzenSubject, circumstances: AuthzenCircumstances) => MaybePromise<Identity | undefined>;
  /** The permission of an action on a resource. Default: `resource.type.action.name`. What is not declared is denied. */
  readonly permissionOf?: (action: AuthzenAction, resource: AuthzenResource) => string;
  /**
   * What the check is told beside, the organisation that owns the resource first of all; what is no object denies. Default: nothing,
   * so that organisations are not compared.
   */
  readonly checkOptionsOf?: (resource: AuthzenResource, circumstances: AuthzenCircumstances) => MaybePromise<CheckOptions>;
  /** Who may ask. No default: the answers tell what everybody may do. `[]` leaves it to guards around all routes. */
  readonly guards: readonly Guard[];
  /** The identifier of this decision point: the https URL under which clients reach it, in its normal form, without a slash at the end. */
  readonly policyDecisionPoint: string;
  /**
   * Path before `/access/v1` in this application. Default: the path of `policyDecisionPoint`; set it where a proxy takes that away.
   * The metadata gives `policyDecisionPoint` and this after it, less the path that both begin with.
   */
  readonly prefix?: string;
  /** Most evaluations of one batch; more are refused, and none of them is answered. Default 100. */
  readonly maxEvaluations?: number;
  /**
   * Whether a denial's `context` carries `reason`, one of `DecisionReason`. Default `false`: reasons tell which denials and
   * organisations exist. Independent of the policy's `redactDenials`, which is about clients that are denied themselves.
   */
  readonly reasons?: boolean;
}

const OPTIONS = [
  "identityOf",
  "permissionOf",
  "checkOptionsOf",
  "guards",
  "policyDecisionPoint",
  "prefix",
  "maxEvaluations",
  "reasons",
] as const;
const TAGS = ["authzen"];
const JSON_ONLY = /^application\/json\s*(?:;|$)/i;

/**
 * Answers other services what the policy says of a subject, in the OpenID AuthZEN Authorization API 1.0:
 * `POST /access/v1/evaluation`, `POST /access/v1/evaluations` and `GET /.well-known/authzen-configuration`.
 *
 * A denial is a 200 with `decision: false`. A body that is wrong as a whole is a 400 and nothing of it is answered; an evaluation of
 * a batch that is wrong is `false` with `context.error`, and the others are answered. A fault, such as a store that does not answer,
 * is the whole request's 503 or 500: a client that knew only `false` would take it for a denial, and remember it. The metadata is
 * public and may be cached for an hour. Mount core's `correlationId` around the routes: the specification wants `X-Request-ID` back.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @see OpenID AuthZEN Authorization API 1.0
 * @example
 * ```ts
 * import { ALLOW, createApp, toFetchHandler } from "@portcullis/core";
 * import { authzenRoutes, defineRbac } from "@portcullis/rbac";
 *
 * const rbac = defineRbac({
 *   permissions: { documents: ["read", "delete"] },
 *   roles: { viewer: { grants: ["documents.read"] } },
 * });
 * const users = new Map([["alice@example.com", { roles: ["viewer"] }]]);
 * const gatewayOnly = { name: "gateway-only", check: () => ALLOW }; // your guard that authenticates the gateway
 * const routes = authzenRoutes(rbac, {
 *   identityOf: ({ id }) => users.get(id),
 *   guards: [gatewayOnly],
 *   policyDecisionPoint: "https://pdp.example.com",
 * });
 *
 * const handler = toFetchHandler(createApp({ routes }));
 * const response = await handler(
 *   new Request("https://pdp.example.com/access/v1/evaluation", {
 *     method: "POST",
 *     headers: { "content-type": "application/json" },
 *     body: JSON.stringify({
 *       subject: { type: "user", id: "alice@example.com" },
 *       action: { name: "read" },
 *       resource: { type: "documents", id: "7" },
 *     }),
 *   }),
 * );
 * console.log(await response.json()); // { decision: true }
 * ```
 */
export function authzenRoutes(rbac: AnyRbac, options: AuthzenRoutesOptions): readonly Route[] {
  const own = ownOptions("authzenRoutes", options, OPTIONS);
  const { maxEvaluations = 100 } = own;
  const { prefix, metadataPath, metadata } = placePolicyDecisionPoint(own.policyDecisionPoint, own.prefix);
  const rules = rulesOf(rbac, own);
  if (!Array.isArray(own.guards))
    throw invalidOption("authzenRoutes.guards", own.guards, "a list of guards: the answers tell what everybody may do");
  if (!Number.isSafeInteger(maxEvaluations) || maxEvaluations < 1)
    throw invalidOption("authzenRoutes.maxEvaluations", maxEvaluations, "an integer from 1");
  const guards = [...(own.guards as readonly Guard[]), jsonOnly];

  return Object.freeze([
    defineRoute({
      method: "POST",
      path: `${prefix}/access/v1/evaluation`,
      operationId: "authzenEvaluation",
      summary: "Whether a subject may do an action on a resource",
      tags: TAGS,
      guards,
      input: { body: evaluationBody() },
      responses: { 200: { description: "The decision; a denial as well.", schema: decisionResponse } },
      handle: async (_request, { body, facts }) => answer(await createEvaluator(rules, facts).one(accepted(body))),
    }),
    defineRoute({
      method: "POST",
      path: `${prefix}/access/v1/evaluations`,
      operationId: "authzenEvaluations",
      summary: "Many evaluations at once",
      tags: TAGS,
      guards,
      input: { body: batchBody(maxEvaluations) },
      responses: { 200: { description: "The decisions, in the order asked.", schema: decisionsResponse } },
      handle: async (_request, { body, facts }) => answer(await createEvaluator(rules, facts).all(accepted(body))),
    }),
    defineRoute({
      method: "GET",
      path: metadataPath,
      operationId: "authzenConfiguration",
      summary: "Where this policy decision point is",
      tags: TAGS,
      guards: [publicForAnHour],
      responses: { 200: { description: "The metadata.", schema: metadataResponse } },
      handle: () => Response.json(metadata),
    }),
  ]);
}

function rulesOf(rbac: AnyRbac, options: Partial<AuthzenRoutesOptions>): EvaluationRules {
  const { identityOf, permissionOf = defaultPermission, checkOptionsOf, reasons = false } = options;
  if (typeof identityOf !== "function") throw invalidOption("authzenRoutes.identityOf", identityOf, "a function of the subject");
  if (typeof permissionOf !== "function")
    throw invalidOption("authzenRoutes.permissionOf", permissionOf, "a function of the action and the resource");
  if (checkOptionsOf !== undefined && typeof checkOptionsOf !== "function")
    throw invalidOption("authzenRoutes.checkOptionsOf", checkOptionsOf, "a function of the resource");
  if (typeof reasons !== "boolean") throw invalidOption("authzenRoutes.reasons", reasons, "true or false");
  return { rbac, identityOf, permissionOf, checkOptionsOf, reasons };
}

function defaultPermission({ name }: AuthzenAction, { type }: AuthzenResource): string {
  return `${type}.${name}`;
}

// Routes answer another media type with 415, which AuthZEN does not have (Authorization API 1.0, "Error Responses").
const jsonOnly: Guard = Object.freeze({
  name: "authzen-json-only",
  check: (request: GuardRequest) =>
    JSON_ONLY.test(request.header("content-type") ?? "")
      ? ALLOW
      : deny(problems.malformedRequest({ detail: "Send the evaluation as application/json." })),
});

// A guard, because what `securityHeaders` says of caching overwrites what a handler says.
const HOUR = Object.freeze({ kind: "allow", headers: [["cache-control", "public, max-age=3600"]] } as const);
const publicForAnHour: Guard = Object.freeze({ name: "authzen-public-for-an-hour", check: () => HOUR });

function accepted<T>(body: Reading<T>): T {
  if (body.ok) return body.value;
  const errors = body.errors.map(({ pointer, message }) => ({ in: "body", pointer, message }));
  throw new ProblemError(problems.malformedRequest({ detail: "The body is no evaluation of AuthZEN.", extensions: { errors } }));
}

// A decision holds for the moment it was made.
function answer(body: DecisionBody | { readonly evaluations: readonly DecisionBody[] }): Response {
  return Response.json(body, { headers: { "cache-control": "no-store" } });
}
