import type { GuardRequest, MaybePromise, Outcome } from "../guard/guard.js";
import { type HeaderList, isAppended, mergeHeaders } from "../guard/header-list.js";
import { createGuardChain, faultProblem, type GuardChain, type GuardRun } from "../guard/run-guards.js";
import { problems } from "../problem/catalogue.js";
import { ProblemError } from "../problem/errors.js";
import type { Problem } from "../problem/problem.js";
import { quietly } from "../runtime/quietly.js";
import type { App, AppOptions, AppReply } from "./app.js";
import { correlationIdFact } from "./correlation-id.js";
import { renderedProblem } from "./mounting.js";
import { problemResponse } from "./render-problem.js";
import type { Route, RouteContext, Stability } from "./route.js";
import { readRouteInput } from "./route-input.js";
import { createRouter, type RouteMatch } from "./router.js";

// Fetch Standard §2.2.3, null body status: a Response of these refuses even an empty text.
const HAS_NO_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * Makes an application of guards and routes that any adapter can mount.
 *
 * Order: the application's guards, routing (404, 405), the route's guards, validation of the input, the handler. A handler
 * answers with a `Response`, or throws `ProblemError`; every other exception is a 500 without detail, reported to `onFault`.
 *
 * @throws {ConfigurationError} `duplicate_route`: two routes answer the same request, or share an operation id.
 * @example
 * ```ts
 * import { createApp, defineRoute, securityHeaders, toFetchHandler } from "@portcullis/core";
 *
 * const app = createApp({
 *   guards: [securityHeaders()],
 *   routes: [defineRoute({ method: "GET", path: "/", operationId: "root", summary: "Greets", handle: () => new Response("hello") })],
 * });
 * const response = await toFetchHandler(app)(new Request("http://localhost/"));
 * console.log(response.status); // 200
 * ```
 */
export function createApp(options: AppOptions): App {
  const { guards = [], routes, renderProblem } = options;
  const onFault = quietly(options.onFault ?? (() => {}));
  const rendering = { onFault, ...(renderProblem === undefined ? {} : { renderProblem }) };
  const router = createRouter(routes);
  const appChain = createGuardChain(guards, onFault);
  const routeChains = new Map<Route, GuardChain>(routes.map((route) => [route, createGuardChain(route.guards, onFault)]));

  async function answer(request: GuardRequest, toRequest: () => Request): Promise<AppReply> {
    let run = await appChain.run(request);
    try {
      if (run.stop !== undefined) return reply(stopped(run, request), run);
      const match = router.match(request.method, pathOf(request.target));
      if (match.kind !== "found") return reply(missed(match, run, request), run);
      const routed = new RoutedRequest(request, match.route.path, match.params);
      const inner = await (routeChains.get(match.route) as GuardChain).run(routed); // every route has its chain
      run = joinRuns(run, inner, match.route.stability);
      if (run.stop !== undefined) return reply(stopped(run, request), run);
      const response = await handle(match.route, match.params, routed, toRequest, run);
      return reply(request.method === "HEAD" ? await withoutBody(response) : response, run);
    } catch (error) {
      // Only what cannot be sent gets here, e.g. a guard's header field with a line break: the client still gets an answer, and
      // the hooks of all that were asked still run.
      onFault({ source: "app", error });
      return reply(lastResort(request, run.headers), run);
    }
  }

  async function handle(
    route: Route,
    params: Readonly<Record<string, string>>,
    request: GuardRequest,
    toRequest: () => Request,
    run: GuardRun,
  ): Promise<Response> {
    try {
      const input = await readRouteInput(route.input, params, request);
      if (!input.ok) return problem(input.problem, request, run.headers);
      const context: RouteContext<unknown, unknown, unknown> = {
        facts: request.facts,
        params: input.params,
        query: input.query,
        body: input.body,
        correlationId: request.facts.get(correlationIdFact),
      };
      // The context's types follow from the route's own schemas, which made these very values.
      const response = await route.handle(toRequest(), context as RouteContext<never, never, never>);
      return withHeaders(requireResponse(response, route), run.headers);
    } catch (error) {
      if (!(error instanceof ProblemError)) onFault({ source: route.operationId, error });
      return problem(faultProblem(error), request, run.headers);
    }
  }

  function stopped(run: GuardRun, request: GuardRequest): Response {
    // Called only for stopped runs; `deny` and `answer` are all there is.
    const stop = run.stop as NonNullable<GuardRun["stop"]>;
    if (stop.kind === "deny") return problem(stop.problem, request, run.headers);
    const { status, headers = [], body = null } = stop.answer;
    return new Response(HAS_NO_BODY.has(status) ? null : body, {
      status,
      headers: fields(mergeHeaders(run.headers, headers)),
    });
  }

  function missed(match: Exclude<RouteMatch, { kind: "found" }>, run: GuardRun, request: GuardRequest): Response {
    switch (match.kind) {
      case "not_found":
        return problem(problems.notFound(), request, run.headers);
      case "malformed":
        return problem(
          problems.malformedRequest({
            detail: "The path is not well-formed percent-encoded UTF-8.",
          }),
          request,
          run.headers,
        );
      case "wrong_method":
        return problem(problems.methodNotAllowed(), request, mergeHeaders(run.headers, [["allow", match.allow.join(", ")]]));
    }
  }

  function problem(value: Problem, request: GuardRequest, headers: HeaderList): Response {
    const response = renderedProblem(value, request, headers, rendering);
    return new Response(response.body, {
      status: response.status,
      headers: fields(response.headers),
    });
  }

  return Object.freeze({
    guards: appChain.guards,
    routes: Object.freeze([...routes]),
    handle: (request: GuardRequest, toRequest: () => Request): MaybePromise<AppReply> => answer(request, toRequest),
  });
}

// The request after routing: guards of a route see its pattern and parameters.
class RoutedRequest implements GuardRequest {
  constructor(
    private readonly request: GuardRequest,
    readonly route: string,
    private readonly params: Readonly<Record<string, string>>,
  ) {}
  get method(): string {
    return this.request.method;
  }
  get target(): string {
    return this.request.target;
  }
  get ip(): string | undefined {
    return this.request.ip;
  }
  get facts(): GuardRequest["facts"] {
    return this.request.facts;
  }
  get clientCertificate(): GuardRequest["clientCertificate"] {
    return this.request.clientCertificate;
  }
  header(name: string): string | undefined {
    return this.request.header(name);
  }
  headerCount(name: string): number {
    return this.request.headerCount(name);
  }
  removeHeader(name: string): void {
    this.request.removeHeader(name);
  }
  param(name: string): string | undefined {
    return Object.hasOwn(this.params, name) ? this.params[name] : undefined;
  }
  rawBody(maxBytes: number): Promise<Uint8Array> {
    return this.request.rawBody(maxBytes);
  }
}

function joinRuns(outer: GuardRun, inner: GuardRun, stability: Stability): GuardRun {
  const headers = mergeHeaders(mergeHeaders(outer.headers, inner.headers), stabilityHeaders(stability));
  const { settle: outerSettle } = outer;
  const { settle: innerSettle } = inner;
  if (outerSettle === undefined || innerSettle === undefined) return { stop: inner.stop, headers, settle: innerSettle ?? outerSettle };
  return {
    stop: inner.stop,
    headers,
    settle(outcome: Outcome) {
      innerSettle(outcome);
      outerSettle(outcome);
    },
  };
}

// A GET route answers HEAD with its headers alone (RFC 9110 §9.3.2); whatever fed the body is told to stop.
async function withoutBody(response: Response): Promise<Response> {
  await response.body?.cancel().catch(() => {}); // a source that cannot stop well has stopped
  return new Response(null, response);
}

function stabilityHeaders(stability: Stability): HeaderList {
  if (stability.level !== "deprecated") return [];
  const { since, sunset, successor } = stability;
  return [
    ["deprecation", `@${Math.floor(since.getTime() / 1000)}`], // RFC 9745 §2.1: a structured-field date
    ...(sunset === undefined ? [] : [["sunset", sunset.toUTCString()] as const]),
    ...(successor === undefined ? [] : [["link", `<${successor}>; rel="successor-version"`] as const]),
  ];
}

// A plain 500 with every field of the guards that can be sent: the security headers stay.
function lastResort(request: GuardRequest, headers: HeaderList): Response {
  const { status, headers: all, body } = problemResponse(problems.internal(), request, headers);
  const sendable = new Headers();
  for (const [name, value] of all) {
    try {
      sendable.append(name, value);
    } catch {
      // The field that could not be sent.
    }
  }
  return new Response(body, { status, headers: sendable });
}

// Not instanceof: hosts bring Response classes of their own.
function requireResponse(response: Response, { operationId }: Route): Response {
  if (typeof response?.status === "number") return response;
  throw new TypeError(`The handler of "${operationId}" returned no Response.`);
}

function reply(response: Response, run: GuardRun): AppReply {
  return { response, settle: run.settle };
}

function fields(list: HeaderList): Headers {
  const headers = new Headers();
  for (const [name, value] of list) headers.append(name, value);
  return headers;
}

// The guards' fields overwrite the handler's, so that a handler cannot weaken a policy by accident; its own others stay.
function withHeaders(response: Response, list: HeaderList): Response {
  if (list.length === 0) return response;
  const headers = new Headers(response.headers);
  for (const [name] of list) if (!isAppended(name)) headers.delete(name);
  for (const [name, value] of list) headers.append(name, value);
  return new Response(response.body, {
    status: response.status,
    statusText: response.statusText,
    headers,
  });
}

function pathOf(target: string): string {
  const end = target.indexOf("?");
  return end === -1 ? target : target.slice(0, end);
}
