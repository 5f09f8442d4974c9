import { ALLOW, createFactKey, defineRoute, type Guard, type GuardRequest, ProblemError, problems, type Route } from "@portcullis/core";
import { internalsOf } from "../auth-internals.js";
import type { Auth } from "../create-auth.js";
import { credentialFact } from "./credential-fact.js";
import { answer, tokenOf } from "./route-answer.js";
import * as schemas from "./route-schemas.js";
import { withCookies } from "./token-answer.js";

const csrfCookieFact = createFactKey<string>("csrf-cookie");

/**
 * The CSRF token of the caller's session, for pages that lost it. Only a script of the same origin can read the answer.
 *
 * @param restricted Lets in who has to change the password first, too.
 */
export function csrfRoutes(auth: Auth, prefix: string, restricted: Guard): readonly Route[] {
  const { cookies, settings } = internalsOf("authRoutes.auth", auth);
  if (cookies === undefined) return [];
  const readCookie: Guard = Object.freeze({
    name: "csrf-cookie",
    check(request: GuardRequest) {
      const jar = cookies.read(request);
      if (jar !== "ambiguous" && jar.csrf !== undefined) request.facts.set(csrfCookieFact, jar.csrf);
      return ALLOW;
    },
  });
  return [
    defineRoute({
      method: "GET",
      path: `${prefix}/csrf`,
      operationId: "authCsrf",
      summary: "The CSRF token of the session, also set as a cookie",
      tags: ["auth"],
      guards: [restricted, readCookie],
      responses: { 200: { description: "To be sent in x-csrf-token.", schema: schemas.csrfResponse } },
      async handle(_request, { facts }) {
        if (facts.get(credentialFact)?.source !== "cookie") {
          throw new ProblemError(problems.forbidden({ detail: "Only a session cookie needs a CSRF token." }));
        }
        const { sessionId } = tokenOf(facts);
        const session = await settings.store.sessions.find(sessionId);
        if (session === undefined) throw new ProblemError(problems.sessionRevoked());
        const maxAgeSeconds = Math.floor((session.expiresAt - session.readAt) / 1000);
        const { lines, csrfToken } = cookies.issueCsrf(sessionId, facts.get(csrfCookieFact), maxAgeSeconds);
        return withCookies(answer(200, schemas.csrfResponse, { csrf_token: csrfToken }), lines);
      },
    }),
  ];
}
