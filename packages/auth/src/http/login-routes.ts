import { defineRoute, type Facts, ProblemError, problems, type Route } from "@portcullis/core";
import { z } from "zod";
import { type AuthInternals, internalsOf } from "../auth-internals.js";
import type { SessionCookies } from "../cookies/session-cookies.js";
import type { Auth } from "../create-auth.js";
import { clientOf } from "./client-context.js";
import { deliveryAsked } from "./delivery.js";
import { deadSessionCleared, endFormerSession, formerSessionGuard } from "./end-session.js";
import { forgeryProblem, refreshCookieFact, refreshCookieGuard } from "./refresh-cookie.js";
import { SMALL_BODY_BYTES, valueOf } from "./route-answer.js";
import * as schemas from "./route-schemas.js";
import { loginAnswer, tokensAnswer, withCookies } from "./token-answer.js";

/** What is open to strangers: they prove who they are here. */
export function loginRoutes(auth: Auth, prefix: string): readonly Route[] {
  const internals = internalsOf("authRoutes.auth", auth);
  const { cookies } = internals;
  const login = defineRoute({
    method: "POST",
    path: `${prefix}/login`,
    operationId: "authLogin",
    summary: "Log in with e-mail address and password",
    tags: ["auth"],
    guards: cookies === undefined ? [] : [formerSessionGuard(auth, internals, cookies)],
    input: { body: schemas.loginBody, maxBodyBytes: SMALL_BODY_BYTES },
    responses: {
      200: {
        description: "Tokens of a new session, in the body or in cookies, or the demand for a second factor.",
        schema: z.union([schemas.loginResponse, schemas.cookieLoginResponse, schemas.mfaRequiredResponse]),
      },
    },
    async handle(request, { body, facts }) {
      const { email, password, delivery, device_token: device } = body;
      // Before the password is looked at: another origin must not even try one here.
      const target = deliveryAsked(auth, request, delivery);
      const result = await auth.login({ email, password }, { ...clientOf(request, facts), device });
      if (target !== undefined && result.kind === "ok") await endFormerSession(internals, facts);
      const answered = loginAnswer(result, target);
      return target !== undefined && result.kind === "mfa_required" ? withCookies(answered, deadSessionCleared(target, facts)) : answered;
    },
  });
  return [login, cookies === undefined ? bodyRefresh(auth, prefix) : anyRefresh(auth, prefix, cookies)];
}

const refresh = {
  method: "POST",
  operationId: "authRefresh",
  summary: "Exchange a refresh token, once, for the next pair",
  tags: ["auth"],
} as const;

function bodyRefresh(auth: Auth, prefix: string): Route {
  return defineRoute({
    ...refresh,
    path: `${prefix}/refresh`,
    input: { body: schemas.refreshBody, maxBodyBytes: SMALL_BODY_BYTES },
    responses: { 200: { description: "The next tokens of the session.", schema: schemas.tokensResponse } },
    handle: async (_request, { body }) => tokensAnswer(valueOf(await auth.refresh(body.refresh_token))),
  });
}

// From the body or from the cookie; the answer goes back the way the token came.
function anyRefresh(auth: Auth, prefix: string, cookies: SessionCookies): Route {
  const internals = internalsOf("authRoutes.auth", auth);
  return defineRoute({
    ...refresh,
    path: `${prefix}/refresh`,
    guards: [refreshCookieGuard(internals, cookies)],
    input: { body: schemas.optionalRefreshBody, bodyRequired: false, maxBodyBytes: SMALL_BODY_BYTES },
    responses: {
      200: {
        description: "The next tokens of the session, in the body or in cookies, wherever the refresh token was.",
        schema: z.union([schemas.tokensResponse, schemas.cookieTokensResponse]),
      },
    },
    async handle(_request, { body, facts }) {
      const sent = body?.refresh_token;
      const cookie = cookieOf(internals, facts, sent);
      if (cookie !== undefined) return tokensAnswer(valueOf(await auth.refresh(cookie)), cookies);
      if (sent === undefined) throw new ProblemError(problems.unauthenticated());
      return tokensAnswer(valueOf(await auth.refresh(sent)));
    },
  });
}

/** The refresh cookie to be used, if there is one. @throws {ProblemError} 1007: the body has another token. 1104: it is forged. */
function cookieOf(internals: AuthInternals, facts: Facts, sent: string | undefined): string | undefined {
  const cookie = facts.get(refreshCookieFact);
  if (cookie === undefined) return undefined;
  if (sent !== undefined && sent !== cookie.token) throw new ProblemError(problems.ambiguousCredentials());
  const forgery = forgeryProblem(internals, cookie);
  if (forgery !== undefined) throw new ProblemError(forgery);
  return cookie.token;
}
