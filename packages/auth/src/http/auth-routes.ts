import { defineRoute, invalidOption, ProblemError, problems, type Route, subjectOf } from "@portcullis/core";
import type { z } from "zod";
import type { Auth } from "../create-auth.js";
import { accessTokenFact } from "../tokens/access-token.js";
import type { TokenPair } from "../tokens/token-pair.js";
import { apiKeyRoutes } from "./api-key-routes.js";
import { authenticate } from "./authenticate.js";
import { answer, principalOf, SMALL_BODY_BYTES, tokenOf, userBody, valueOf } from "./route-answer.js";
import * as schemas from "./route-schemas.js";
import { type SetupOptions, setupRoute } from "./setup-route.js";

/** Options of {@link authRoutes}. */
export interface AuthRoutesOptions {
  /** Default `/auth`; `""` mounts at the root. */
  readonly prefix?: string;
  /**
   * Offers `POST /setup`, which makes the first account. Whoever sends the token decides who that is: give it to the
   * operator only. Not offered by default.
   */
  readonly setup?: SetupOptions;
}

const PREFIX = /^(?:\/[A-Za-z0-9._~-]+)*$/;

/**
 * The routes of authentication, to be mounted with any adapter: login, refresh, logout, logout-all, me, change-password,
 * API keys, and setup where it is asked for. Each brings its own `authenticate` guard.
 *
 * @throws {ConfigurationError} `invalid_option`: the prefix is no path, or the setup token is weak.
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { authRoutes, createAuth, createUserDirectory } from "@portcullis/auth";
 * import { createApp, createMemoryStore, toFetchHandler } from "@portcullis/core";
 *
 * const store = createMemoryStore();
 * const secret = (): string => randomBytes(48).toString("base64");
 * const auth = createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret() });
 * const handler = toFetchHandler(createApp({ routes: authRoutes(auth, { prefix: "/api/auth" }) }));
 *
 * await auth.setup({ email: "ada@example.com", password: "correct horse battery", roles: ["admin"] });
 * const response = await handler(
 *   new Request("http://localhost/api/auth/login", {
 *     method: "POST",
 *     headers: { "content-type": "application/json" },
 *     body: JSON.stringify({ email: "ada@example.com", password: "correct horse battery" }),
 *   }),
 * );
 * console.log(response.status); // 200
 * ```
 */
export function authRoutes(auth: Auth, options: AuthRoutesOptions = {}): readonly Route[] {
  const { prefix = "/auth", setup } = options;
  if (typeof prefix !== "string" || !PREFIX.test(prefix)) throw invalidOption("authRoutes.prefix", prefix, "a path like /auth");
  const tags = ["auth"];
  const signedIn = authenticate(auth, { required: true });
  // The three routes that somebody whose password must be changed may use.
  const signedInEvenIfRestricted = authenticate(auth, { required: true, mustChangePassword: "allow" });

  const routes = [
    defineRoute({
      method: "POST",
      path: `${prefix}/login`,
      operationId: "authLogin",
      summary: "Log in with e-mail address and password",
      tags,
      input: { body: schemas.loginBody, maxBodyBytes: SMALL_BODY_BYTES },
      responses: { 200: { description: "Tokens of a new session.", schema: schemas.loginResponse } },
      async handle(_request, { body }) {
        const { tokens, account } = valueOf(await auth.login(body));
        return answer(200, schemas.loginResponse, { ...tokensBody(tokens), user: userBody(account) });
      },
    }),
    defineRoute({
      method: "POST",
      path: `${prefix}/refresh`,
      operationId: "authRefresh",
      summary: "Exchange a refresh token, once, for the next pair",
      tags,
      input: { body: schemas.refreshBody, maxBodyBytes: SMALL_BODY_BYTES },
      responses: { 200: { description: "The next tokens of the session.", schema: schemas.tokensResponse } },
      async handle(_request, { body }) {
        return answer(200, schemas.tokensResponse, tokensBody(valueOf(await auth.refresh(body.refresh_token))));
      },
    }),
    defineRoute({
      method: "POST",
      path: `${prefix}/logout`,
      operationId: "authLogout",
      summary: "End this session",
      tags,
      guards: [signedInEvenIfRestricted],
      responses: { 200: { description: "The session and its tokens are ended.", schema: schemas.messageResponse } },
      async handle(_request, { facts }) {
        await auth.logout(tokenOf(facts));
        return answer(200, schemas.messageResponse, { message: "Logged out" });
      },
    }),
    defineRoute({
      method: "POST",
      path: `${prefix}/logout-all`,
      operationId: "authLogoutAll",
      summary: "End every session of the caller",
      tags,
      guards: [signedIn],
      responses: { 200: { description: "All tokens issued so far are refused.", schema: schemas.logoutAllResponse } },
      async handle(_request, { facts }) {
        const { tokenVersion } = valueOf(await auth.logoutAll(tokenOf(facts)));
        return answer(200, schemas.logoutAllResponse, {
          message: "All sessions terminated",
          sessions_invalidated: true,
          token_version: tokenVersion,
        });
      },
    }),
    defineRoute({
      method: "GET",
      path: `${prefix}/me`,
      operationId: "authMe",
      summary: "Who is calling",
      tags,
      guards: [signedInEvenIfRestricted],
      responses: { 200: { description: "The caller's account.", schema: schemas.meResponse } },
      async handle(_request, { facts }) {
        const principal = principalOf(facts);
        const account = await auth.users.byId(subjectOf(principal));
        if (account === undefined) throw new ProblemError(problems.sessionRevoked());
        const token = facts.get(accessTokenFact);
        return answer(200, schemas.meResponse, {
          ...userBody(account),
          credential: token === undefined ? "api_key" : "access_token",
          session_id: token?.sessionId ?? null,
        });
      },
    }),
    defineRoute({
      method: "POST",
      path: `${prefix}/change-password`,
      operationId: "authChangePassword",
      summary: "Change the caller's password; every session ends and a new one begins",
      tags,
      guards: [signedInEvenIfRestricted],
      input: { body: schemas.changePasswordBody, maxBodyBytes: SMALL_BODY_BYTES },
      responses: { 200: { description: "Tokens of a new session.", schema: schemas.tokensResponse } },
      async handle(_request, { facts, body }) {
        const change = { currentPassword: body.current_password, newPassword: body.new_password };
        return answer(200, schemas.tokensResponse, tokensBody(valueOf(await auth.changePassword(tokenOf(facts), change))));
      },
    }),
    ...apiKeyRoutes(auth, prefix, signedIn),
  ];
  return Object.freeze(setup === undefined ? routes : [...routes, setupRoute(auth, `${prefix}/setup`, setup)]);
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
