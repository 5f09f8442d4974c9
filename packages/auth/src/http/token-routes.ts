// Revocation and introspection as OAuth spells them (RFC 7009, RFC 7662).

import { defineRoute, type Facts, type Guard, invalidOption, ProblemError, problems, type Route } from "@portcullis/core";
import { z } from "zod";
import { internalsOf } from "../auth-internals.js";
import type { Auth } from "../create-auth.js";
import { type ActiveToken, createTokenStatus, type TokenStatus } from "../tokens/token-status.js";
import { formBody, formFact } from "./form-body.js";
import { answer, principalOf } from "./route-answer.js";

/** Who may ask about tokens. */
export interface IntrospectionOptions {
  /**
   * Guards that prove who asks: `authenticateSystem(…)`, or `authenticate(…)` for API keys; a permission besides. At least one. People are
   * refused in any case (403): whoever may ask can try out tokens that were found somewhere.
   */
  readonly guards: readonly Guard[];
}

const revokedResponse = z.object({});
const introspectionResponse = z.union([
  z.object({ active: z.literal(false) }),
  z.object({
    active: z.literal(true),
    token_type: z.literal("Bearer"),
    type: z.enum(["access", "system"]),
    sub: z.string(),
    jti: z.string(),
    iat: z.number().int(),
    exp: z.number().int(),
    iss: z.string().optional(),
    aud: z.array(z.string()).optional(),
    scope: z.string().optional(),
    sid: z.string().optional(),
    org_id: z.string().optional(),
    roles: z.array(z.string()),
  }),
]);

/**
 * `POST /revoke` for whoever holds a token, and `POST /introspect` for services where it is asked for.
 *
 * @throws {ConfigurationError} `invalid_option`: introspection without a guard.
 */
export function tokenRoutes(auth: Auth, prefix: string, introspection: IntrospectionOptions | undefined): readonly Route[] {
  const internals = internalsOf("authRoutes", auth);
  const status = createTokenStatus(auth, internals);
  return [
    defineRoute({
      method: "POST",
      path: `${prefix}/revoke`,
      operationId: "authRevokeToken",
      summary: "End a token (RFC 7009); a refresh token with its session",
      tags: ["auth"],
      // Nobody else is asked who they are: to hold the token is the proof, and its end the only effect.
      guards: [formBody],
      responses: { 200: { description: "The token is refused from now on, if it ever was one.", schema: revokedResponse } },
      async handle(_request, { facts }) {
        await status.revoke(tokenIn(facts));
        return answer(200, revokedResponse, {});
      },
    }),
    ...(introspection === undefined ? [] : [introspectRoute(status, prefix, introspection, internals.settings.issuer)]),
  ];
}

function introspectRoute(status: TokenStatus, prefix: string, options: IntrospectionOptions, issuer: string | undefined): Route {
  const guards: unknown = options?.guards;
  if (!Array.isArray(guards) || guards.length === 0) {
    throw invalidOption("authRoutes.introspection.guards", guards, "at least one guard that authenticates the service that asks");
  }
  return defineRoute({
    method: "POST",
    path: `${prefix}/introspect`,
    operationId: "authIntrospectToken",
    summary: "Ask about an access or system token (RFC 7662)",
    tags: ["auth"],
    guards: [...options.guards, formBody],
    responses: { 200: { description: "What it says, or that it is not active.", schema: introspectionResponse } },
    async handle(_request, { facts }) {
      if (principalOf(facts).type === "user") {
        throw new ProblemError(problems.forbidden({ detail: "Services ask about tokens. Use a system token or an API key." }));
      }
      const active = await status.introspect(tokenIn(facts));
      // One answer for every cause (RFC 7662 §2.2): nobody learns what was wrong with it.
      if (active === undefined) return answer(200, introspectionResponse, { active: false });
      return answer(200, introspectionResponse, activeBody(active, issuer));
    },
  });
}

function activeBody(token: ActiveToken, issuer: string | undefined): z.input<typeof introspectionResponse> {
  const { type, subject, tokenId, issuedAt, expiresAt, audiences, sessionId, orgId, roles, scopes } = token;
  return {
    active: true,
    token_type: "Bearer",
    type,
    sub: subject,
    jti: tokenId,
    iat: issuedAt / 1000,
    exp: expiresAt / 1000,
    ...(issuer === undefined ? {} : { iss: issuer }),
    ...(audiences.length === 0 ? {} : { aud: [...audiences] }),
    ...(scopes === undefined ? {} : { scope: scopes.join(" ") }),
    ...(sessionId === undefined ? {} : { sid: sessionId }),
    ...(orgId === undefined ? {} : { org_id: orgId }),
    roles: [...roles],
  };
}

// There, as formBody stands in front; nothing is no token.
function tokenIn(facts: Facts): string {
  return facts.get(formFact)?.["token"] ?? "";
}
