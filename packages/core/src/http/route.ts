import type { Facts } from "../guard/facts.js";
import type { Guard, MaybePromise } from "../guard/guard.js";
import { ConfigurationError, invalidOption } from "../problem/errors.js";
import type { Schema } from "./schema.js";

/** Methods a route may have. HEAD is answered by GET, OPTIONS and unknown methods by the application itself. */
export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** How far clients may rely on a route. Deprecated ones send `Deprecation` (RFC 9745) and `Sunset` (RFC 8594). */
export type Stability =
  | { readonly level: "stable" | "preview" | "experimental" }
  | {
      readonly level: "deprecated";
      readonly since: Date;
      readonly sunset?: Date;
      readonly successor?: string;
    };

/** What a handler is given beside the request. Parts without a schema are their raw form. */
export interface RouteContext<
  Params = Readonly<Record<string, string>>,
  Query = Readonly<Record<string, string | readonly string[]>>,
  Body = undefined,
> {
  readonly facts: Facts;
  /** Decoded path parameters, validated. */
  readonly params: Params;
  /** Query parameters, validated; a name given several times is an array. */
  readonly query: Query;
  /** The JSON body, validated; `undefined` where the route takes none. */
  readonly body: Body;
  /** The `X-Request-ID` of this request, where the `correlationId` guard runs. */
  readonly correlationId: string | undefined;
}

/** Documentation of one response status. */
export interface RouteResponse {
  readonly description: string;
  readonly schema?: Schema;
}

/** A Fetch handler with its path, guards, input schemas and documentation. Make it with {@link defineRoute}. */
export interface Route {
  readonly method: Method;
  /** `/workflows/:id`: literal segments and `:name` segments. */
  readonly path: string;
  /** Unique; becomes OpenAPI's `operationId`. */
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly guards: readonly Guard[];
  readonly stability: Stability;
  readonly input: RouteInput;
  readonly responses: Readonly<Record<number, RouteResponse>>;
  handle(request: Request, context: RouteContext<never, never, never>): MaybePromise<Response>;
}

/** Schemas of the parts of a request. A body schema makes the body JSON and, unless `bodyRequired` is `false`, required. */
export interface RouteInput {
  readonly params?: Schema;
  readonly query?: Schema;
  readonly body?: Schema;
  /** `false`: a request without a body is given to the schema as `undefined`. Default `true`: it is refused. */
  readonly bodyRequired?: boolean;
  /** Bodies longer than this are refused; default 1 MiB. */
  readonly maxBodyBytes?: number;
}

/** The definition of a route whose context types follow from its schemas. */
export interface RouteDefinition<Params, Query, Body> {
  readonly method: Method;
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly tags?: readonly string[];
  readonly guards?: readonly Guard[];
  readonly stability?: Stability;
  readonly input?: {
    readonly params?: Schema<Params>;
    readonly query?: Schema<Query>;
    readonly body?: Schema<Body>;
    readonly bodyRequired?: boolean;
    readonly maxBodyBytes?: number;
  };
  readonly responses?: Readonly<Record<number, RouteResponse>>;
  readonly handle: (request: Request, context: RouteContext<Params, Query, Body>) => MaybePromise<Response>;
}

// RFC 3986 characters without those that end the field's <…>.
const URI_REFERENCE = /^[\x21\x23-\x3b\x3d\x3f-\x7e]+$/;
const PATH_PATTERN = /^(?:\/|(?:\/(?::[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9._~-]+))+)$/;

/**
 * Defines a route.
 *
 * @throws {ConfigurationError} `invalid_option`: the path is not literal and `:name` segments, a name occurs twice, a guard needs a
 *   parameter that is not there (`meta.params`), or the stability holds what no header field can say.
 * @example
 * ```ts
 * import { defineRoute } from "@portcullis/core";
 *
 * export const hello = defineRoute({
 *   method: "GET",
 *   path: "/hello/:name",
 *   operationId: "hello",
 *   summary: "Greets",
 *   handle: (_request, { params }) => Response.json({ hello: params.name }),
 * });
 * ```
 */
export function defineRoute<
  Params = Readonly<Record<string, string>>,
  Query = Readonly<Record<string, string | readonly string[]>>,
  Body = undefined,
>(definition: RouteDefinition<Params, Query, Body>): Route {
  if (!PATH_PATTERN.test(definition.path)) {
    throw new ConfigurationError(
      "invalid_option",
      `Route "${definition.operationId}" has the path "${definition.path}"; write literal segments and :name segments, e.g. /workflows/:id.`,
    );
  }
  const names = definition.path.match(/:[A-Za-z0-9]+/g) ?? [];
  if (new Set(names).size < names.length) {
    throw new ConfigurationError(
      "invalid_option",
      `Route "${definition.operationId}" has the path "${definition.path}" with one name twice; the last would hide the others. Rename one.`,
    );
  }
  const { tags = [], guards = [], stability = { level: "stable" }, input = {}, responses = {} } = definition;
  requireStability(stability);
  for (const guard of guards) requireParams(guard, definition, names);
  return Object.freeze({
    ...definition,
    tags: Object.freeze([...tags]),
    guards: Object.freeze([...guards]),
    stability: Object.freeze({ ...stability }),
    input: Object.freeze({ ...input }),
    responses: Object.freeze({ ...responses }),
  });
}

// A guard that asks for a parameter which the path does not have would deny every request.
function requireParams(
  guard: Guard,
  { operationId, path }: { readonly operationId: string; readonly path: string },
  names: readonly string[],
): void {
  const params = guard.meta?.["params"];
  const missing = Array.isArray(params) ? params.find((param) => !names.includes(`:${String(param)}`)) : undefined;
  if (missing !== undefined) {
    throw new ConfigurationError(
      "invalid_option",
      `Route "${operationId}" has the path "${path}", but its guard "${guard.name}" needs the parameter ":${String(missing)}". Name it in the path, or correct the guard.`,
    );
  }
  for (const part of guard.parts ?? []) requireParams(part, { operationId, path }, names);
}

// Found out at every request otherwise: "@NaN", or a line break in a header field.
function requireStability(stability: Stability): void {
  if (stability.level !== "deprecated") return;
  const { since, sunset, successor } = stability;
  if (Number.isNaN(since.getTime())) throw invalidOption("stability.since", since, "a valid date");
  if (sunset !== undefined && Number.isNaN(sunset.getTime())) throw invalidOption("stability.sunset", sunset, "a valid date");
  if (successor !== undefined && !URI_REFERENCE.test(successor)) throw invalidOption("stability.successor", successor, "a URI reference");
}
