import {
  createMountChain,
  type Facts,
  type Guard,
  type GuardRun,
  type MountOptions,
  type ProblemResponse,
  stopResponse,
} from "@portcullis/core";
import {
  type NodeIncoming,
  type NodeOutgoing,
  type NodeRequest,
  nodeRequest,
  type Routing,
  settleAfter,
  writeHeaders,
} from "@portcullis/core/node";

/**
 * Express's request, of version 4 or 5, as far as this adapter reads it. It leaves `params` out: Express takes the type of a
 * route's parameters from its handlers, and one that said `object` would hide `req.params.id` from all others.
 */
export interface ExpressRequest extends NodeIncoming {
  readonly route?: { readonly path?: unknown } | undefined;
  readonly baseUrl?: string;
}

/** Express's `next`. */
export type Next = (error?: unknown) => void;

/** An Express middleware. */
export type Middleware = (req: ExpressRequest, res: NodeOutgoing, next: Next) => void;

// Asked late: `app.use` runs before routing, a router has its own parameters, a route sees its own.
const routing: Routing<ExpressRequest> = {
  // In a router that is mounted somewhere the pattern is only the end of one: /health of /admin is not /health.
  route: ({ route, baseUrl }) => (typeof route?.path === "string" && (baseUrl ?? "") === "" ? route.path : undefined),
  param: (request, name) => {
    const params = "params" in request ? request.params : undefined;
    if (typeof params !== "object" || params === null || !Object.hasOwn(params, name)) return undefined;
    const value: unknown = Reflect.get(params, name);
    return typeof value === "string" ? value : undefined;
  },
};

/**
 * Makes a `guard` with its own way of rendering problems and reporting faults.
 *
 * @example
 * ```ts
 * import { createGuard } from "@portcullis/express";
 *
 * const guard = createGuard({ onFault: ({ source, error }) => console.error(source, error) });
 * ```
 */
export function createGuard(options: MountOptions = {}): (...guards: readonly Guard[]) => Middleware {
  const settings = Object.freeze({ ...options });
  return (...guards) => {
    const chain = createMountChain(guards, settings);
    return (req, res, next) => {
      const request = requestOf(req);
      const run = chain.run(request);
      if (run instanceof Promise) run.then((late) => proceed(late, request, req, res, next, settings)).catch(next);
      else proceed(run, request, req, res, next, settings);
    };
  };
}

/**
 * Asks guards in order before what is mounted after it: `app.use(guard(a, b))`, or on one route.
 *
 * @throws {ConfigurationError} `invalid_option`: an argument is no guard.
 */
export const guard: (...guards: readonly Guard[]) => Middleware = createGuard();

/** What the guards learned about a request: the same facts for every guard and handler of it. */
export function facts(req: ExpressRequest): Facts {
  return requestOf(req).facts;
}

/** @internal */
export function requestOf(req: ExpressRequest): NodeRequest {
  return nodeRequest(req, routing, req);
}

/** @internal */
export function respond(res: NodeOutgoing, { status, headers, body }: ProblemResponse): void {
  res.statusCode = status;
  writeHeaders(res, headers);
  res.end(body);
}

function proceed(run: GuardRun, request: NodeRequest, req: ExpressRequest, res: NodeOutgoing, next: Next, options: MountOptions): void {
  if (run.settle !== undefined) settleAfter(req, res, run.settle);
  if (run.stop !== undefined) return respond(res, stopResponse(run.stop, request, run.headers, options));
  writeHeaders(res, run.headers);
  next();
}
