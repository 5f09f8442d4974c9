import { ALLOW, createFactKey, defineRoute, deny, type Guard, type GuardRequest, type Route, type Verdict } from "@portcullis/core";
import { internalsOf } from "../auth-internals.js";
import type { Auth } from "../create-auth.js";
import { accessTokenFact } from "../tokens/access-token.js";
import { credentialOf } from "./credentials.js";
import { rememberLogoutPath } from "./logout-path.js";
import { peekBody } from "./peek-body.js";
import { AMBIGUOUS_SESSION, forgeryProblem, refreshCookieFact, refreshCookieGuard } from "./refresh-cookie.js";
import { answer, tokenOf, valueOf } from "./route-answer.js";
import { messageResponse } from "./route-schemas.js";
import { logoutBody } from "./session-schemas.js";
import { withCookies } from "./token-answer.js";

/** Who leaves without a good access token: by a refresh token that was sent, by the one of the cookie, or with nothing left to end. */
type Leaving = { readonly by: "body" | "cookie"; readonly refreshToken: string } | { readonly by: "nothing" };

const leavingFact = createFactKey<Leaving>("leaving");

/**
 * `POST /logout`. An access token that is good ends its session. For everybody else (it has expired, its session is over already, there
 * is none) the refresh token decides, of the body or of the cookie, so that somebody who comes back after an hour can still log out, and
 * twice is as good as once. A browser's cookies go in any case.
 *
 * @param restricted Lets in who has to change the password first, too.
 */
export function logoutRoute(auth: Auth, path: string, restricted: Guard): Route {
  const internals = internalsOf("authRoutes.auth", auth);
  const { cookies } = internals;
  rememberLogoutPath(auth, path);

  /** What a browser without a good session cookie may do. @returns `undefined`: the request is no browser's. */
  function leaveByCookie(request: GuardRequest): Verdict | undefined {
    const jar = cookies?.read(request);
    // A header field's credential is judged as everywhere: whoever sends one is no browser that only wants to be rid of its cookies.
    if (cookies === undefined || jar === undefined || jar === "ambiguous" || credentialOf(request).kind !== "none") return undefined;
    const cookie = request.facts.get(refreshCookieFact);
    // Without a session that a token could belong to, the request must at least be of our own pages.
    const nothing = { token: "", claims: undefined, csrf: cookies.csrfRefusal(request, jar, undefined) };
    const forgery = forgeryProblem(internals, cookie ?? nothing);
    if (forgery !== undefined) return deny(forgery);
    request.facts.set(leavingFact, cookie === undefined ? { by: "nothing" } : { by: "cookie", refreshToken: cookie.token });
    return ALLOW;
  }

  const guard: Guard = Object.freeze({
    name: "authenticate-logout",
    async check(request: GuardRequest): Promise<Verdict> {
      if (cookies?.read(request) === "ambiguous") return AMBIGUOUS_SESSION;
      const verdict = await restricted.check(request);
      // Several credentials (400) and what is forbidden (403) stay so: a refresh token excuses only that the other is no longer good.
      if (verdict.kind !== "deny" || verdict.problem.status !== 401) return verdict;
      // A logout needs no body, so that everything else in it is no error.
      const refreshToken = (await peekBody(request, logoutBody))?.refresh_token;
      if (refreshToken === undefined) return leaveByCookie(request) ?? verdict;
      request.facts.set(leavingFact, { by: "body", refreshToken });
      return ALLOW;
    },
  });

  return defineRoute({
    method: "POST",
    path,
    operationId: "authLogout",
    summary: "End this session, by its access token, by { refresh_token } in the body, or by the refresh cookie",
    tags: ["auth"],
    guards: cookies === undefined ? [guard] : [refreshCookieGuard(internals, cookies), guard],
    responses: { 200: { description: "The session and its tokens are ended.", schema: messageResponse } },
    async handle(_request, { facts }) {
      const leaving = facts.get(accessTokenFact) === undefined ? facts.get(leavingFact) : undefined;
      if (leaving === undefined) await auth.logout(tokenOf(facts));
      else if (leaving.by === "body") valueOf(await auth.logoutByRefresh(leaving.refreshToken));
      // A cookie that is none of ours is taken away, which is all that can be done about it.
      else if (leaving.by === "cookie") await auth.logoutByRefresh(leaving.refreshToken);
      return withCookies(answer(200, messageResponse, { message: "Logged out" }), cookies?.cleared ?? []);
    },
  });
}
