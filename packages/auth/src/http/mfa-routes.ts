import {
  callerOf as callerNow,
  defineRoute,
  type Facts,
  type Guard,
  type GuardRequest,
  ProblemError,
  problems,
  type Route,
} from "@portcullis/core";
import { z } from "zod";
import { internalsOf } from "../auth-internals.js";
import type { Auth } from "../create-auth.js";
import { needsMfa } from "../mfa/mfa-policy.js";
import type { MfaCaller } from "../mfa/mfa.js";
import { accessTokenFact } from "../tokens/access-token.js";
import { authenticate } from "./authenticate.js";
import { clientOf } from "./client-context.js";
import { deliveryAsCame, deliveryAsked } from "./delivery.js";
import { endFormerSession, formerSessionGuard } from "./end-session.js";
import { peekBody } from "./peek-body.js";
import * as schemas from "./mfa-schemas.js";
import { answer, principalOf, SMALL_BODY_BYTES, tokenOf, valueOf } from "./route-answer.js";
import { cookieLoginResponse, loginResponse } from "./route-schemas.js";
import { loginAnswer } from "./token-answer.js";

/**
 * Second factors: enrolling, verifying, replacing, taking away. None without the option `mfa`.
 *
 * @param unproven Lets in whose roles need a second factor that was not proven yet.
 */
export function mfaRoutes(auth: Auth, prefix: string, unproven: Guard): readonly Route[] {
  const { mfa } = auth;
  if (mfa === undefined) return [];
  const tags = ["auth"];
  // A login that is pending brings its token in the body, where no guard in front takes it for a credential.
  // Cookies of the session before it are not looked at then: bad or planted ones must not keep anybody from logging in.
  const anybody = authenticate(auth, { required: false, mustChangePassword: "allow", mfa: "allow" });
  const caller: Guard = Object.freeze({
    name: "mfa-caller",
    check: async (request: GuardRequest) =>
      ((await peekBody(request, schemas.pendingBody)) === undefined ? unproven : anybody).check(request),
  });
  const internals = internalsOf("authRoutes.auth", auth);
  const former = internals.cookies === undefined ? [] : [formerSessionGuard(auth, internals, internals.cookies)];
  return [
    defineRoute({
      method: "GET",
      path: `${prefix}/mfa`,
      operationId: "authMfaStatus",
      summary: "The caller's second factor",
      tags,
      guards: [unproven],
      responses: { 200: { description: "What there is.", schema: schemas.mfaStatusResponse } },
      async handle(_request, { facts }) {
        const { principal } = tokenOf(facts);
        const { enrolled, required, enrolledAt, backupCodesLeft } = valueOf(await mfa.status(principal.id));
        // A guard in front may know of roles that the directory does not, those for a while for one.
        const { mfa: rules } = internals.settings;
        const now = callerNow({ facts }) ?? principal;
        return answer(200, schemas.mfaStatusResponse, {
          enrolled,
          required: required || (rules !== undefined && needsMfa(rules, now)),
          enrolled_at: enrolledAt ?? null,
          verified_at: principal.mfaAt ?? null,
          backup_codes_left: backupCodesLeft,
        });
      },
    }),
    defineRoute({
      method: "POST",
      path: `${prefix}/mfa/enroll`,
      operationId: "authMfaEnroll",
      summary: "Make a second factor, which its first code puts in force",
      tags,
      guards: [caller],
      input: { body: schemas.enrollBody, bodyRequired: false, maxBodyBytes: SMALL_BODY_BYTES },
      responses: { 200: { description: "The secret and the backup codes.", schema: schemas.enrolmentResponse } },
      async handle(_request, { facts, body }) {
        const made = valueOf(await mfa.enroll(callerOf(facts, body?.mfa_token), { password: body?.password }));
        return answer(200, schemas.enrolmentResponse, {
          secret: made.secret,
          otpauth_uri: made.uri,
          backup_codes: [...made.backupCodes],
          expires_at: made.expiresAt,
        });
      },
    }),
    defineRoute({
      method: "POST",
      path: `${prefix}/mfa/verify`,
      operationId: "authMfaVerify",
      summary: "Prove the second factor; a new session begins",
      tags,
      guards: [caller, ...former],
      input: { body: schemas.verifyBody, maxBodyBytes: SMALL_BODY_BYTES },
      responses: {
        200: {
          description: "Tokens of a new session, in the body or in cookies; the one before it is ended.",
          schema: z.union([loginResponse, cookieLoginResponse]),
        },
      },
      async handle(request, { facts, body }) {
        const isLogin = body.mfa_token !== undefined;
        // The tokens of a session that came by cookie never reach a script (AUTH-S1), whatever is asked for.
        const target = (isLogin ? undefined : deliveryAsCame(auth, facts)) ?? deliveryAsked(auth, request, body.delivery);
        const result = await mfa.verify(callerOf(facts, body.mfa_token), body.code, clientOf(request, facts));
        if (isLogin && target !== undefined && result.kind === "ok") await endFormerSession(internals, facts);
        return loginAnswer(result, target);
      },
    }),
    defineRoute({
      method: "POST",
      path: `${prefix}/mfa/disable`,
      operationId: "authMfaDisable",
      summary: "Take the second factor away; all other sessions end",
      tags,
      guards: [unproven],
      input: { body: schemas.disableBody, bodyRequired: false, maxBodyBytes: SMALL_BODY_BYTES },
      responses: { 200: { description: "There is none any more.", schema: schemas.disabledResponse } },
      async handle(_request, { facts, body }) {
        const { sessionsEnded } = valueOf(await mfa.disable(tokenOf(facts), { password: body?.password }));
        return answer(200, schemas.disabledResponse, { message: "Second factor disabled", sessions_ended: sessionsEnded });
      },
    }),
    defineRoute({
      method: "POST",
      path: `${prefix}/mfa/backup-codes`,
      operationId: "authMfaReplaceBackupCodes",
      summary: "Make new backup codes; the old ones end",
      tags,
      guards: [unproven],
      responses: { 200: { description: "Ten codes, shown this once.", schema: schemas.backupCodesResponse } },
      async handle(_request, { facts }) {
        const codes = valueOf(await mfa.replaceBackupCodes(tokenOf(facts)));
        return answer(200, schemas.backupCodesResponse, { backup_codes: [...codes] });
      },
    }),
  ];
}

// The token of a pending login goes first: a browser sends the cookie of the session before along whether it should or not.
function callerOf(facts: Facts, pendingToken: string | undefined): MfaCaller {
  if (pendingToken !== undefined) return { pendingToken };
  const token = facts.get(accessTokenFact);
  if (token !== undefined) return token;
  principalOf(facts);
  throw new ProblemError(problems.forbidden({ detail: "An API key has no second factor. Log in." }));
}
