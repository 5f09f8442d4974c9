import { ALLOW, createFactKey, type Facts, type Guard, type GuardRequest, type Verdict } from "@portcullis/core";
import type { AuthInternals } from "../auth-internals.js";
import type { SessionCookies } from "../cookies/session-cookies.js";
import type { Auth } from "../create-auth.js";
import { refreshClaims } from "./refresh-cookie.js";

/** A session by its ids alone. */
export interface SessionName {
  readonly userId: string;
  readonly sessionId: string;
}

/** Ends a session, its access tokens with it. Idempotent. */
export async function endSession({ settings, instruments, revocations }: AuthInternals, { userId, sessionId }: SessionName): Promise<void> {
  const ended = await settings.store.sessions.revoke(userId, { id: sessionId });
  if (ended.length === 0) return;
  revocations.announce({ subjectId: userId, sessionId, kind: "session" });
  instruments.emit({ kind: "logout", userId, sessionId });
}

const formerFact = createFactKey<SessionName>("former-session");

/**
 * Remembers whose cookies a browser has that is about to get others. Denies nothing: planted or bad cookies must not keep anybody from
 * logging in.
 */
export function formerSessionGuard(auth: Auth, internals: AuthInternals, cookies: SessionCookies): Guard {
  return Object.freeze({
    name: "former-session",
    async check(request: GuardRequest): Promise<Verdict> {
      const jar = cookies.read(request);
      if (jar === "ambiguous") return ALLOW;
      const claims = jar.refresh === undefined ? undefined : refreshClaims(internals, jar.refresh);
      if (claims !== undefined) request.facts.set(formerFact, { userId: claims.sub, sessionId: claims.sid });
      else if (jar.session !== undefined) {
        const token = await auth.verifyAccessToken(jar.session);
        if (token.kind === "ok") request.facts.set(formerFact, { userId: token.value.principal.id, sessionId: token.value.sessionId });
      }
      return ALLOW;
    },
  });
}

/** Ends the session whose cookies the answer overwrites (ASVS 7.2.4): nobody could log out of it any more. */
export async function endFormerSession(internals: AuthInternals, facts: Facts): Promise<void> {
  const former = facts.get(formerFact);
  if (former !== undefined) await endSession(internals, former);
}
