import { defineRoute, type Route } from "@portcullis/core";
import { z } from "zod";
import type { Auth } from "../create-auth.js";
import { clientOf } from "./client-context.js";
import { SMALL_BODY_BYTES, valueOf } from "./route-answer.js";
import * as schemas from "./route-schemas.js";
import { loginAnswer, tokensAnswer } from "./token-answer.js";

/** What is open to strangers: they prove who they are here. */
export function loginRoutes(auth: Auth, prefix: string): readonly Route[] {
  const tags = ["auth"];
  return [
    defineRoute({
      method: "POST",
      path: `${prefix}/login`,
      operationId: "authLogin",
      summary: "Log in with e-mail address and password",
      tags,
      input: { body: schemas.loginBody, maxBodyBytes: SMALL_BODY_BYTES },
      responses: {
        200: {
          description: "Tokens of a new session, or the demand for a second factor.",
          schema: z.union([schemas.loginResponse, schemas.mfaRequiredResponse]),
        },
      },
      handle: async (request, { body: { device_token: device, ...body }, facts }) =>
        loginAnswer(await auth.login(body, { ...clientOf(request, facts), device })),
    }),
    defineRoute({
      method: "POST",
      path: `${prefix}/refresh`,
      operationId: "authRefresh",
      summary: "Exchange a refresh token, once, for the next pair",
      tags,
      input: { body: schemas.refreshBody, maxBodyBytes: SMALL_BODY_BYTES },
      responses: { 200: { description: "The next tokens of the session.", schema: schemas.tokensResponse } },
      handle: async (_request, { body }) => tokensAnswer(valueOf(await auth.refresh(body.refresh_token))),
    }),
  ];
}
