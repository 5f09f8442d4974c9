export { createGuard, facts, guard } from "./guard.js";
export { listen, mount } from "./mount.js";

export type { FetchApp, HonoApp } from "./mount.js";
export type { Listening, ListenOptions } from "@portcullis/core/node";
