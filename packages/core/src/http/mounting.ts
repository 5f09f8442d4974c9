import { ALLOW, deny, type Guard, type GuardRequest } from "../guard/guard.js";
import { type HeaderList, mergeHeaders } from "../guard/header-list.js";
import { createGuardChain, faultProblem, type GuardChain, type OnFault, type Stop } from "../guard/run-guards.js";
import { problems } from "../problem/catalogue.js";
import { invalidOption, ProblemError } from "../problem/errors.js";
import type { Problem } from "../problem/problem.js";
import { quietly } from "../runtime/quietly.js";
import { problemResponse, type ProblemResponse, type RenderProblem, renderProblemJson } from "./render-problem.js";

/** What an adapter's `createGuard` and `mount` may be told. */
export interface MountOptions {
  /** How a problem looks on the wire. Default: RFC 9457 `application/problem+json`. */
  readonly renderProblem?: RenderProblem;
  /** Told of guards, hooks and handlers that threw; log them under the correlation id. Clients see a 500 or 503 without detail. */
  readonly onFault?: OnFault;
}

/**
 * Prepares the guards of one mount of an adapter. After them, a path that is not well-formed percent-encoded UTF-8 is
 * denied with 2001: frameworks disagree about it, so it never reaches a handler.
 *
 * @throws {ConfigurationError} `invalid_option`: something in the list is no guard.
 */
export function createMountChain(guards: readonly Guard[], options: MountOptions): GuardChain {
  for (const [index, guard] of guards.entries()) {
    if (typeof guard?.check !== "function") throw invalidOption(`guards[${index}]`, guard, "a guard: an object with a name and check()");
  }
  return createGuardChain([...guards, wellFormedPath], options.onFault);
}

/** The response to a request that a guard stopped. */
export function stopResponse(stop: Stop, request: GuardRequest, headers: HeaderList, options: MountOptions): ProblemResponse {
  if (stop.kind === "deny") return renderedProblem(stop.problem, request, headers, options);
  const { status, headers: own = [], body = "" } = stop.answer;
  return { status, headers: mergeHeaders(headers, own), body };
}

/**
 * The response to a request whose native handler threw: its own problem for a `ProblemError`, 503 for a dead store, the
 * matching problem for the framework's own client errors (a body it could not parse), else 500 without detail.
 */
export function errorResponse(error: unknown, request: GuardRequest, options: MountOptions): ProblemResponse {
  const clientProblem = clientErrorProblem(error);
  if (clientProblem === undefined && !(error instanceof ProblemError)) report(options, "handler", error);
  return renderedProblem(clientProblem ?? faultProblem(error), request, [], options);
}

const MALFORMED_PATH = "The path is not well-formed percent-encoded UTF-8.";

// What frameworks and their parsers call `statusCode` or `status` of an error, as problems; other 4xx are 2001.
const CLIENT_ERRORS: Readonly<Record<number, () => Problem>> = {
  401: problems.unauthenticated,
  403: problems.forbidden,
  404: problems.notFound,
  405: problems.methodNotAllowed,
  409: problems.conflict,
  413: problems.bodyTooLarge,
  415: problems.unsupportedMediaType,
  422: problems.validation,
  429: problems.rateLimited,
};

const wellFormedPath: Guard = {
  name: "well-formed-path",
  check: ({ target }) =>
    !target.includes("%") || isWellFormed(target) ? ALLOW : deny(problems.malformedRequest({ detail: MALFORMED_PATH })),
};

function isWellFormed(target: string): boolean {
  const end = target.indexOf("?");
  try {
    decodeURIComponent(end === -1 ? target : target.slice(0, end));
    return true;
  } catch {
    return false; // not UTF-8, e.g. the overlong %C0%AE that some decoders take for a dot
  }
}

/** The response to a denied request, in the application's own form where that can be made. Never throws. */
export function renderedProblem(problem: Problem, request: GuardRequest, headers: HeaderList, options: MountOptions): ProblemResponse {
  try {
    return problemResponse(problem, request, headers, options.renderProblem);
  } catch (error) {
    // A denial stays a denial when the application's renderer is broken.
    report(options, "renderProblem", error);
    return problemResponse(problem, request, headers, renderProblemJson);
  }
}

function report({ onFault }: MountOptions, source: string, error: unknown): void {
  if (onFault !== undefined) quietly(onFault)({ source, error });
}

function clientErrorProblem(error: unknown): Problem | undefined {
  if (!(error instanceof Error) || error instanceof ProblemError) return undefined;
  const status = "statusCode" in error ? error.statusCode : "status" in error ? error.status : undefined;
  if (typeof status !== "number" || status < 400 || status > 499) return undefined;
  return (CLIENT_ERRORS[status] ?? problems.malformedRequest)();
}
