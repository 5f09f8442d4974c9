import { createHash, timingSafeEqual } from "node:crypto";
import {
  defineRoute,
  invalidOption,
  type Facts,
  type Principal,
  principalFact,
  ProblemError,
  problems,
  type Route,
  subjectOf,
} from "@portcullis/core";
import type { z } from "zod";
import type { ApiKeyInfo } from "../api-keys/api-key-ring.js";
import type { AuthResult } from "../auth-result.js";
import type { Auth } from "../create-auth.js";
import { checkSecret } from "../jwt/secret-ring.js";
import { type AccessToken, accessTokenFact } from "../tokens/access-token.js";
import type { TokenPair } from "../tokens/token-pair.js";
import type { UserAccount } from "../users/user-directory.js";
import { authenticate } from "./authenticate.js";
import * as schemas from "./route-schemas.js";

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

/** How the first account is made. */
export interface SetupOptions {
  /** At least 32 characters, 8 of them different. */
  readonly token: string;
  /** Roles of the first account. */
  readonly roles: readonly string[];
}

const PREFIX = /^(?:\/[A-Za-z0-9._~-]+)*$/;
const SMALL_BODY_BYTES = 16_384;
// RFC 6749 §5.1: tokens are kept by no cache, not even one that speaks HTTP/1.0.
const NO_STORE = { "cache-control": "no-store", pragma: "no-cache" };

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
    defineRoute({
      method: "POST",
      path: `${prefix}/api-keys`,
      operationId: "authCreateApiKey",
      summary: "Make an API key; its text is shown this once",
      tags,
      guards: [signedIn],
      input: { body: schemas.apiKeyBody, maxBodyBytes: SMALL_BODY_BYTES },
      responses: { 201: { description: "The key.", schema: schemas.createdApiKeyResponse } },
      async handle(_request, { facts, body }) {
        const { name, roles, scopes, ttl_seconds: ttlSeconds } = body;
        const created = valueOf(
          await auth.apiKeys.create(principalOf(facts), {
            name,
            ...(roles === undefined ? {} : { roles }),
            ...(scopes === undefined ? {} : { scopes }),
            ...(ttlSeconds === undefined ? {} : { ttlMs: ttlSeconds * 1000 }),
          }),
        );
        return answer(201, schemas.createdApiKeyResponse, { ...apiKeyBody(created.info), key: created.key });
      },
    }),
    defineRoute({
      method: "GET",
      path: `${prefix}/api-keys`,
      operationId: "authListApiKeys",
      summary: "List the caller's API keys",
      tags,
      guards: [signedIn],
      responses: { 200: { description: "Newest first, ended ones included.", schema: schemas.apiKeysResponse } },
      async handle(_request, { facts }) {
        const keys = valueOf(await auth.apiKeys.list(principalOf(facts)));
        return answer(200, schemas.apiKeysResponse, { api_keys: keys.map(apiKeyBody) });
      },
    }),
    defineRoute({
      method: "DELETE",
      path: `${prefix}/api-keys/:id`,
      operationId: "authRevokeApiKey",
      summary: "End an API key of the caller",
      tags,
      guards: [signedIn],
      input: { params: schemas.apiKeyParams },
      responses: { 200: { description: "The key is refused from now on.", schema: schemas.messageResponse } },
      async handle(_request, { facts, params }) {
        valueOf(await auth.apiKeys.revoke(principalOf(facts), params.id));
        return answer(200, schemas.messageResponse, { message: "API key revoked" });
      },
    }),
  ];
  return Object.freeze(setup === undefined ? routes : [...routes, setupRoute(auth, `${prefix}/setup`, setup)]);
}

function setupRoute(auth: Auth, path: string, setup: SetupOptions): Route {
  const token = checkSecret("authRoutes.setup.token", setup.token);
  const roles = Object.freeze([...setup.roles]);
  return defineRoute({
    method: "POST",
    path,
    operationId: "authSetup",
    summary: "Make the first account",
    tags: ["auth"],
    input: { body: schemas.setupBody, maxBodyBytes: SMALL_BODY_BYTES },
    responses: { 201: { description: "The first account.", schema: schemas.userResponse } },
    async handle(_request, { body }) {
      const { setup_token: sent, email, password, name } = body;
      if (!isSameSecret(sent, token)) throw new ProblemError(problems.forbidden({ detail: "The setup token is wrong." }));
      const account = valueOf(await auth.setup({ email, password, roles, ...(name === undefined ? {} : { name }) }));
      return answer(201, schemas.userResponse, userBody(account));
    },
  });
}

function valueOf<T>(result: AuthResult<T>): T {
  if (result.kind === "denied") throw new ProblemError(result.problem);
  return result.value;
}

function principalOf(facts: Facts): Principal {
  const principal = facts.get(principalFact);
  if (principal === undefined) throw new ProblemError(problems.unauthenticated());
  return principal;
}

// What belongs to a session is closed to API keys, whatever their rights.
function tokenOf(facts: Facts): AccessToken {
  const token = facts.get(accessTokenFact);
  if (token === undefined) throw new ProblemError(problems.forbidden({ detail: "An API key cannot do this. Log in." }));
  return token;
}

// The type ties the body to what the documentation says of it.
function answer<Schema extends z.ZodType>(status: number, _schema: Schema, body: z.input<Schema>): Response {
  return Response.json(body, { status, headers: NO_STORE });
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

function userBody(account: UserAccount): z.input<typeof schemas.userResponse> {
  const { id, email, name, roles, orgRoles, orgId, workspaceId, mustChangePassword } = account;
  return {
    id,
    email,
    name: name ?? null,
    roles: [...roles],
    org_roles: [...orgRoles],
    org_id: orgId ?? null,
    workspace_id: workspaceId ?? null,
    must_change_password: mustChangePassword,
  };
}

function apiKeyBody(info: ApiKeyInfo): z.input<typeof schemas.apiKeyResponse> {
  return {
    id: info.id,
    name: info.name,
    last_four: info.lastFour,
    roles: [...info.roles],
    scopes: info.scopes === undefined ? null : [...info.scopes],
    created_at: info.createdAt,
    expires_at: info.expiresAt ?? null,
    revoked_at: info.revokedAt ?? null,
    last_used_at: info.lastUsedAt ?? null,
  };
}

// Hashed first, so that both sides have one length and the time says nothing about the token's.
function isSameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
