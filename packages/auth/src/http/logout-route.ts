import { ALLOW, createFactKey, defineRoute, deny, type Guard, type GuardRequest, type Route, type Verdict } from "@portcullis/core";
import { type AuthInternals, internalsOf } from "../auth-internals.js";
import type { SessionCookies } from "../cookies/session-cookies.js";
import type { Auth } from "../create-auth.js";
import { accessTokenFact } from "../tokens/access-token.js";
import { credentialOf } from "./credentials.js";
import { endSession } from "./end-session.js";
import { AMBIGUOUS_SESSION, forgeryProblem, refreshCookieFact, refreshCookieGuard } from "./refresh-cookie.js";
import { answer, tokenOf } from "./route-answer.js";
import * as schemas from "./route-schemas.js";
import { withCookies } from "./token-answer.js";

/** A browser without a good session cookie: it leaves by its refresh cookie, or there is nothing left to end. */
const leavingFact = createFactKey<true>("leaving");

/**
 * Logout. A browser is logged out also when the time of its session cookie is over, by its refresh cookie, and again when it was logged
 * out before; its cookies go in any case.
 *
 * @param restricted Lets in who has to change the password first, too.
 */
export function logoutRoute(auth: Auth, prefix: string, restricted: Guard): Route {
  const internals = internalsOf("authRoutes.auth", auth);
  const { cookies } = internals;
  return defineRoute({
    method: "POST",
    path: `${prefix}/logout`,
    operationId: "authLogout",
    summary: "End this session",
    tags: ["auth"],
    guards: cookies === undefined ? [restricted] : [refreshCookieGuard(internals, cookies), leaving(restricted, internals, cookies)],
    responses: { 200: { description: "The session and its tokens are ended.", schema: schemas.messageResponse } },
    async handle(_request, { facts }) {
      const token = facts.get(accessTokenFact);
      const claims = facts.get(refreshCookieFact)?.claims;
      if (token !== undefined || facts.get(leavingFact) === undefined) await auth.logout(tokenOf(facts));
      else if (claims !== undefined) await endSession(internals, { userId: claims.sub, sessionId: claims.sid });
      return withCookies(answer(200, schemas.messageResponse, { message: "Logged out" }), cookies?.cleared ?? []);
    },
  });
}

function leaving(restricted: Guard, internals: AuthInternals, cookies: SessionCookies): Guard {
  return Object.freeze({
    name: "leaving",
    async check(request: GuardRequest): Promise<Verdict> {
      const jar = cookies.read(request);
      if (jar === "ambiguous") return AMBIGUOUS_SESSION;
      // A header field's credential is judged as everywhere: whoever sends one is no browser that only wants to be rid of its cookies.
      if (credentialOf(request).kind !== "none") return restricted.check(request);
      if (jar.session !== undefined) {
        const verdict = await restricted.check(request);
        if (verdict.kind !== "deny" || verdict.problem.status !== 401) return verdict;
      }
      // Without a session that a token could belong to, the request must at least be of our own pages.
      const nothing = { token: "", claims: undefined, csrf: cookies.csrfRefusal(request, jar, undefined) };
      const forgery = forgeryProblem(internals, request.facts.get(refreshCookieFact) ?? nothing);
      if (forgery !== undefined) return deny(forgery);
      request.facts.set(leavingFact, true);
      return ALLOW;
    },
  });
}
