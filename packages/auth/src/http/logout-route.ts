import {
  ALLOW,
  createFactKey,
  defineRoute,
  type FactKey,
  type Guard,
  type GuardRequest,
  type MaybePromise,
  parseStrictJson,
  JsonRefused,
  principalFact,
  type Route,
} from "@portcullis/core";
import type { Auth } from "../create-auth.js";
import { rememberLogoutPath } from "./logout-path.js";
import { answer, SMALL_BODY_BYTES, tokenOf, valueOf } from "./route-answer.js";
import { messageResponse } from "./route-schemas.js";
import { logoutBody } from "./session-schemas.js";

/** Finds the refresh token that came with a logout; `undefined`: none, or nothing that could be one. */
export type RefreshTokenOf = (request: GuardRequest) => MaybePromise<string | undefined>;

const refreshTokenFact: FactKey<string> = createFactKey<string>("logout-refresh-token");

/**
 * `POST /logout`. An access token that is good ends its session. For everybody else (it has expired, its session is over already, there
 * is none) the refresh token decides, so that somebody who comes back after an hour can still log out, and twice is as good as once.
 *
 * @param restricted Lets in who has to change the password first, too.
 * @param refreshTokenOf Where the refresh token is; {@link refreshTokenOfBody}, or what also looks into a cookie.
 */
export function logoutRoute(auth: Auth, path: string, restricted: Guard, refreshTokenOf: RefreshTokenOf = refreshTokenOfBody): Route {
  rememberLogoutPath(auth, path);
  const guard: Guard = Object.freeze({
    name: "authenticate-logout",
    async check(request: GuardRequest) {
      const verdict = await restricted.check(request);
      // Several credentials (400) and what is forbidden (403) stay so: a refresh token excuses only that the other is no longer good.
      if (verdict.kind !== "deny" || verdict.problem.status !== 401) return verdict;
      const refreshToken = await refreshTokenOf(request);
      if (refreshToken === undefined) return verdict;
      request.facts.set(refreshTokenFact, refreshToken);
      return ALLOW;
    },
  });
  return defineRoute({
    method: "POST",
    path,
    operationId: "authLogout",
    summary: "End this session, by its access token, or by { refresh_token } in the body",
    tags: ["auth"],
    guards: [guard],
    responses: { 200: { description: "The session and its tokens are ended.", schema: messageResponse } },
    async handle(_request, { facts }) {
      const refreshToken = facts.get(principalFact) === undefined ? facts.get(refreshTokenFact) : undefined;
      if (refreshToken === undefined) await auth.logout(tokenOf(facts));
      else valueOf(await auth.logoutByRefresh(refreshToken));
      return answer(200, messageResponse, { message: "Logged out" });
    },
  });
}

/** The `refresh_token` of a JSON body; a logout needs no body, so that everything else is no error. */
export async function refreshTokenOfBody(request: GuardRequest): Promise<string | undefined> {
  const bytes = await request.rawBody(SMALL_BODY_BYTES);
  if (bytes.length === 0) return undefined;
  try {
    const body = logoutBody.safeParse(parseStrictJson(bytes));
    return body.success ? body.data.refresh_token : undefined;
  } catch (error) {
    if (error instanceof JsonRefused) return undefined;
    throw error;
  }
}
