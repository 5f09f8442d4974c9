import { defineRoute, type Guard, ProblemError, problems, type Route, subjectOf } from "@portcullis/core";
import type { Auth } from "../create-auth.js";
import { accessTokenFact } from "../tokens/access-token.js";
import { deliveryAsCame } from "./delivery.js";
import { logoutRoute } from "./logout-route.js";
import { answer, principalOf, tokenOf, userBody, valueOf } from "./route-answer.js";
import * as schemas from "./route-schemas.js";
import { sessionListRoutes } from "./session-list-routes.js";
import { withCookies } from "./token-answer.js";

/** The caller, and the caller's sessions. @param restricted Lets in who has to change the password first, too. */
export function sessionRoutes(auth: Auth, prefix: string, signedIn: Guard, restricted: Guard): readonly Route[] {
  const tags = ["auth"];
  return [
    logoutRoute(auth, `${prefix}/logout`, restricted),
    ...sessionListRoutes(auth, prefix, signedIn),
    defineRoute({
      method: "POST",
      path: `${prefix}/logout-all`,
      operationId: "authLogoutAll",
      summary: "End every session of the caller",
      tags,
      guards: [signedIn],
      responses: { 200: { description: "All tokens issued so far are refused.", schema: schemas.logoutAllResponse } },
      async handle(_request, { facts }) {
        const { tokenVersion } = valueOf(await auth.logoutAll(tokenOf(facts)));
        const done = answer(200, schemas.logoutAllResponse, {
          message: "All sessions terminated",
          sessions_invalidated: true,
          token_version: tokenVersion,
        });
        return withCookies(done, deliveryAsCame(auth, facts)?.cleared ?? []);
      },
    }),
    defineRoute({
      method: "GET",
      path: `${prefix}/me`,
      operationId: "authMe",
      summary: "Who is calling",
      tags,
      guards: [restricted],
      responses: { 200: { description: "The caller's account.", schema: schemas.meResponse } },
      async handle(_request, { facts }) {
        const principal = principalOf(facts);
        const account = await auth.users.byId(subjectOf(principal));
        if (account === undefined) throw new ProblemError(problems.sessionRevoked());
        const token = facts.get(accessTokenFact);
        return answer(200, schemas.meResponse, {
          ...userBody(account),
          credential: token === undefined ? "api_key" : "access_token",
          session_id: token?.sessionId ?? null,
        });
      },
    }),
  ];
}
