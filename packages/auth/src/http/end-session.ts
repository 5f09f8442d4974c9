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

/** The session cookie is there and not good. */
const deadFact = createFactKey<true>("dead-session");
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
      const token = jar.session === undefined ? undefined : await auth.verifyAccessToken(jar.session);
      if (token?.kind === "denied") request.facts.set(deadFact, true);
      if (claims !== undefined) request.facts.set(formerFact, { userId: claims.sub, sessionId: claims.sid });
      else if (token?.kind === "ok") {
        request.facts.set(formerFact, { userId: token.value.principal.id, sessionId: token.value.sessionId });
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

/**
 * The `Set-Cookie` values for a login that goes on with its second factor: a dead session cookie must be gone by then, or the routes of the
 * second factor would turn the browser away for it.
 */
export function deadSessionCleared(cookies: SessionCookies, facts: Facts): readonly string[] {
  return facts.get(deadFact) === true ? [cookies.sessionCleared] : [];
}
