// The same few routes on each framework, once in the framework's own words behind `guard(...)`, once as an application that is mounted.
import { clientIp, createApp, defineRoute, deny, type Guard, problems } from "@portcullis/core";
import * as onExpress from "@portcullis/express";
import * as onFastify from "@portcullis/fastify";
import * as onHono from "@portcullis/hono";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import { stream } from "hono/streaming";
import { once } from "node:events";
import { Readable } from "node:stream";

/** What the routes are made with. */
export interface Setup {
  /** For all requests, each in a mount of its own. */
  readonly front: readonly Guard[];
  /** For every route but `/health`. */
  readonly limited: Guard;
  /** What `/slow` waits for before it answers, and `/stream` between its two chunks. */
  readonly wait: () => Promise<void>;
}

/** A server that listens. */
export interface Running {
  readonly url: string;
  close(): Promise<void>;
}

/** A framework with a way to put guards in front of handlers. */
export interface FrameworkHost {
  readonly name: string;
  start(setup: Setup): Promise<Running>;
}

const LOCAL = { port: 0, host: "127.0.0.1" };
const refuse: Guard = { name: "refuse", check: () => deny(problems.forbidden()) };

async function* chunks(wait: () => Promise<void>): AsyncGenerator<string> {
  yield "first ";
  await wait();
  yield "last";
}

/** `/ok`, `/error`, `/throw`, `/empty` (304), `/denied` (by a later guard), `/slow`, `/stream` and `/health`. */
export const FRAMEWORK_HOSTS: readonly FrameworkHost[] = [
  {
    name: "Express",
    start({ front, limited, wait }) {
      const { guard, listen } = onExpress;
      const app = express();
      app.use(guard(clientIp()));
      for (const one of front) app.use(guard(one));
      app.get("/health", (_request, response) => void response.send("healthy"));
      app.use(guard(limited));
      app.get("/ok", (_request, response) => void response.send("ok"));
      app.get("/error", (_request, response) => void response.status(503).send("try later"));
      app.get("/throw", () => {
        throw new Error("boom");
      });
      app.get("/empty", (_request, response) => void response.status(304).end());
      app.get("/denied", guard(refuse), (_request, response) => void response.send("never"));
      app.get("/slow", async (_request, response) => {
        await wait();
        response.send("done");
      });
      app.get("/stream", async (_request, response) => {
        for await (const chunk of chunks(wait)) response.write(chunk);
        response.end();
      });
      const onError: express.ErrorRequestHandler = (_error, _request, response, _next) => void response.status(500).send("failed");
      app.use(onError);
      return listen(app, LOCAL);
    },
  },
  {
    name: "Fastify",
    start({ front, limited, wait }) {
      const { fastifyOptions, guard, listen } = onFastify;
      const app = Fastify(fastifyOptions);
      app.addHook("onRequest", guard(clientIp()));
      for (const one of front) app.addHook("onRequest", guard(one));
      app.get("/health", () => "healthy");
      app.register((scope, _options, done) => {
        scope.addHook("onRequest", guard(limited));
        scope.get("/ok", () => "ok");
        scope.get("/error", (_request, reply) => reply.code(503).send("try later"));
        scope.get("/throw", () => {
          throw new Error("boom");
        });
        scope.get("/empty", (_request, reply) => reply.code(304).send());
        scope.get("/denied", { onRequest: guard(refuse) }, () => "never");
        scope.get("/slow", async () => {
          await wait();
          return "done";
        });
        scope.get("/stream", (_request, reply) => reply.send(Readable.from(chunks(wait))));
        done();
      });
      return listen(app, LOCAL);
    },
  },
  {
    name: "Hono",
    start({ front, limited, wait }) {
      const { guard, listen } = onHono;
      const app = new Hono();
      app.use(guard(clientIp()));
      for (const one of front) app.use(guard(one));
      app.get("/health", (c) => c.text("healthy"));
      app.use(guard(limited));
      app.get("/ok", (c) => c.text("ok"));
      app.get("/error", (c) => c.text("try later", 503));
      app.get("/throw", () => {
        throw new Error("boom");
      });
      app.get("/empty", (c) => c.body(null, 304));
      app.get("/denied", guard(refuse), (c) => c.text("never"));
      app.get("/slow", async (c) => {
        await wait();
        return c.text("done");
      });
      app.get("/stream", (c) =>
        stream(c, async (out) => {
          for await (const chunk of chunks(wait)) await out.write(chunk);
        }),
      );
      app.onError((_error, c) => c.text("failed", 500));
      return listen(app, LOCAL);
    },
  },
  { name: "an app mounted on Express", start: (setup) => onExpress.listen(onExpress.mount(express(), appOf(setup)), LOCAL) },
  {
    name: "an app mounted on Fastify",
    start: (setup) => onFastify.listen(onFastify.mount(Fastify(onFastify.fastifyOptions), appOf(setup)), LOCAL),
  },
  { name: "an app mounted on Hono", start: (setup) => onHono.listen(onHono.mount(new Hono(), appOf(setup)), LOCAL) },
];

function appOf({ front, limited, wait }: Setup): ReturnType<typeof createApp> {
  const route = (name: string, handle: (request: Request) => Response | Promise<Response>, guards: readonly Guard[] = [limited]) =>
    defineRoute({ method: "GET", path: `/${name}`, operationId: name, summary: "A route of a test", guards, handle });
  return createApp({
    guards: [clientIp(), ...front],
    routes: [
      route("health", () => new Response("healthy"), []),
      route("ok", () => new Response("ok")),
      route("error", () => new Response("try later", { status: 503 })),
      route("throw", () => {
        throw new Error("boom");
      }),
      route("empty", () => new Response(null, { status: 304 })),
      route("denied", () => new Response("never"), [limited, refuse]),
      // An application's place is its handler's: it is free when the handler stops, for which the signal is there.
      route("slow", async ({ signal }) => {
        await Promise.race([wait(), once(signal, "abort")]);
        return new Response("done");
      }),
      route("stream", () => new Response(Readable.toWeb(Readable.from(chunks(wait)).map((text) => Buffer.from(String(text)))))),
    ],
  });
}
