import { defineRoute, invalidOption, type Facts, type Route } from "@portcullis/core";
import type { AccountMail } from "../accounts/create-account-mail.js";
import type { MailAccepted } from "../accounts/mail-room.js";
import type { Registration } from "../accounts/registration.js";
import type { AuthResult } from "../auth-result.js";
import type { NewAccount } from "../login/create-account.js";
import type { ClientContext } from "../sessions/session-data.js";
import * as mailSchemas from "./account-mail-schemas.js";
import { clientOf } from "./client-context.js";
import { answer, SMALL_BODY_BYTES, userBody, valueOf } from "./route-answer.js";
import { messageResponse, userResponse } from "./route-schemas.js";

/** What people get who register themselves. */
export interface RegistrationOptions extends Pick<NewAccount, "roles" | "orgRoles" | "orgId" | "workspaceId"> {}

const ACCEPTED = { message: "If this address can be used for that, a letter is on its way." };
const tags = ["auth"];

/** Routes that anybody may call, with the address or with the token of a letter. */
export function accountMailRoutes(mail: AccountMail, prefix: string): readonly Route[] {
  return [
    requestRoute(`${prefix}/password-reset/request`, "authRequestPasswordReset", "Ask for a link to set a new password", (email, client) =>
      mail.requestPasswordReset(email, client),
    ),
    defineRoute({
      method: "POST",
      path: `${prefix}/password-reset/confirm`,
      operationId: "authConfirmPasswordReset",
      summary: "Set a new password with the token of a letter; every session ends",
      tags,
      input: { body: mailSchemas.passwordResetBody, maxBodyBytes: SMALL_BODY_BYTES },
      responses: { 200: { description: "The password is set. Log in with it.", schema: messageResponse } },
      async handle(request, { body, facts }) {
        valueOf(await mail.confirmPasswordReset({ token: body.token, newPassword: body.new_password }, clientOf(request, facts)));
        return answer(200, messageResponse, { message: "Password set" });
      },
    }),
    requestRoute(
      `${prefix}/email-verification/request`,
      "authRequestEmailVerification",
      "Ask for a link that proves an address",
      (email, client) => mail.requestEmailVerification(email, client),
    ),
    defineRoute({
      method: "POST",
      path: `${prefix}/email-verification/confirm`,
      operationId: "authConfirmEmail",
      summary: "Prove an address with the token of a letter",
      tags,
      input: { body: mailSchemas.linkBody, maxBodyBytes: SMALL_BODY_BYTES },
      responses: { 200: { description: "The address is verified.", schema: messageResponse } },
      async handle(_request, { body }) {
        valueOf(await mail.confirmEmail(body.token));
        return answer(200, messageResponse, { message: "Address verified" });
      },
    }),
  ];
}

/** Registration by letter. @throws {ConfigurationError} `invalid_option`: no letter can be sent, or it is not said with which roles. */
export function registrationRoutes(registration: Registration | undefined, prefix: string, options: RegistrationOptions): readonly Route[] {
  if (registration === undefined) {
    throw invalidOption("authRoutes.registration", options, "given with an accountMail whose deliver has registration");
  }
  if (!Array.isArray(options.roles)) throw invalidOption("authRoutes.registration.roles", options.roles, "a list of roles");
  const { roles, orgRoles = [], orgId, workspaceId } = options;
  const rights = Object.freeze({
    roles: Object.freeze([...roles]),
    orgRoles: Object.freeze([...orgRoles]),
    ...(orgId === undefined ? {} : { orgId }),
    ...(workspaceId === undefined ? {} : { workspaceId }),
  });
  return [
    requestRoute(`${prefix}/register`, "authRegister", "Ask for a link to make an account", (email, client) =>
      registration.request(email, client),
    ),
    defineRoute({
      method: "POST",
      path: `${prefix}/register/confirm`,
      operationId: "authConfirmRegistration",
      summary: "Make the account with the token of a letter, and choose its password",
      tags,
      input: { body: mailSchemas.registrationBody, maxBodyBytes: SMALL_BODY_BYTES },
      responses: { 201: { description: "The account. Log in to it.", schema: userResponse } },
      async handle(_request, { body: { token, password, name } }) {
        const account = { ...rights, password, ...(name === undefined ? {} : { name }) };
        return answer(201, userResponse, userBody(valueOf(await registration.confirm(token, account))));
      },
    }),
  ];
}

function requestRoute(
  path: string,
  operationId: string,
  summary: string,
  take: (email: string, client: ClientContext) => Promise<AuthResult<MailAccepted>>,
): Route {
  return defineRoute({
    method: "POST",
    path,
    operationId,
    summary,
    tags,
    input: { body: mailSchemas.addressBody, maxBodyBytes: SMALL_BODY_BYTES },
    responses: { 202: { description: "Taken. Whether there is an account is not said.", schema: messageResponse } },
    async handle(request: Request, { body, facts }: { readonly body: { readonly email: string }; readonly facts: Facts }) {
      valueOf(await take(body.email, clientOf(request, facts)));
      return answer(202, messageResponse, ACCEPTED);
    },
  });
}
