import type { IncomingMessage } from "node:http";
import { createApp, toFetchHandler } from "@portcullis/core";
import {
  type AdapterHost,
  type AdapterSetup,
  fetchHeader,
  type NativeReply,
  nodeHeader,
  toApp,
  toFetchResponse,
  toStream,
} from "@portcullis/testkit";
import { type Context, Hono } from "hono";
import { createGuard, facts, listen, mount } from "../src/index.js";

const LOCAL = { port: 0, host: "127.0.0.1" };

/** Native routes of Hono 4 on Node and without Node's objects, the same routes as a mounted application, and without any framework. */
export const hosts: readonly AdapterHost[] = [
  { name: "hono 4", capabilities: ["raw-request", "parser", "native-routes"], start: (setup) => listen(application(setup), LOCAL) },
  {
    name: "hono 4 on Fetch alone",
    capabilities: ["native-routes"],
    start(setup) {
      const hono = application(setup);
      return listen({ fetch: (request) => hono.fetch(request) }, LOCAL);
    },
  },
  { name: "an app on hono 4", capabilities: ["raw-request"], start: (setup) => listen(mount(new Hono(), toApp(setup)), LOCAL) },
  { name: "an app on Fetch alone", capabilities: [], start: (setup) => listen({ fetch: toFetchHandler(toApp(setup)) }, LOCAL) },
];

function application({ parserFirst, headersFirst, mounts = [], routes = [], app, onFault }: AdapterSetup): Hono {
  const options = onFault === undefined ? {} : { onFault };
  const guard = createGuard(options);
  const hono = new Hono();
  if (parserFirst === true) {
    hono.use(async (c, next) => {
      await c.req.json();
      await next();
    });
  }
  if (headersFirst === true) {
    hono.use(async (c, next) => {
      headerOf(c, "host");
      await next();
    });
  }
  for (const guards of mounts) hono.use(guard(...guards));
  for (const route of routes) {
    hono.on(route.method, route.path, guard(...(route.guards ?? [])), async (c) =>
      send(await route.handle({ facts: facts(c), json: () => c.req.json(), header: (name) => headerOf(c, name) }), c),
    );
  }
  return mount(hono, app ?? createApp({ routes: [] }), options);
}

function headerOf(c: Context, name: string): readonly (string | undefined)[] {
  const { incoming } = (c.env ?? {}) as { incoming?: IncomingMessage }; // what node-server puts there
  const node = incoming === undefined ? [] : nodeHeader(incoming, name);
  return [c.req.header(name), c.req.header()[name], ...fetchHeader(c.req.raw, name), ...node];
}

function send(reply: NativeReply, c: Context): Response {
  switch (reply.kind) {
    case "text":
      return c.text(reply.body, 200, { ...reply.headers });
    case "raw":
      return toFetchResponse(reply);
    case "stream":
      return c.body(toStream(reply.chunks));
  }
}
