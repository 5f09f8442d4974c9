import { createServer, type IncomingMessage } from "node:http";
import { type App, errorResponse, type MountOptions, problemBody, problems } from "@portcullis/core";
import { type Listening, listenOn, type ListenOptions, settleAfter } from "@portcullis/core/node";
import type { Context } from "hono";
import { nodeOf, replayBody, requestOf } from "./request.js";
import { settleWith, toResponse } from "./response.js";

/** A Hono application, as far as this adapter uses it. */
export interface HonoApp {
  notFound(handler: (c: Context) => Promise<Response>): unknown;
  onError(handler: (error: Error, c: Context) => Response): unknown;
}

/** What answers Fetch requests. */
export interface FetchApp {
  fetch(request: Request, env?: unknown): Response | Promise<Response>;
}

/**
 * Serves an application of routes after your own routes, and everything those left unanswered: unmatched requests get its
 * 404 and 405, exceptions of native handlers become problems (an `HTTPException` with a response of its own keeps it).
 *
 * @returns The Hono application.
 */
export function mount<T extends HonoApp>(hono: T, app: App, options: MountOptions = {}): T {
  const settings = Object.freeze({ ...options });
  hono.notFound((c) => serve(c, app));
  hono.onError((error, c) => {
    if ("res" in error && error.res instanceof Response) return error.res;
    const response = toResponse(errorResponse(error, requestOf(c), settings));
    return c.newResponse(response.body, response);
  });
  return hono;
}

/**
 * Listens for HTTP, through `@hono/node-server` (install it beside Hono).
 *
 * @throws {ConfigurationError} `invalid_option`: the port is no port.
 * @throws {Error} The system's: `EADDRINUSE`, `EACCES`. Nothing listens.
 */
export async function listen(hono: FetchApp, options: ListenOptions): Promise<Listening> {
  const { getRequestListener } = await import("@hono/node-server");
  const serve = getRequestListener((request, env) => hono.fetch(request, env), { errorHandler: answerUnroutable });
  return listenOn(
    createServer((incoming, outgoing) => {
      makeRoutable(incoming);
      void serve(incoming, outgoing); // it answers its own failures and never rejects
    }),
    options,
  );
}

async function serve(c: Context, app: App): Promise<Response> {
  const request = requestOf(c);
  const { response, settle } = await app.handle(request, () => {
    replayBody(request, c);
    return c.req.raw;
  });
  if (settle === undefined) return response;
  const { incoming, outgoing } = nodeOf(c);
  if (incoming === undefined || outgoing === undefined) return settleWith(response, c, settle);
  settleAfter(incoming, outgoing, settle);
  return response;
}

// Decodes to U+FFFD, the character that stands for what could not be decoded; no route has it.
const UNROUTABLE = "/%EF%BF%BD";
const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

// Of some heads no Fetch request can be made (a backslash in the path, a Host that is none). Hono gets a stand-in, so that its
// guards run and answer as on every framework; they, and the App, still see the target and the header as sent.
function makeRoutable(incoming: IncomingMessage & { originalUrl?: string }): void {
  const { url = "/", headers } = incoming;
  if (headers.host === undefined || !HOST.test(headers.host)) headers.host = "localhost";
  const path = url.split("?", 1)[0] ?? "";
  if (!path.includes("\\")) return;
  incoming.originalUrl = url;
  incoming.url = UNROUTABLE;
}

// What is left: heads that node-server itself refuses, before Hono and its guards.
function answerUnroutable(error: unknown): Response {
  const problem = error instanceof Error && error.name === "RequestError" ? problems.malformedRequest() : problems.internal();
  return new Response(JSON.stringify(problemBody(problem, undefined)), {
    status: problem.status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", "x-content-type-options": "nosniff" },
  });
}
