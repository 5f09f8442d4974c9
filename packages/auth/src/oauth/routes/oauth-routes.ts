import { defineRoute, invalidOption, ProblemError, problems, type Route } from "@portcullis/core";
import { z } from "zod";
import { authenticate } from "../../http/authenticate.js";
import { internalsOf } from "../../auth-internals.js";
import { deadSessionCleared, endFormerSession, formerSessionGuard } from "../../http/end-session.js";
import { clientOf } from "../../http/client-context.js";
import { answer, SMALL_BODY_BYTES, tokenOf, valueOf } from "../../http/route-answer.js";
import { loginResponse, messageResponse, mfaRequiredResponse } from "../../http/route-schemas.js";
import { loginAnswer } from "../../http/token-answer.js";
import { type OAuth, oauthInternalsOf } from "../create-oauth.js";
import { deliverOutcome, deliverRefusal, seeOther } from "./deliver-outcome.js";
import * as schemas from "./oauth-schemas.js";

/** Options of {@link oauthRoutes}. */
export interface OAuthRoutesOptions {
  /** Where the routes are mounted, if a proxy in front rewrites paths; default: the `prefix` of `createOAuth`. */
  readonly prefix?: string;
}

/**
 * The routes of login with providers, to be mounted with any adapter beside `authRoutes`: the list of providers, start, callback,
 * link, unlink, the caller's identities, and with delivery `code` the exchange of one-time codes.
 *
 * Starting needs no credential and stores a state: put a rate limit in front.
 *
 * @throws {ConfigurationError} `invalid_option`: not made by `createOAuth`, or the prefix is no path.
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { authRoutes, createAuth, createUserDirectory } from "@portcullis/auth";
 * import { createOAuth, oauthRoutes, oidc } from "@portcullis/auth/oauth";
 * import { createApp, createMemoryStore } from "@portcullis/core";
 *
 * const store = createMemoryStore();
 * const secret = (): string => randomBytes(48).toString("base64");
 * const auth = createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret() });
 * const oauth = createOAuth({
 *   auth,
 *   providers: { acme: oidc({ issuer: "https://login.acme.example", clientId: "portcullis" }) },
 *   baseUrl: "https://api.example.com",
 *   redirects: { allow: ["https://app.example.com/login"], default: "https://app.example.com/login" },
 *   delivery: "code",
 *   onUnknown: "refuse",
 * });
 * const app = createApp({ routes: [...authRoutes(auth), ...oauthRoutes(oauth)] });
 * console.log(app.routes.some(({ path }) => path === "/auth/oauth/:provider/callback")); // true
 * ```
 */
export function oauthRoutes(oauth: OAuth, options: OAuthRoutesOptions = {}): readonly Route[] {
  const internals = oauthInternalsOf(oauth);
  if (internals === undefined) throw invalidOption("oauthRoutes", oauth, "what createOAuth returned, unwrapped");
  const { auth, flow, settings } = internals;
  const inside = internalsOf("oauthRoutes.auth", auth);
  const { prefix = settings.prefix } = options;
  if (typeof prefix !== "string" || !/^(?:\/[A-Za-z0-9._~-]+)*$/.test(prefix)) {
    throw invalidOption("oauthRoutes.prefix", prefix, "a path like /auth");
  }
  const root = `${prefix}/oauth`;
  const tags = ["auth"];
  // A session whose cookies are overwritten ends, as with any other login.
  const former = settings.delivery === "cookie" && inside.cookies !== undefined ? [formerSessionGuard(auth, inside, inside.cookies)] : [];
  const signedIn = authenticate(auth, { required: true });
  const toProvider = { 303: { description: "To the provider." } };

  const redeem = defineRoute({
    method: "POST",
    path: `${root}/token`,
    operationId: "authOAuthToken",
    summary: "Exchange the one-time code of a login, once, within a minute",
    tags,
    input: { body: schemas.tokenBody, maxBodyBytes: SMALL_BODY_BYTES },
    responses: {
      200: {
        description: "Tokens of a new session, or the demand for a second factor.",
        schema: z.union([loginResponse, mfaRequiredResponse]),
      },
    },
    handle: async (request, { body, facts }) => loginAnswer(await flow.redeem(body.code, body.code_verifier, clientOf(request, facts))),
  });

  return Object.freeze([
    defineRoute({
      method: "GET",
      path: `${root}/providers`,
      operationId: "authOAuthProviders",
      summary: "List the providers to log in with",
      tags,
      responses: { 200: { description: "In the order to show them.", schema: schemas.providersResponse } },
      handle: () => answer(200, schemas.providersResponse, { providers: oauth.providers.map(({ id, name }) => ({ id, name })) }),
    }),
    defineRoute({
      method: "GET",
      path: `${root}/:provider`,
      operationId: "authOAuthStart",
      summary: "Start a login with a provider",
      tags,
      input: { params: schemas.providerParams, query: schemas.startQuery },
      responses: toProvider,
      async handle(request, { params, query }) {
        requireGet(request);
        const started = await flow.start(params.provider, {
          redirect: query.redirect,
          clientState: query.state,
          codeChallenge: query.code_challenge,
          cookies: request.headers.get("cookie") ?? undefined,
        });
        if (started.kind === "refused") return deliverRefusal(started, [], settings);
        const { url, cookies } = valueOf(started);
        return seeOther(url, cookies);
      },
    }),
    defineRoute({
      method: "GET",
      path: `${root}/:provider/callback`,
      operationId: "authOAuthCallback",
      summary: "Where a provider sends the browser back",
      tags,
      guards: former,
      input: { params: schemas.providerParams },
      responses: { 303: { description: "To where the login was to lead, or to the error page." } },
      async handle(request, { params, facts }) {
        requireGet(request);
        const { outcome, cookies } = await flow.finish(params.provider, {
          parameters: new URL(request.url).searchParams,
          cookies: request.headers.get("cookie") ?? undefined,
          client: clientOf(request, facts),
        });
        if (outcome.kind === "denied") throw new ProblemError(outcome.problem);
        if (outcome.kind === "login" && outcome.result.kind === "ok") await endFormerSession(inside, facts);
        const isPending = outcome.kind === "login" && outcome.result.kind === "mfa_required" && inside.cookies !== undefined;
        return deliverOutcome(outcome, isPending ? [...cookies, ...deadSessionCleared(inside.cookies, facts)] : cookies, internals);
      },
    }),
    defineRoute({
      method: "POST",
      path: `${root}/link`,
      operationId: "authOAuthLink",
      summary: "Start linking an identity to the caller's account",
      tags,
      guards: [signedIn],
      input: { body: schemas.linkBody, maxBodyBytes: SMALL_BODY_BYTES },
      responses: {
        200: { description: "Where to send the browser, in which this answer's cookie must be.", schema: schemas.linkResponse },
      },
      async handle(request, { body, facts }) {
        const started = await flow.startLink(tokenOf(facts), body.provider, {
          redirect: body.redirect,
          clientState: body.state,
          codeChallenge: undefined,
          cookies: request.headers.get("cookie") ?? undefined,
        });
        if (started.kind === "refused") throw new ProblemError(started.problem);
        const { url, cookies } = valueOf(started);
        const response = answer(200, schemas.linkResponse, { authorization_url: url });
        for (const cookie of cookies) response.headers.append("set-cookie", cookie);
        return response;
      },
    }),
    defineRoute({
      method: "DELETE",
      path: `${root}/unlink`,
      operationId: "authOAuthUnlink",
      summary: "Take a provider's identities away from the caller's account",
      tags,
      guards: [signedIn],
      input: { query: schemas.unlinkQuery },
      responses: { 200: { description: "They open the account no longer.", schema: messageResponse } },
      async handle(_request, { query, facts }) {
        valueOf(await oauth.unlink(tokenOf(facts).principal.id, query.provider));
        return answer(200, messageResponse, { message: "Unlinked" });
      },
    }),
    defineRoute({
      method: "GET",
      path: `${root}/identities`,
      operationId: "authOAuthIdentities",
      summary: "List the identities that open the caller's account",
      tags,
      guards: [signedIn],
      responses: { 200: { description: "All of them.", schema: schemas.identitiesResponse } },
      async handle(_request, { facts }) {
        const identities = await oauth.identities(tokenOf(facts).principal.id);
        return answer(200, schemas.identitiesResponse, {
          identities: identities.map(({ id, provider, linkedAt }) => ({ id, provider, linked_at: linkedAt })),
        });
      },
    }),
    ...(settings.delivery === "code" ? [redeem] : []),
  ]);
}

// A GET route answers HEAD too; link checkers and previews must not use up a login.
function requireGet(request: Request): void {
  if (request.method !== "GET") throw new ProblemError(problems.methodNotAllowed());
}
