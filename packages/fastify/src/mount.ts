import { type App, errorResponse, type MountOptions } from "@portcullis/core";
import { type Listening, listenOn, type ListenOptions, readyBody, settleAfter } from "@portcullis/core/node";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { addHeaders, requestOf, respond } from "./guard.js";

/**
 * Serves an application of routes after your own routes, and everything those left unanswered: unmatched requests get its
 * 404 and 405, exceptions of native handlers become problems.
 *
 * @returns The Fastify instance.
 */
export function mount<T extends FastifyInstance>(fastify: T, app: App, options: MountOptions = {}): T {
  const settings = Object.freeze({ ...options });
  fastify.setErrorHandler((error, request, reply) => respond(reply, errorResponse(error, requestOf(request), settings)));
  fastify.register((scope, _options, done) => {
    // Before Fastify looks at the body: routes read the exact bytes themselves, and a content type that it refuses is still
    // answered with everything the guards say.
    scope.addHook("onRequest", (request, reply) => serve(request, reply, app));
    // Never reached: the hook has answered. It makes this scope the one of unmatched requests.
    scope.setNotFoundHandler(() => {});
    done();
  });
  return fastify;
}

/**
 * Listens for HTTP.
 *
 * @throws {ConfigurationError} `invalid_option`: the port is no port.
 * @throws {Error} The system's: `EADDRINUSE`, `EACCES`. Nothing listens.
 */
export async function listen(fastify: FastifyInstance, options: ListenOptions): Promise<Listening> {
  await fastify.ready();
  return listenOn(fastify.server, options, () => fastify.close());
}

async function serve(request: FastifyRequest, reply: FastifyReply, app: App): Promise<FastifyReply> {
  const guarded = requestOf(request);
  const { response, settle } = await app.handle(guarded, () => guarded.toRequest(reply.raw));
  if (settle !== undefined) settleAfter(request.raw, reply.raw, settle);
  addHeaders(reply, [...response.headers]);
  return reply.code(response.status).send(await readyBody(response));
}
