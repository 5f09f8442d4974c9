import {
  createMountChain,
  type Facts,
  type Guard,
  type GuardRun,
  type HeaderList,
  type MountOptions,
  type ProblemResponse,
  stopResponse,
  type WriteField,
  writeFields,
} from "@portcullis/core";
import { type NodeRequest, nodeRequest, type Routing, settleAfter } from "@portcullis/core/node";
import type { FastifyReply, FastifyRequest } from "fastify";

/** A Fastify hook in callback style, for `onRequest`, `preValidation` and `preHandler`. */
export type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void;

const routing: Routing<FastifyRequest> = {
  route: (request) => request.routeOptions.url,
  param: ({ params }, name) => {
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
 * import { createGuard } from "@portcullis/fastify";
 *
 * const guard = createGuard({ onFault: ({ source, error }) => console.error(source, error) });
 * ```
 */
export function createGuard(options: MountOptions = {}): (...guards: readonly Guard[]) => Hook {
  const settings = Object.freeze({ ...options });
  return (...guards) => {
    const chain = createMountChain(guards, settings);
    // In callback style: an async hook would cost a promise for each request.
    return (request, reply, done) => {
      const guarded = requestOf(request);
      const run = chain.run(guarded);
      if (run instanceof Promise) run.then((late) => proceed(late, guarded, request, reply, done, settings)).catch(done);
      else proceed(run, guarded, request, reply, done, settings);
    };
  };
}

/**
 * Asks guards in order: `app.addHook("onRequest", guard(a, b))`, or `{ onRequest: guard(a) }` on one route. Guards that
 * read the body belong in `onRequest`: later hooks run after the body was parsed.
 *
 * @throws {ConfigurationError} `invalid_option`: an argument is no guard.
 */
export const guard: (...guards: readonly Guard[]) => Hook = createGuard();

/** What the guards learned about a request: the same facts for every guard and handler of it. */
export function facts(request: FastifyRequest): Facts {
  return requestOf(request).facts;
}

/** @internal */
export function requestOf(request: FastifyRequest): NodeRequest {
  return nodeRequest(request.raw, routing, request);
}

/** @internal */
export function addHeaders(reply: FastifyReply, headers: HeaderList): void {
  writeFields(reply, headers, setField, addField);
}

const setField: WriteField<FastifyReply> = (reply, name, value) => void reply.header(name, value);
// `reply.header` replaces every field but `set-cookie`: a further line is set together with what is there.
const addField: WriteField<FastifyReply> = (reply, name, value) => {
  const present = name === "set-cookie" ? undefined : reply.getHeader(name);
  reply.header(name, present === undefined ? value : [present, value].flat());
};

/** @internal */
export function respond(reply: FastifyReply, { status, headers, body }: ProblemResponse): void {
  addHeaders(reply, headers);
  // As bytes: to a string Fastify would add a charset, which problem+json has not (RFC 9457 §6.1).
  reply.code(status).send(body === "" ? undefined : Buffer.from(body));
}

function proceed(
  run: GuardRun,
  guarded: NodeRequest,
  request: FastifyRequest,
  reply: FastifyReply,
  done: (error?: Error) => void,
  options: MountOptions,
): void {
  if (run.settle !== undefined) settleAfter(request.raw, reply.raw, run.settle);
  if (run.stop !== undefined) return respond(reply, stopResponse(run.stop, guarded, run.headers, options));
  addHeaders(reply, run.headers);
  done();
}
