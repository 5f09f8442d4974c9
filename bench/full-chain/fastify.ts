import fastifyCors from "@fastify/cors";
import fastifyHelmet from "@fastify/helmet";
import fastifyJwt from "@fastify/jwt";
import fastifyRateLimit from "@fastify/rate-limit";
import { type Guard, principalFact } from "@portcullis/core";
import { facts, guard, listen } from "@portcullis/fastify";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type onRequestHookHandler,
} from "fastify";
import type { Logger } from "pino";
import type { Framework } from "./configurations.js";
import { type Claims, createTokenKey, HELMET_OPTIONS, may, popularTokens, requestId } from "./popular-duties.js";
import {
  addressLimit,
  CORS_METHODS,
  CORS_REQUEST_HEADERS,
  created,
  EXPOSED_HEADERS,
  MINUTE_MS,
  ORIGINS,
  type Served,
  type Setting,
  TOKEN_CACHE_ENTRIES,
  workflow,
} from "./service.js";

const LOCAL = { port: 0, host: "127.0.0.1" };

type ById = { readonly Params: { readonly id: string } };

export const fastifyFramework: Framework = {
  bare() {
    const app = Fastify();
    app.get<ById>("/workflows/:id", (request, reply) => reply.send(workflow(request.params.id, "user-0")));
    app.post("/workflows", (request, reply) => reply.send(created(request.body, "user-0")));
    return listen(app, LOCAL);
  },
  portcullis({ everywhere, read, create }) {
    const app = Fastify();
    const owner = (request: Parameters<typeof facts>[0]): string => facts(request).get(principalFact)?.id ?? "";
    app.addHook("onRequest", guard(...everywhere));
    app.get<ById>("/workflows/:id", { onRequest: mounted(read) }, (request, reply) =>
      reply.send(workflow(request.params.id, owner(request))),
    );
    app.post("/workflows", { onRequest: mounted(create) }, (request, reply) => reply.send(created(request.body, owner(request))));
    return listen(app, LOCAL);
  },
  popular: { "@fastify/helmet, cors, rate-limit and jwt (caching), CASL": popular },
};

// No guard, no mount: an empty one would still be a hook.
function mounted(guards: readonly Guard[]): onRequestHookHandler[] {
  return guards.length === 0 ? [] : [guard(...guards)];
}

async function popular(setting: Setting, logger: Logger | undefined): Promise<Served> {
  const key = createTokenKey();
  const genReqId = (request: { readonly headers: NodeJS.Dict<string | string[]> }): string => requestId(request.headers["x-request-id"]);
  // Fastify's own two lines for each request would be one more than everybody else writes.
  const logController = new LogController({ disableRequestLogging: true });
  const logging = logger === undefined ? {} : { loggerInstance: logger as FastifyBaseLogger, logController }; // a pino is one
  const app = Fastify({ genReqId, ...logging });
  app.addHook("onRequest", (request, reply, done) => {
    reply.header("x-request-id", request.id).header("cache-control", "no-store");
    done();
  });
  if (logger !== undefined) app.addHook("onResponse", logResponse);
  await app.register(fastifyHelmet, HELMET_OPTIONS);
  await app.register(fastifyCors, {
    origin: ORIGINS,
    exposedHeaders: EXPOSED_HEADERS,
    methods: CORS_METHODS,
    allowedHeaders: CORS_REQUEST_HEADERS,
    maxAge: 600,
  });
  const LIMIT = { timeWindow: MINUTE_MS, enableDraftSpec: true, cache: TOKEN_CACHE_ENTRIES };
  await app.register(fastifyRateLimit, { ...LIMIT, max: addressLimit(setting) });
  await app.register(fastifyJwt, {
    secret: key.bytes,
    // Looked up by the token's hash (about 2 µs): a key builder of one's own is advised against, GHSA-rp9m-7r4c-75qg.
    verify: { algorithms: ["HS256"], cache: TOKEN_CACHE_ENTRIES },
  });
  // Without a callback: given one, it makes a new verifier with an empty cache for each request (@fastify/jwt 10.2).
  app.addHook("preValidation", async (request) => {
    await request.jwtVerify();
  });
  await app.register(fastifyRateLimit, {
    ...LIMIT,
    hook: "preHandler",
    max: setting.callerLimit,
    keyGenerator: (request) => claimsOf(request).sub,
  });
  servePopular(app);
  return { listening: await listen(app, LOCAL), tokens: popularTokens(key, setting) };
}

function servePopular(app: FastifyInstance): void {
  app.get<ById>("/workflows/:id", { preHandler: permit("read") }, (request, reply) =>
    reply.send(workflow(request.params.id, claimsOf(request).sub)),
  );
  app.post("/workflows", { preHandler: permit("create") }, (request, reply) => reply.send(created(request.body, claimsOf(request).sub)));
}

function claimsOf(request: FastifyRequest): Claims {
  return request.user as Claims; // set by jwtVerify
}

function permit(action: "read" | "create") {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    if (may(claimsOf(request).role, action)) done();
    else void reply.code(403).send({ error: "forbidden" });
  };
}

function logResponse(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  const { method, url } = request;
  request.log.info({ method, url, status: reply.statusCode, responseTime: reply.elapsedTime }, "request completed");
  done();
}
