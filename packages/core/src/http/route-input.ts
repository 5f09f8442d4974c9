import type { GuardRequest } from "../guard/guard.js";
import { problems } from "../problem/catalogue.js";
import type { JsonValue, Problem } from "../problem/problem.js";
import type { RouteInput } from "./route.js";
import type { Schema, SchemaIssue, SchemaResult } from "./schema.js";
import { JsonRefused, parseStrictJson } from "./strict-json.js";

/** The parts of a request after validation, or the problem that names every wrong field. */
export type RouteInputResult =
  | { readonly ok: true; readonly params: unknown; readonly query: unknown; readonly body: unknown }
  | { readonly ok: false; readonly problem: Problem };

const DEFAULT_MAX_BODY_BYTES = 1_048_576;
// application/json and structured suffixes (RFC 6838 §4.2.8), with or without parameters.
const JSON_MEDIA_TYPE = /^application\/(?:json|[a-z0-9!#$&^_.+-]+\+json)\s*(?:;|$)/i;

/**
 * Reads and validates what a route takes. All wrong fields are reported at once.
 *
 * @throws {ProblemError} 2003, 2004: the body is too large or cannot be read.
 */
export async function readRouteInput(
  input: RouteInput,
  params: Readonly<Record<string, string>>,
  request: GuardRequest,
): Promise<RouteInputResult> {
  const query = parseQuery(request.target);
  if (query === undefined)
    return {
      ok: false,
      problem: problems.malformedRequest({
        detail: "The query is not well-formed percent-encoded UTF-8.",
      }),
    };
  const body = input.body === undefined ? { ok: true as const, value: undefined } : await readJson(request, input);
  if (!body.ok) return body;
  const errors: JsonValue[] = [];
  const validated = {
    params: await validate("path", input.params, params, errors),
    query: await validate("query", input.query, query, errors),
    body: await validate("body", input.body, body.value, errors),
  };
  return errors.length === 0 ? { ok: true, ...validated } : { ok: false, problem: problems.validation({ extensions: { errors } }) };
}

/** The query of a target; a name given several times is an array. `undefined` when it is not percent-encoded UTF-8. */
export function parseQuery(target: string): Readonly<Record<string, string | readonly string[]>> | undefined {
  const start = target.indexOf("?");
  // No prototype: a parameter called __proto__ is a parameter.
  const query: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  if (start === -1) return query;
  for (const pair of target.slice(start + 1).split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decodeComponent(equals === -1 ? pair : pair.slice(0, equals));
    const value = equals === -1 ? "" : decodeComponent(pair.slice(equals + 1));
    if (name === undefined || value === undefined) return undefined;
    const before = query[name];
    // Appended in place: a copy for each repetition would let one long query hold the process for seconds.
    if (Array.isArray(before)) before.push(value);
    else query[name] = before === undefined ? value : [before, value];
  }
  return query;
}

function decodeComponent(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}

async function readJson(
  request: GuardRequest,
  { maxBodyBytes = DEFAULT_MAX_BODY_BYTES, bodyRequired = true }: RouteInput,
): Promise<{ readonly ok: true; readonly value: JsonValue | undefined } | { readonly ok: false; readonly problem: Problem }> {
  const bytes = await request.rawBody(maxBodyBytes);
  if (bytes.length === 0 && !bodyRequired) return { ok: true, value: undefined };
  if (bytes.length === 0)
    return {
      ok: false,
      problem: problems.malformedRequest({ detail: "The request needs a JSON body." }),
    };
  if (!JSON_MEDIA_TYPE.test(request.header("content-type") ?? "")) return { ok: false, problem: problems.unsupportedMediaType() };
  try {
    return { ok: true, value: parseStrictJson(bytes) };
  } catch (error) {
    if (!(error instanceof JsonRefused)) throw error;
    return { ok: false, problem: problems.malformedRequest({ detail: error.message }) };
  }
}

async function validate(part: string, schema: Schema | undefined, value: unknown, errors: JsonValue[]): Promise<unknown> {
  if (schema === undefined) return value;
  // Awaited whatever it is: a promise of another library has no issues, and must not pass for a success.
  const { issues, ...rest }: SchemaResult<unknown> = await schema["~standard"].validate(value);
  if (issues === undefined) return (rest as { readonly value: unknown }).value; // no issues: Standard Schema's success shape
  for (const issue of issues) errors.push({ in: part, pointer: pointerOf(issue), message: issue.message });
  return undefined;
}

// RFC 6901; the empty pointer is the whole part.
function pointerOf(issue: SchemaIssue): string {
  const keys = (issue.path ?? []).map((step) => (typeof step === "object" ? step.key : step));
  return keys.map((key) => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
