import type { App } from "@portcullis/core";
import { fastifyOptions, type Listening, listen, type ListenOptions, mount } from "@portcullis/fastify";
import Fastify from "fastify";

/** Serves the application on Fastify. */
export function serveOnFastify(app: App, options: ListenOptions): Promise<Listening> {
  return listen(mount(Fastify(fastifyOptions), app), options);
}
