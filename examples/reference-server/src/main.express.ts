import type { App } from "@portcullis/core";
import { type Listening, listen, type ListenOptions, mount } from "@portcullis/express";
import express from "express";

/** Serves the application on Express. */
export function serveOnExpress(app: App, options: ListenOptions): Promise<Listening> {
  return listen(mount(express().disable("x-powered-by"), app), options);
}
