import { createServer, type RequestListener } from "node:http";
import { type App, errorResponse, type MountOptions } from "@portcullis/core";
import { type Listening, listenOn, type ListenOptions, type NodeOutgoing, sendResponse, settleAfter } from "@portcullis/core/node";
import { type ExpressRequest, type Middleware, type Next, requestOf, respond } from "./guard.js";

/** An Express application or router, as far as this adapter uses it. */
export interface ExpressApp {
  use(handler: Middleware): unknown;
  use(handler: ErrorMiddleware): unknown;
}

/** An Express error middleware; its four parameters make it one. */
export type ErrorMiddleware = (error: unknown, req: ExpressRequest, res: NodeOutgoing, next: Next) => void;

/**
 * Serves an application of routes after your own routes, and everything those left unanswered: unmatched requests get its
 * 404 and 405, exceptions of native handlers become problems. Call it last.
 *
 * @returns The Express application.
 */
export function mount<T extends ExpressApp>(express: T, app: App, options: MountOptions = {}): T {
  const settings = Object.freeze({ ...options });
  express.use((req, res, next) => {
    serve(req, res, app).catch(next);
  });
  // Its four parameters make it an error handler.
  const onError: ErrorMiddleware = (error, req, res, next) => {
    if (res.headersSent) return next(error); // too late for a problem: Express cuts the connection
    respond(res, errorResponse(error, requestOf(req), settings));
  };
  express.use(onError);
  return express;
}

/**
 * Listens for HTTP.
 *
 * @throws {ConfigurationError} `invalid_option`: the port is no port.
 * @throws {Error} The system's: `EADDRINUSE`, `EACCES`. Nothing listens.
 */
export function listen(express: RequestListener, options: ListenOptions): Promise<Listening> {
  return listenOn(createServer(express), options);
}

async function serve(req: ExpressRequest, res: NodeOutgoing, app: App): Promise<void> {
  const request = requestOf(req);
  const { response, settle } = await app.handle(request, () => request.toRequest(res));
  if (settle !== undefined) settleAfter(req, res, settle);
  await sendResponse(response, res);
}
