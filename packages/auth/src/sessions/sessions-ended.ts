import type { MaybePromise } from "@portcullis/core";
import type { AuthEvent } from "../auth-event.js";
import type { Instruments, RevocationKind } from "../instruments.js";
import type { Revocations } from "../revocation/revocations.js";

/** Why sessions ended before their time. */
export type SessionEnding = "evicted" | "revoked" | "reused" | "logged_out" | "account_gone";

/**
 * Tells of sessions that ended in the store: all processes, events and metrics. Every ending that `sessions/` and `tokens/refresh-tokens.ts` decide
 * passes here, after the store's answer and before the caller's.
 */
export type SessionsEnded = (subjectId: string, sessionIds: readonly string[], ending: SessionEnding) => MaybePromise<void>;

const EVENTS = {
  evicted: "session_evicted",
  revoked: "session_revoked",
  reused: "refresh_reused",
  logged_out: "logout",
  account_gone: "session_revoked",
} as const satisfies Record<SessionEnding, AuthEvent["kind"]>;

export function createSessionsEnded(revocations: Pick<Revocations, "announce">, instruments: Instruments): SessionsEnded {
  return (subjectId, sessionIds, ending) => {
    const kind: RevocationKind = ending === "reused" ? "family" : "session";
    for (const sessionId of sessionIds) {
      revocations.announce({ subjectId, sessionId, kind });
      instruments.emit({ kind: EVENTS[ending], userId: subjectId, sessionId });
    }
  };
}
