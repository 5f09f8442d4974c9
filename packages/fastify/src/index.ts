export { fastifyOptions } from "./fastify-options.js";
export { createGuard, facts, guard } from "./guard.js";
export { listen, mount } from "./mount.js";

export type { Hook } from "./guard.js";
export type { Listening, ListenOptions } from "@portcullis/core/node";
