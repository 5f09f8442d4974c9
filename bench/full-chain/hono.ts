import { webcrypto } from "node:crypto";
import { type HttpBindings, serve } from "@hono/node-server";
import { getConnInfo } from "@hono/node-server/conninfo";
import { principalFact } from "@portcullis/core";
import { facts, guard, listen } from "@portcullis/hono";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { rateLimiter } from "hono-rate-limiter";
import { cors } from "hono/cors";
import { jwt } from "hono/jwt";
import { requestId } from "hono/request-id";
import { secureHeaders } from "hono/secure-headers";
import type { Logger } from "pino";
import type { Framework } from "./configurations.js";
import { type Claims, createTokenKey, may, popularTokens } from "./popular-duties.js";
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
  workflow,
} from "./service.js";

export const honoFramework: Framework = {
  bare() {
    const app = new Hono();
    app.get("/workflows/:id", (c) => c.json(workflow(c.req.param("id"), "user-0")));
    app.post("/workflows", async (c) => c.json(created(await c.req.json(), "user-0")));
    return serveHono(app);
  },
  portcullis({ everywhere, read, create }) {
    const app = new Hono();
    const owner = (c: Context): string => facts(c).get(principalFact)?.id ?? "";
    app.use(guard(...everywhere));
    // No guard, no mount: an empty one would still be a middleware.
    if (read.length > 0) app.get("/workflows/:id", guard(...read));
    if (create.length > 0) app.post("/workflows", guard(...create));
    app.get("/workflows/:id", (c) => c.json(workflow(c.req.param("id"), owner(c))));
    app.post("/workflows", async (c) => c.json(created(await c.req.json(), owner(c))));
    return listen(app, { port: 0, host: "127.0.0.1" });
  },
  popular: { "secure-headers, cors, hono-rate-limiter, jwt, CASL": popular },
};

interface PopularEnv {
  Bindings: HttpBindings;
  Variables: { jwtPayload: Claims };
}

async function popular(setting: Setting, logger: Logger | undefined): Promise<Served> {
  const key = createTokenKey();
  const app = new Hono<PopularEnv>();
  app.use(requestId());
  if (logger !== undefined) app.use(logWith(logger));
  app.use(secureHeaders(SECURE_HEADERS));
  app.use((c, next) => {
    c.header("cache-control", "no-store");
    return next();
  });
  app.use(
    cors({ origin: ORIGINS, exposeHeaders: EXPOSED_HEADERS, allowMethods: CORS_METHODS, allowHeaders: CORS_REQUEST_HEADERS, maxAge: 600 }),
  );
  const LIMIT = { windowMs: MINUTE_MS, standardHeaders: "draft-7" } as const;
  app.use(
    rateLimiter<PopularEnv>({ ...LIMIT, limit: addressLimit(setting), keyGenerator: (c) => getConnInfo(c).remote.address ?? "unknown" }),
  );
  // Imported once: from a string it would be imported again for each request.
  const secret = await webcrypto.subtle.importKey("raw", key.bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  app.use(jwt({ secret, alg: "HS256" }));
  app.use(rateLimiter<PopularEnv>({ ...LIMIT, limit: setting.callerLimit, keyGenerator: (c) => c.get("jwtPayload").sub }));
  app.get("/workflows/:id", permit("read"), (c) => c.json(workflow(c.req.param("id"), c.get("jwtPayload").sub)));
  app.post("/workflows", permit("create"), async (c) => c.json(created(await c.req.json(), c.get("jwtPayload").sub)));
  return { listening: await serveHono(app), tokens: popularTokens(key, setting) };
}

/** The fields that our `securityHeaders` sends, and no others. */
const SECURE_HEADERS = {
  contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
  crossOriginEmbedderPolicy: true,
  strictTransportSecurity: "max-age=63072000; includeSubDomains",
  xFrameOptions: "DENY",
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xXssProtection: false,
};

function permit(action: "read" | "create"): MiddlewareHandler<PopularEnv> {
  return async (c, next) => (may(c.get("jwtPayload").role, action) ? next() : c.json({ error: "forbidden" }, 403));
}

function logWith(logger: Logger): MiddlewareHandler<PopularEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    await next();
    const { method, path } = c.req;
    const responseTime = performance.now() - startedAt;
    logger.info({ reqId: c.get("requestId"), method, url: path, status: c.res.status, responseTime }, "request completed");
  };
}

function serveHono(app: { readonly fetch: Parameters<typeof serve>[0]["fetch"] }): Promise<Served["listening"]> {
  return new Promise((resolve) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) =>
      resolve({
        port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
          }),
      }),
    );
  });
}
