import { invalidOption, ownOptions } from "@portcullis/core";
import type { Auth } from "../create-auth.js";
import { integer, MINUTE_MS, SECOND_MS } from "../settings/option-checks.js";

/** Options of `createSocketTickets`. */
export interface SocketTicketOptions {
  readonly auth: Auth;
  /**
   * Origins of the pages that may open sockets, exactly as browsers send them: `https://app.example.com`. A page of any other origin
   * can neither get a ticket nor use one (cross-site WebSocket hijacking). No default; an empty list means programs only.
   */
  readonly origins: readonly string[];
  /** Life of a ticket, ms; default and most 30 s; at least 1 s. */
  readonly ttlMs?: number;
  /**
   * How often the sessions of open sockets are looked up in the store, ms, in case a revocation was told to nobody; default 1 min;
   * 1 s to 1 h.
   */
  readonly recheckMs?: number;
}

/** Options with every default filled in. */
export interface SocketTicketSettings {
  readonly origins: ReadonlySet<string>;
  readonly ttlMs: number;
  readonly recheckMs: number;
}

const MOST_TTL_MS = 30 * SECOND_MS;

/** @throws {ConfigurationError} `invalid_option` */
export function readSocketTicketOptions(options: SocketTicketOptions): SocketTicketSettings {
  const { origins, ttlMs, recheckMs } = ownOptions("createSocketTickets", options, ["auth", "origins", "ttlMs", "recheckMs"]);
  if (!Array.isArray(origins)) throw invalidOption("socketTickets.origins", origins, "a list of origins, [] for programs only");
  for (const [index, origin] of origins.entries()) {
    // `null` is the origin of every sandboxed frame and of every file: it names nobody.
    if (!isOrigin(origin)) throw invalidOption(`socketTickets.origins[${index}]`, origin, "an origin like https://app.example.com");
  }
  return Object.freeze({
    origins: new Set(origins as readonly string[]),
    ttlMs: integer("socketTickets.ttlMs", ttlMs ?? MOST_TTL_MS, SECOND_MS, MOST_TTL_MS),
    recheckMs: integer("socketTickets.recheckMs", recheckMs ?? MINUTE_MS, SECOND_MS, 60 * MINUTE_MS),
  });
}

function isOrigin(origin: unknown): boolean {
  return typeof origin === "string" && /^https?:\/\//.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin;
}
