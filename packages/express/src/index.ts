export { createGuard, facts, guard } from "./guard.js";
export { listen, mount } from "./mount.js";

export type { ExpressRequest, Middleware, Next } from "./guard.js";
export type { ErrorMiddleware, ExpressApp } from "./mount.js";
export type { Listening, ListenOptions } from "@portcullis/core/node";
