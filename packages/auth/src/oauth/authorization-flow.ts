// A login over a provider, from the click to the session: start, callback, exchange. Translation to HTTP is in routes/.

import { problems, type Problem } from "@portcullis/core";
import type { AuthInternals } from "../auth-internals.js";
import { denied, type AuthDenial, type AuthResult } from "../auth-result.js";
import type { LoginResult } from "../login/sign-in.js";
import type { ClientContext, LoginProof } from "../sessions/session-data.js";
import { MINUTE_MS } from "../settings/option-checks.js";
import type { AccessToken } from "../tokens/access-token.js";
import { createBrowserBinding } from "./browser-binding.js";
import type { Identities } from "./identities.js";
import type { IdentityAccounts } from "./identity-account.js";
import { type Attempt, createLoginAttempts } from "./login-attempts.js";
import { diagnosisOf, failureProblem, OAuthRefused } from "./oauth-failure.js";
import type { OAuthSettings } from "./oauth-settings.js";
import { createOneTimeCodes } from "./one-time-codes.js";
import { createProviderClient, type ProviderClient } from "./provider-client.js";
import { createProviderFetch } from "./provider-fetch.js";
import type { ProviderProfile } from "./provider-profile.js";

/** What a client asks for when it starts. */
export interface AttemptRequest {
  readonly redirect: string | undefined;
  readonly clientState: string | undefined;
  readonly codeChallenge: string | undefined;
  /** The request's `Cookie` field. */
  readonly cookies: string | undefined;
}

/** Where to send the browser, and the `Set-Cookie` fields that tie the login to it. */
export interface AuthorizationStart {
  readonly url: string;
  readonly cookies: readonly string[];
}

/** The flow did not get to its end, for a reason of the provider or the account. */
export interface FlowRefusal {
  readonly kind: "refused";
  /** Closed set; what error pages branch on. */
  readonly reason: OAuthRefused["reason"];
  readonly problem: Problem;
  readonly clientState: string | undefined;
}

/** What came of a callback. */
export type FlowOutcome =
  | { readonly kind: "login"; readonly attempt: Attempt; readonly result: Exclude<LoginResult, AuthDenial> }
  | { readonly kind: "code"; readonly attempt: Attempt; readonly code: string }
  | { readonly kind: "linked"; readonly attempt: Attempt }
  | FlowRefusal;

export interface AuthorizationFlow {
  start(provider: string, request: AttemptRequest): Promise<AuthResult<AuthorizationStart> | FlowRefusal>;
  /** Denied: `stepUpRequired` when neither the login nor a second factor is recent. */
  startLink(token: AccessToken, provider: string, request: AttemptRequest): Promise<AuthResult<AuthorizationStart> | FlowRefusal>;
  finish(
    provider: string,
    callback: { readonly parameters: URLSearchParams; readonly cookies: string | undefined; readonly client: ClientContext },
  ): Promise<{ readonly outcome: FlowOutcome | AuthDenial; readonly cookies: readonly string[] }>;
  redeem(code: string, verifier: string, client: ClientContext): Promise<LoginResult>;
}

// A stolen session must not become a way in that outlives it: linking needs somebody who has just proven who they are.
const RECENT_MS = 10 * MINUTE_MS;
const BY_PROVIDER: LoginProof = Object.freeze({ amr: Object.freeze(["fed"]), mfaAt: undefined });

export function createAuthorizationFlow(
  internals: AuthInternals,
  oauth: OAuthSettings,
  identities: Identities,
  accounts: IdentityAccounts,
): AuthorizationFlow {
  const { settings, instruments, signIn } = internals;
  const { store, users, clock } = settings;
  const attempts = createLoginAttempts(settings);
  const codes = createOneTimeCodes(settings);
  const binding = createBrowserBinding(oauth.secureCookies);
  const { timeoutMs, maxResponseBytes: maxBytes, insecureLocalhost } = oauth;
  const fetch = createProviderFetch({ fetch: oauth.fetch, clock, timeoutMs, maxBytes, insecureLocalhost });
  const clients = new Map<string, ProviderClient>(
    [...oauth.providers].map(([name, provider]) => [name, createProviderClient(provider, fetch, clock, insecureLocalhost)]),
  );

  function refuse(error: unknown, provider: string, attempt: Attempt | undefined): FlowRefusal {
    // Anything else is a fault: a store that does not answer is a 503, not a failed login.
    if (!(error instanceof OAuthRefused)) throw error;
    const { reason, providerError } = error;
    const purpose = attempt?.link === undefined ? "login" : "link";
    instruments.failed("oauth", reason);
    const userId = attempt?.link?.userId;
    instruments.emit({ kind: "oauth_failed", provider, purpose, reason, providerError, diagnosis: diagnosisOf(error), userId });
    return { kind: "refused", reason, problem: failureProblem(reason), clientState: attempt?.clientState };
  }

  async function begin(
    provider: string,
    request: AttemptRequest,
    link: Attempt["link"],
  ): Promise<AuthResult<AuthorizationStart> | FlowRefusal> {
    const client = clients.get(provider);
    if (client === undefined) return denied(problems.notFound());
    const redirect = request.redirect === undefined ? oauth.redirects.default : oauth.redirects.check(request.redirect);
    if (redirect === undefined) return denied(problems.redirectNotAllowed());
    const { clientState, cookies } = request;
    // A link hands out nothing that a page would have to exchange.
    const codeChallenge = oauth.delivery === "code" && link === undefined ? request.codeChallenge : undefined;
    if (oauth.delivery === "code" && link === undefined && codeChallenge === undefined) return denied(challengeMissing());
    const attempt: Attempt = { provider, redirect, clientState, codeChallenge, link };
    try {
      const { secrets, binding: value } = await attempts.begin(attempt);
      const url = await client.authorizationUrl(oauth.callbackUrl(provider), secrets);
      return { kind: "ok", value: { url: url.href, cookies: binding.set(secrets.state, value, cookies) } };
    } catch (error) {
      return refuse(error, provider, attempt);
    }
  }

  async function finishLogin(profile: ProviderProfile, attempt: Attempt, client: ClientContext): Promise<FlowOutcome> {
    const { provider, codeChallenge } = attempt;
    const { account, state, identity } = await accounts.ofProfile(profile, provider);
    if (codeChallenge !== undefined) {
      return { kind: "code", attempt, code: await codes.issue({ identityId: identity.id, provider, state }, codeChallenge) };
    }
    const result = await signIn.complete(account, state, BY_PROVIDER, client);
    if (result.kind === "denied") {
      return { ...refuse(new OAuthRefused("sign_in_refused"), provider, attempt), problem: result.problem };
    }
    instruments.succeeded("oauth");
    return { kind: "login", attempt, result };
  }

  async function finishLink(profile: ProviderProfile, attempt: Attempt, link: NonNullable<Attempt["link"]>): Promise<FlowOutcome> {
    const { userId, sessionId } = link;
    const [session, state, account] = await Promise.all([store.sessions.find(sessionId), store.subjects.read(userId), users.byId(userId)]);
    if (session?.subjectId !== userId) throw new OAuthRefused("session_ended");
    if (account === undefined || account.type !== "user" || state.disabled) throw new OAuthRefused("account_refused");
    const { identity, isNew } = await identities.link(profile, userId, attempt.provider);
    if (identity.userId !== userId) throw new OAuthRefused("already_linked");
    if (isNew) instruments.emit({ kind: "identity_linked", userId, provider: attempt.provider, how: "session" });
    return { kind: "linked", attempt };
  }

  return Object.freeze({
    start: (provider: string, request: AttemptRequest) => begin(provider, request, undefined),

    async startLink(token: AccessToken, provider: string, request: AttemptRequest) {
      const { sessionId, principal } = token;
      const session = await store.sessions.find(sessionId);
      if (session?.subjectId !== principal.id) return denied(problems.sessionRevoked());
      const { mfaAt } = principal;
      const isRecent = session.readAt - session.createdAt <= RECENT_MS || (mfaAt !== undefined && clock.now() - mfaAt <= RECENT_MS);
      if (!isRecent)
        return denied(problems.stepUpRequired({ detail: "Linking needs a login or a second factor of the last ten minutes." }));
      return begin(provider, request, { userId: principal.id, sessionId });
    },

    async finish(
      provider: string,
      callback: { readonly parameters: URLSearchParams; readonly cookies: string | undefined; readonly client: ClientContext },
    ): Promise<{ readonly outcome: FlowOutcome | AuthDenial; readonly cookies: readonly string[] }> {
      const client = clients.get(provider);
      if (client === undefined) return { outcome: denied(problems.notFound()), cookies: [] };
      const { parameters } = callback;
      const states = parameters.getAll("state");
      const state = states.length === 1 ? states[0] : undefined;
      const taken = await attempts.take(provider, state, (known) => binding.read(known, callback.cookies));
      if (taken === undefined) return { outcome: refuse(new OAuthRefused("state_invalid"), provider, undefined), cookies: [] };
      const { attempt, secrets } = taken;
      const cookies = [binding.clear(secrets.state)];
      try {
        const profile = await client.profile(parameters, oauth.callbackUrl(provider), secrets);
        const outcome = await (attempt.link === undefined
          ? finishLogin(profile, attempt, callback.client)
          : finishLink(profile, attempt, attempt.link));
        return { outcome, cookies };
      } catch (error) {
        return { outcome: refuse(error, provider, attempt), cookies };
      }
    },

    async redeem(code: string, verifier: string, client: ClientContext): Promise<LoginResult> {
      const login = await codes.redeem(code, verifier);
      if (login === undefined) {
        instruments.failed("oauth", "code_invalid");
        return denied(problems.oauthStateInvalid());
      }
      try {
        const identity = await identities.byId(login.identityId);
        if (identity === undefined) throw new OAuthRefused("account_unknown");
        const { account, state } = await accounts.ofIdentity(identity);
        // What ended the account's sessions since the provider vouched ends this login as well.
        const isCurrent = state.tokenVersion === login.state.tokenVersion && state.passwordVersion === login.state.passwordVersion;
        if (!isCurrent) return denied(problems.sessionRevoked());
        const result = await signIn.complete(account, state, BY_PROVIDER, client);
        if (result.kind === "denied") instruments.failed("oauth", "sign_in_refused");
        else instruments.succeeded("oauth");
        return result;
      } catch (error) {
        return denied(refuse(error, login.provider, undefined).problem);
      }
    },
  });
}

function challengeMissing(): Problem {
  const message = "Send the S256 challenge of a verifier that you keep (RFC 7636 §4.2).";
  return problems.validation({ extensions: { errors: [{ in: "query", pointer: "/code_challenge", message }] } });
}
