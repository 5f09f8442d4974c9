import { Readable } from "node:stream";
import { createApp } from "@portcullis/core";
import { type AdapterHost, type AdapterSetup, type NativeReply, nodeHeader, toApp, toFetchResponse } from "@portcullis/testkit";
import Fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import { createGuard, facts, fastifyOptions, listen, mount } from "../src/index.js";

/** Native routes of Fastify 5, and the same routes as an application mounted on it. */
export const hosts: readonly AdapterHost[] = [
  {
    name: "fastify 5",
    capabilities: ["raw-request", "parser", "native-routes"],
    start: (setup) => listen(application(setup), { port: 0, host: "127.0.0.1" }),
  },
  {
    name: "an app on fastify 5",
    capabilities: ["raw-request"],
    start: (setup) => listen(mount(Fastify(fastifyOptions), toApp(setup)), { port: 0, host: "127.0.0.1" }),
  },
];

function application({ parserFirst, headersFirst, mounts = [], routes = [], app, onFault }: AdapterSetup): FastifyInstance {
  const options = onFault === undefined ? {} : { onFault };
  const guard = createGuard(options);
  // The laws send bodies of a megabyte and more.
  const fastify: FastifyInstance = Fastify({ ...fastifyOptions, bodyLimit: 1 << 22 });
  const hook = parserFirst === true ? "preHandler" : "onRequest";
  if (headersFirst === true) fastify.addHook("onRequest", (request, _reply, done) => (headerOf(request, "host"), done()));
  for (const guards of mounts) fastify.addHook(hook, guard(...guards));
  for (const route of routes) {
    fastify.route({
      method: route.method,
      url: route.path,
      [hook]: guard(...(route.guards ?? [])),
      async handler(request, reply) {
        const header = (name: string) => headerOf(request, name);
        const native = await route.handle({ facts: facts(request), json: async () => request.body, header });
        return reply.send(payload(native, (headers) => void reply.headers(headers)));
      },
    });
  }
  return mount(fastify, app ?? createApp({ routes: [] }), options);
}

function headerOf(request: FastifyRequest, name: string): readonly (string | undefined)[] {
  return [request.headers[name]?.toString(), ...nodeHeader(request.raw, name)];
}

function payload(reply: NativeReply, setHeaders: (headers: Readonly<Record<string, string>>) => void): unknown {
  switch (reply.kind) {
    case "text":
      setHeaders(reply.headers ?? {});
      return reply.body;
    case "raw":
      return toFetchResponse(reply);
    case "stream":
      return Readable.from(reply.chunks);
  }
}
