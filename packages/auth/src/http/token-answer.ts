// How tokens and what came of a login reach the client.

import { ProblemError } from "@portcullis/core";
import type { z } from "zod";
import type { LoginResult } from "../login/sign-in.js";
import type { TokenPair } from "../tokens/token-pair.js";
import { answer, userBody } from "./route-answer.js";
import * as schemas from "./route-schemas.js";

/** Answers a login, a registration, a proof of a second factor. */
export function loginAnswer(result: LoginResult): Response {
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
    case "ok":
      return answer(200, schemas.loginResponse, {
        ...tokensBody(result.value.tokens),
        user: userBody(result.value.account),
        ...(result.value.deviceToken === undefined ? {} : { device_token: result.value.deviceToken }),
      });
  }
}

/** Answers with the next tokens of somebody who is known already. */
export function tokensAnswer(tokens: TokenPair): Response {
  return answer(200, schemas.tokensResponse, tokensBody(tokens));
}

function tokensBody(tokens: TokenPair): z.input<typeof schemas.tokensResponse> {
  return {
    access_token: tokens.accessToken,
    refresh_token: tokens.refreshToken,
    token_type: "Bearer",
    expires_in: Math.round((tokens.accessExpiresAt - tokens.issuedAt) / 1000),
    refresh_expires_in: Math.round((tokens.refreshExpiresAt - tokens.issuedAt) / 1000),
  };
}
