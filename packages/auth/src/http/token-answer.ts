// How tokens and what came of a login reach the client.

import { ProblemError } from "@portcullis/core";
import type { z } from "zod";
import type { SessionCookies } from "../cookies/session-cookies.js";
import type { LoginResult } from "../login/sign-in.js";
import type { TokenPair } from "../tokens/token-pair.js";
import { answer, userBody } from "./route-answer.js";
import * as schemas from "./route-schemas.js";

/**
 * Answers a login, a registration, a proof of a second factor.
 *
 * @param cookies Where the tokens go (`deliveryAsked`, `deliveryAsCame`); absent: into the body.
 */
export function loginAnswer(result: LoginResult, cookies?: SessionCookies): Response {
  switch (result.kind) {
    case "denied":
      throw new ProblemError(result.problem);
    case "mfa_required":
      return answer(200, schemas.mfaRequiredResponse, {
        mfa_required: true,
        mfa_token: result.challenge.token,
        mfa_token_expires_at: result.challenge.expiresAt,
        mfa_enrolled: result.challenge.enrolled,
      });
    case "ok": {
      const { tokens, account, deviceToken } = result.value;
      const details = { user: userBody(account), ...(deviceToken === undefined ? {} : { device_token: deviceToken }) };
      if (cookies === undefined) return answer(200, schemas.loginResponse, { ...tokensBody(tokens), ...details });
      const { lines, csrfToken } = cookies.issue(tokens);
      return withCookies(answer(200, schemas.cookieLoginResponse, { ...cookieBody(tokens, csrfToken), ...details }), lines);
    }
  }
}

/** Answers with the next tokens of somebody who is known already. @param cookies As for {@link loginAnswer}. */
export function tokensAnswer(tokens: TokenPair, cookies?: SessionCookies): Response {
  if (cookies === undefined) return answer(200, schemas.tokensResponse, tokensBody(tokens));
  const { lines, csrfToken } = cookies.issue(tokens);
  return withCookies(answer(200, schemas.cookieTokensResponse, cookieBody(tokens, csrfToken)), lines);
}

/** The response with these `Set-Cookie` values, each in a line of its own (RFC 6265 §3). */
export function withCookies(response: Response, lines: readonly string[]): Response {
  for (const line of lines) response.headers.append("set-cookie", line);
  return response;
}

function tokensBody(tokens: TokenPair): z.input<typeof schemas.tokensResponse> {
  return { access_token: tokens.accessToken, refresh_token: tokens.refreshToken, token_type: "Bearer", ...lifetimes(tokens) };
}

function cookieBody(tokens: TokenPair, csrfToken: string): z.input<typeof schemas.cookieTokensResponse> {
  return { ...lifetimes(tokens), csrf_token: csrfToken };
}

function lifetimes(tokens: TokenPair): { readonly expires_in: number; readonly refresh_expires_in: number } {
  return {
    expires_in: Math.round((tokens.accessExpiresAt - tokens.issuedAt) / 1000),
    refresh_expires_in: Math.round((tokens.refreshExpiresAt - tokens.issuedAt) / 1000),
  };
}
