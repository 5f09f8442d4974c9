import { ownOptions } from "@portcullis/core";
import { DAY_MS, HOUR_MS, integer, MINUTE_MS, oneOf, SECOND_MS } from "../settings/option-checks.js";

/** How long sessions last, how many there may be, and how forgiving their refresh is. */
export interface SessionSettings {
  /** Life of an access token, ms; default 1 h; 1 s to 24 h. */
  readonly accessTtlMs: number;
  /** Life of a session from login, ms; no refresh extends it; default 30 d; from `accessTtlMs` to 365 d. */
  readonly refreshTtlMs: number;
  /** Ms without any use after which a session ends; default 0: never; else 1 min to 365 d. Use is noted about ten times within it. */
  readonly idleMs: number;
  /** Most sessions of one user at once; default 0: no bound; up to 10,000. */
  readonly max: number;
  /** Who gives way when they are all taken: the oldest session (default), or the new login. */
  readonly whenFull: "evict-oldest" | "refuse";
  /**
   * Ms in which a refresh token that was redeemed may be sent again and is answered with the same successor: several tabs, a lost
   * response. Default 10 s; 0 is strict; up to 60 s. As soon as the successor is redeemed, the grace is over.
   */
  readonly refreshGraceMs: number;
}

const MOST_NOTE_INTERVAL_MS = MINUTE_MS;

/**
 * How old the last noted use must be for a use to be noted: a tenth of the idle time, at most a minute, so that a session ends early by
 * that much at most, and a store is written to once in that time at most. `undefined`: nothing depends on it, nothing is noted.
 */
export function noteUseAfterMs({ sessions: { idleMs } }: { readonly sessions: Pick<SessionSettings, "idleMs"> }): number | undefined {
  return idleMs === 0 ? undefined : Math.max(SECOND_MS, Math.min(MOST_NOTE_INTERVAL_MS, Math.floor(idleMs / 10)));
}

const DEFAULTS: SessionSettings = Object.freeze({
  accessTtlMs: HOUR_MS,
  refreshTtlMs: 30 * DAY_MS,
  idleMs: 0,
  max: 0,
  whenFull: "evict-oldest",
  refreshGraceMs: 10 * SECOND_MS,
});

const NAMES = Object.freeze(["accessTtlMs", "refreshTtlMs", "idleMs", "max", "whenFull", "refreshGraceMs"] as const);

/** @throws {ConfigurationError} `invalid_option` */
export function readSessions(options: Partial<SessionSettings> = {}): SessionSettings {
  const { accessTtlMs, refreshTtlMs, idleMs, max, whenFull, refreshGraceMs } = { ...DEFAULTS, ...ownOptions("sessions", options, NAMES) };
  integer("sessions.accessTtlMs", accessTtlMs, SECOND_MS, DAY_MS);
  return Object.freeze({
    accessTtlMs,
    refreshTtlMs: integer("sessions.refreshTtlMs", refreshTtlMs, accessTtlMs, 365 * DAY_MS),
    idleMs: idleMs === 0 ? 0 : integer("sessions.idleMs", idleMs, MINUTE_MS, 365 * DAY_MS),
    max: integer("sessions.max", max, 0, 10_000),
    whenFull: oneOf("sessions.whenFull", whenFull, ["evict-oldest", "refuse"]),
    refreshGraceMs: integer("sessions.refreshGraceMs", refreshGraceMs, 0, MINUTE_MS),
  });
}
