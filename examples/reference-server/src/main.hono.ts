import type { App } from "@portcullis/core";
import { type Listening, listen, type ListenOptions, mount } from "@portcullis/hono";
import { Hono } from "hono";

/** Serves the application on Hono. */
export function serveOnHono(app: App, options: ListenOptions): Promise<Listening> {
  return listen(mount(new Hono(), app), options);
}
