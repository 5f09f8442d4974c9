import { ALLOW, createFactKey, type FactKey, type Guard, type GuardRequest, JsonRefused, parseStrictJson } from "@portcullis/core";
import { SMALL_BODY_BYTES } from "./route-answer.js";
import { logoutBody } from "./session-schemas.js";

/** The refresh token that stands for the caller of a logout; absent where the caller was authenticated. Not verified yet. */
export const refreshTokenInsteadFact: FactKey<string> = createFactKey<string>("refresh-token-instead");

/**
 * Lets a logout through without a good access token (it has expired, its session is over already, there is none) when a `refresh_token`
 * is in the body: somebody who comes back after an hour can still log out, and twice is as good as once.
 *
 * @param authenticated What is asked first. Several credentials (400) and what is forbidden (403) stay refused.
 */
export function refreshTokenInstead(authenticated: Guard): Guard {
  return Object.freeze({
    name: "refresh-token-instead",
    async check(request: GuardRequest) {
      const verdict = await authenticated.check(request);
      if (verdict.kind !== "deny" || verdict.problem.status !== 401) return verdict;
      const refreshToken = await refreshTokenOf(request);
      if (refreshToken === undefined) return verdict;
      request.facts.set(refreshTokenInsteadFact, refreshToken);
      return ALLOW;
    },
  });
}

// A logout needs no body, so that one which says nothing of a refresh token is no error of its own.
async function refreshTokenOf(request: GuardRequest): Promise<string | undefined> {
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
