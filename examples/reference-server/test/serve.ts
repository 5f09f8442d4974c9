import type { App } from "@portcullis/core";
import type { Listening, ListenOptions } from "@portcullis/core/node";
import { serveOnExpress } from "../src/main.express.js";
import { serveOnFastify } from "../src/main.fastify.js";
import { serveOnHono } from "../src/main.hono.js";

/** The same application on each framework. */
export const FRAMEWORKS: Readonly<Record<"express" | "fastify" | "hono", (app: App, options: ListenOptions) => Promise<Listening>>> = {
  express: serveOnExpress,
  fastify: serveOnFastify,
  hono: serveOnHono,
};
