import { ALLOW, createFactKey, deny, type Guard, type GuardRequest, type Problem, problems, type Verdict } from "@portcullis/core";
import type { AuthInternals } from "../auth-internals.js";
import type { CsrfRefusal } from "../cookies/cookie-event.js";
import type { SessionCookies } from "../cookies/session-cookies.js";
import { readClaims, type TokenClaims } from "../tokens/claims.js";

/** The refresh cookie of a request and what speaks against believing it. */
export interface RefreshCookie {
  readonly token: string;
  /** What it says, if we signed it and its time is not over; whether its session goes on is not asked. */
  readonly claims: TokenClaims | undefined;
  readonly csrf: CsrfRefusal | undefined;
}

export const refreshCookieFact = createFactKey<RefreshCookie>("refresh-cookie");

export const AMBIGUOUS_SESSION: Verdict = deny(problems.ambiguousSession(), [["www-authenticate", 'Bearer error="invalid_token"']]);

/**
 * Reads the refresh cookie for the handler, which knows whether it is used. It is as forgeable as the session cookie and asks for the
 * same: no other origin, and a token of the session. `SameSite=Strict` would let a neighbouring host through.
 */
export function refreshCookieGuard(internals: AuthInternals, cookies: SessionCookies): Guard {
  return Object.freeze({
    name: "refresh-cookie",
    check(request: GuardRequest): Verdict {
      const jar = cookies.read(request);
      if (jar === "ambiguous") return AMBIGUOUS_SESSION;
      if (jar.refresh === undefined) return ALLOW;
      const claims = refreshClaims(internals, jar.refresh);
      request.facts.set(refreshCookieFact, { token: jar.refresh, claims, csrf: cookies.csrfRefusal(request, jar, claims?.sid) });
      return ALLOW;
    },
  });
}

/** The problem of a request that uses a refresh cookie and is not to be believed. */
export function forgeryProblem({ instruments }: AuthInternals, { csrf, claims }: RefreshCookie): Problem | undefined {
  if (csrf === undefined) return undefined;
  instruments.csrfRefused(csrf, { userId: claims?.sub, sessionId: claims?.sid });
  return problems.csrfFailed();
}

/** What a refresh token says, if we signed it and its time is not over. */
export function refreshClaims({ kinds, settings }: AuthInternals, token: string): TokenClaims | undefined {
  const { jws, policy } = kinds.refresh;
  const opened = jws.open(token);
  if (opened.kind === "refused") return undefined;
  const claims = readClaims(opened.claims, policy, settings.clock.now());
  return typeof claims === "string" ? undefined : claims;
}
