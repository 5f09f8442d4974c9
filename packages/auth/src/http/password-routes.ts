import { defineRoute, type Guard, type Route } from "@portcullis/core";
import type { Auth } from "../create-auth.js";
import { clientOf } from "./client-context.js";
import { deliveryAsCame } from "./delivery.js";
import { SMALL_BODY_BYTES, tokenOf, valueOf } from "./route-answer.js";
import * as schemas from "./route-schemas.js";
import { tokensAnswer } from "./token-answer.js";

/** Passwords of people who are logged in. @param restricted Lets in who has to change the password first, too. */
export function passwordRoutes(auth: Auth, prefix: string, restricted: Guard): readonly Route[] {
  const tags = ["auth"];
  return [
    defineRoute({
      method: "POST",
      path: `${prefix}/change-password`,
      operationId: "authChangePassword",
      summary: "Change the caller's password; every session ends and a new one begins",
      tags,
      guards: [restricted],
      input: { body: schemas.changePasswordBody, maxBodyBytes: SMALL_BODY_BYTES },
      responses: { 200: { description: "Tokens of a new session.", schema: schemas.tokensResponse } },
      async handle(request, { facts, body }) {
        const change = { currentPassword: body.current_password, newPassword: body.new_password };
        const tokens = valueOf(await auth.changePassword(tokenOf(facts), change, clientOf(request, facts)));
        return tokensAnswer(tokens, deliveryAsCame(auth, facts));
      },
    }),
  ];
}
