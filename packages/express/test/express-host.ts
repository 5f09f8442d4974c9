import { createApp } from "@portcullis/core";
import { type AdapterHost, type AdapterSetup, type NativeReply, type NativeRoute, nodeHeader, toApp } from "@portcullis/testkit";
import express, { type Request, type Response } from "express";
import express4 from "express4";
import { createGuard, facts, listen, mount } from "../src/index.js";

// Both majors are driven through the types of 5: the laws are the test that 4 behaves the same.
const express4As5 = express4 as unknown as typeof express;

/** Native routes of Express 5, 4, and the same routes as an application mounted on Express 5. */
export const hosts: readonly AdapterHost[] = [
  nativeHost("express 5", express),
  nativeHost("express 4", express4As5),
  {
    name: "an app on express 5",
    capabilities: ["raw-request", "parser"],
    start: (setup) => {
      const framework = express();
      if (setup.parserFirst === true) framework.use(express.json());
      return listen(mount(framework, toApp(setup)), { port: 0, host: "127.0.0.1" });
    },
  },
];

function nativeHost(name: string, framework: typeof express): AdapterHost {
  return {
    name,
    capabilities: ["raw-request", "parser", "native-routes"],
    start: (setup) => listen(application(framework, setup), { port: 0, host: "127.0.0.1" }),
  };
}

function application(
  framework: typeof express,
  { parserFirst, headersFirst, mounts = [], routes = [], app, onFault }: AdapterSetup,
): express.Express {
  const options = onFault === undefined ? {} : { onFault };
  const guard = createGuard(options);
  const application = framework();
  if (parserFirst === true) application.use(framework.json());
  if (headersFirst === true) application.use((req, _res, next) => (headerOf(req, "host"), next()));
  for (const guards of mounts) application.use(guard(...guards));
  for (const route of routes) {
    const method = route.method === "GET" ? "get" : "post";
    application[method](route.path, guard(...(route.guards ?? [])), parser(framework, parserFirst), (req, res, next) => {
      run(route, req, res).catch(next); // Express 4 knows no promises
    });
  }
  return mount(application, app ?? createApp({ routes: [] }), options);
}

function parser(framework: typeof express, parserFirst: boolean | undefined): express.RequestHandler {
  return parserFirst === true ? (_req, _res, next) => next() : framework.json({ limit: "2mb", strict: false });
}

async function run(route: NativeRoute, req: Request, res: Response): Promise<void> {
  await send(await route.handle({ facts: facts(req), json: async () => req.body, header: (name) => headerOf(req, name) }), res);
}

function headerOf(req: Request, name: string): readonly (string | undefined)[] {
  return [req.get(name), ...nodeHeader(req, name)];
}

async function send(reply: NativeReply, res: Response): Promise<void> {
  if (reply.kind === "text") res.set(reply.headers ?? {});
  if (reply.kind !== "stream") return void res.send(reply.body);
  for await (const chunk of reply.chunks) {
    if (res.destroyed) return;
    res.write(chunk);
  }
  res.end();
}
