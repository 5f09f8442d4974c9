import { ports } from "./0001-ports.js";
import { grants } from "./0002-grants.js";
import { revocation } from "./0003-revocation.js";
import type { Migration } from "./migration.js";

/** In order of their versions, which have no gap. */
export const migrations: readonly Migration[] = Object.freeze([ports, grants, revocation]);
