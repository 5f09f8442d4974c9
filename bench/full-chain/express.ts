import { type Guard, principalFact } from "@portcullis/core";
import { facts, guard, listen } from "@portcullis/express";
import cors from "cors";
import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from "express";
import { expressjwt } from "express-jwt";
import { rateLimit } from "express-rate-limit";
import helmet from "helmet";
import jsonwebtoken from "jsonwebtoken";
import type { Logger } from "pino";
import { pinoHttp } from "pino-http";
import type { Framework } from "./configurations.js";
import { type Claims, createTokenKey, HELMET_OPTIONS, may, popularTokens, requestId, type TokenKey } from "./popular-duties.js";
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

const LOCAL = { port: 0, host: "127.0.0.1" };

export const expressFramework: Framework = {
  bare() {
    const app = express();
    app.get("/workflows/:id", (req, res) => void res.json(workflow(req.params.id, "user-0")));
    app.post("/workflows", express.json(), (req, res) => void res.json(created(req.body, "user-0")));
    return listen(app, LOCAL);
  },
  portcullis({ everywhere, read, create }) {
    const app = express();
    const owner = (req: Request): string => facts(req).get(principalFact)?.id ?? "";
    app.use(guard(...everywhere));
    app.get("/workflows/:id", ...mounted(read), (req, res) => void res.json(workflow(req.params.id, owner(req))));
    app.post("/workflows", ...mounted(create), express.json(), (req, res) => void res.json(created(req.body, owner(req))));
    return listen(app, LOCAL);
  },
  popular: {
    "helmet, cors, express-rate-limit, jsonwebtoken, CASL": (setting, logger) => popular(setting, logger, withJsonwebtoken),
    "helmet, cors, express-rate-limit, express-jwt, CASL": (setting, logger) => popular(setting, logger, withExpressJwt),
  },
};

// No guard, no mount: an empty one would still be a layer of the router.
function mounted(guards: readonly Guard[]): readonly ReturnType<typeof guard>[] {
  return guards.length === 0 ? [] : [guard(...guards)];
}

async function popular(setting: Setting, logger: Logger | undefined, authenticate: (key: TokenKey) => RequestHandler): Promise<Served> {
  const key = createTokenKey();
  const app = express();
  app.use(logger === undefined ? correlate : pinoHttpWith(logger));
  app.use(helmet(HELMET_OPTIONS));
  app.use(
    cors({
      origin: ORIGINS,
      exposedHeaders: EXPOSED_HEADERS,
      methods: CORS_METHODS,
      allowedHeaders: CORS_REQUEST_HEADERS,
      maxAge: 600,
    }),
  );
  // `draft-8` would hash the key for each request; checks of the configuration are for development.
  const LIMIT = { windowMs: MINUTE_MS, standardHeaders: "draft-7", legacyHeaders: false, validate: false } as const;
  app.use(rateLimit({ ...LIMIT, limit: addressLimit(setting) }));
  app.use(authenticate(key));
  app.use(rateLimit({ ...LIMIT, limit: setting.callerLimit, keyGenerator: (req) => claimsOf(req).sub }));
  app.get("/workflows/:id", permit("read"), (req, res) => void res.json(workflow(String(req.params["id"]), claimsOf(req).sub)));
  app.post("/workflows", permit("create"), express.json(), (req, res) => void res.json(created(req.body, claimsOf(req).sub)));
  answerErrors(app);
  return { listening: await listen(app, LOCAL), tokens: popularTokens(key, setting) };
}

type Authenticated = Request & { auth?: Claims };

function claimsOf(req: Authenticated): Claims {
  return req.auth as Claims; // set by whoever authenticated
}

function withJsonwebtoken({ object }: TokenKey): RequestHandler {
  return (req: Authenticated, res, next) => {
    const token = /^Bearer ([^ ]+)$/i.exec(req.headers.authorization ?? "")?.[1];
    try {
      req.auth = jsonwebtoken.verify(token ?? "", object, { algorithms: ["HS256"] }) as unknown as Claims; // what was signed
    } catch {
      res.set("www-authenticate", "Bearer").status(401).json({ error: "unauthenticated" });
      return;
    }
    next();
  };
}

function withExpressJwt({ object }: TokenKey): RequestHandler {
  return expressjwt({ secret: object, algorithms: ["HS256"] });
}

function permit(action: "read" | "create"): RequestHandler {
  return (req, res, next) => {
    if (may(claimsOf(req).role, action)) next();
    else res.status(403).json({ error: "forbidden" });
  };
}

function correlate(req: Request, res: Response, next: NextFunction): void {
  res.setHeader("x-request-id", requestId(req.headers["x-request-id"]));
  res.setHeader("cache-control", "no-store");
  next();
}

// One line for each request, without the headers that pino-http would log by default.
function pinoHttpWith(logger: Logger): RequestHandler {
  return pinoHttp({
    logger,
    quietReqLogger: true,
    genReqId(req, res) {
      const id = requestId(req.headers["x-request-id"]);
      res.setHeader("x-request-id", id);
      res.setHeader("cache-control", "no-store");
      return id;
    },
    wrapSerializers: false,
    serializers: {
      req: ({ method, url }: Request) => ({ method, url }),
      res: ({ statusCode }: Response) => ({ statusCode }),
    },
  });
}

function answerErrors(app: Express): void {
  app.use((error: { readonly status?: number }, _req: Request, res: Response, _next: NextFunction) => {
    res.status(error.status ?? 500).json({ error: "refused" });
  });
}
