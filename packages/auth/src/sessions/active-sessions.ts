import { type Clock, type Metrics, quietly } from "@portcullis/core";
import { MINUTE_MS } from "../settings/option-checks.js";

/** A session that was seen. */
export interface SeenSession {
  readonly sessionId: string;
  /** Number of the window in which it was counted last; 0: never. Spares looking for it at each request. */
  seenIn: number;
}

/** Sessions in use in this process. */
export interface ActiveSessions {
  /** A token of the session was accepted. */
  see(session: SeenSession, nowMs: number): void;
}

const WINDOW_MS = 5 * MINUTE_MS;
/** Per window; beyond it the number stands still. */
const MOST_COUNTED = 100_000;

/**
 * Counts the sessions of which this process accepted an access token in the current window of five minutes or in the one before it.
 *
 * How many are open only the store knows; how many were used a process can say of itself. A session that several processes serve is
 * counted by each of them, and one that ended until its windows are over.
 */
export function createActiveSessions(metrics: Metrics, clock: Clock): ActiveSessions {
  const gauge = metrics.gauge({
    name: "auth_sessions_active",
    help: "Sessions whose access tokens this process accepted in the last five to ten minutes.",
  });
  let current = new Set<string>();
  /** Seen in the window before and not since. */
  let previous = new Set<string>();
  let window = 0;

  const report = quietly(() => gauge.set(current.size + previous.size));
  const turnTo = (next: number): void => {
    // The wall clock may be set back: what was counted stays counted.
    if (next <= window) return;
    previous = next === window + 1 ? current : new Set();
    current = new Set();
    window = next;
  };
  // Where nobody calls any more, only a reader notices the time.
  metrics.onCollect?.(() => {
    turnTo(Math.floor(clock.now() / WINDOW_MS));
    report(undefined);
  });

  return Object.freeze({
    see(session: SeenSession, nowMs: number): void {
      const now = Math.floor(nowMs / WINDOW_MS);
      if (session.seenIn === now) return;
      session.seenIn = now;
      turnTo(now);
      if (current.size < MOST_COUNTED) {
        previous.delete(session.sessionId);
        current.add(session.sessionId);
      }
      report(undefined);
    },
  });
}
