import {
  ALLOW,
  type ApiKeyPrincipal,
  deny,
  type Guard,
  type GuardRequest,
  type HeaderField,
  invalidOption,
  type MaybePromise,
  type Principal,
  principalFact,
  type Problem,
  problems,
  subjectOf,
  type Verdict,
  ownOptions,
} from "@portcullis/core";
import { internalsOf } from "../auth-internals.js";
import { ok, type AuthResult } from "../auth-result.js";
import { NO_COOKIES, type OurCookies } from "../cookies/read-cookies.js";
import type { Auth } from "../create-auth.js";
import { mfaRefusal } from "../mfa/mfa-policy.js";
import { oneOf } from "../settings/option-checks.js";
import { type AccessToken, accessTokenFact } from "../tokens/access-token.js";
import { bySession } from "../tokens/verified-token.js";
import { credentialFact, type CredentialUsed } from "./credential-fact.js";
import { credentialOf, type PresentedCredential } from "./credentials.js";
import { csrfDenial, sessionCsrfDenial } from "./require-csrf.js";
import { isLogout } from "./logout-path.js";

/** Options of {@link authenticate}. */
export interface AuthenticateOptions {
  /** `true`: without a credential the request is denied. `false`: it goes on without a principal. No default. */
  readonly required: boolean;
  /**
   * What becomes of a caller who has to change the password first. Default `deny`. `allow` is for the routes that the caller
   * needs to get out of it, and for a guard in front of all routes behind which each route has its own.
   */
  readonly mustChangePassword?: "deny" | "allow";
  /**
   * Whether requests that use the session cookie and may change something are checked for forgery; default `enforce`. `skip` is for
   * whoever mounts `requireCsrf` separately. Without the option `cookies` of `createAuth` there is nothing to check.
   */
  readonly csrf?: "enforce" | "skip";
  /**
   * What becomes of a caller whose roles need a second factor that was not proven; default `require`: 403 `mfaRequired`. `allow` is for
   * the routes that enrol and verify it, and for a guard in front of all routes behind which each route has its own.
   */
  readonly mfa?: "require" | "allow";
}

const UNAUTHENTICATED = deny(problems.unauthenticated());
const PASSWORD_CHANGE_REQUIRED = deny(problems.passwordChangeRequired());
const AMBIGUOUS = deny(problems.ambiguousCredentials());
const INVALID = refused(problems.invalidToken());
// Takes no cookie away: ours would go and the planted one stay.
const AMBIGUOUS_SESSION = refused(problems.ambiguousSession());
/** Which auth let somebody in with it. */
const acceptedBy = new WeakMap<CredentialUsed, Auth>();

/**
 * Publishes who is calling under `principalFact`, frozen, the verified token under `accessTokenFact` and where it was found under
 * `credentialFact`.
 *
 * Looked for in this order: the session cookie (where `createAuth` was told of cookies), `Authorization: Bearer` (with dots a token,
 * without an API key) or `X-API-Key`, nothing; never in the query. With a cookie and a header field both must be good and name the
 * same user; the cookie counts, so that the request is checked for forgery (403, 1104).
 *
 * A credential that is present and bad is denied even where none is required: it never turns into an anonymous call. Denials:
 * 401 with `WWW-Authenticate: Bearer error="invalid_token"` (RFC 6750 §3.1), which also takes a bad session cookie away, 400 for
 * several credentials, 403 for a password that must be changed. With `required: false` the session cookie is left to the routes login,
 * refresh, logout, mfa/enroll and mfa/verify themselves, and a bad access token to logout: neither must keep anybody from logging in or
 * out. A store that does not answer is a fault: 503, fails closed. Synchronous for access tokens while the store is. Mounted again behind
 * itself it verifies nothing twice and only applies its own options; behind the guard of another auth it refuses whom that one let in (401).
 *
 * @throws {ConfigurationError} `invalid_option`: `required` is not given, or another option says what it cannot.
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { authenticate, createAuth, createUserDirectory } from "@portcullis/auth";
 * import { createApp, createMemoryStore, defineRoute, principalFact, toFetchHandler } from "@portcullis/core";
 *
 * const store = createMemoryStore();
 * const secret = (): string => randomBytes(48).toString("base64");
 * const auth = createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret() });
 * const whoAmI = defineRoute({
 *   method: "GET",
 *   path: "/who-am-i",
 *   operationId: "whoAmI",
 *   summary: "Says who is calling",
 *   guards: [authenticate(auth, { required: true })],
 *   handle: (_request, { facts }) => Response.json({ id: facts.get(principalFact)?.id }),
 * });
 *
 * const handler = toFetchHandler(createApp({ routes: [whoAmI] }));
 * const { accessToken } = await auth.createTokenPair({ userId: "ada", role: "member" });
 * const response = await handler(new Request("http://localhost/who-am-i", { headers: { authorization: `Bearer ${accessToken}` } }));
 * console.log(response.status, await response.json()); // 200 { id: 'ada' }
 * ```
 */
export function authenticate(auth: Auth, options: AuthenticateOptions): Guard {
  const given = ownOptions("authenticate", options ?? {}, ["required", "mustChangePassword", "csrf", "mfa"]);
  const { required, mustChangePassword = "deny", mfa = "require", csrf = "enforce" } = given;
  if (typeof required !== "boolean") throw invalidOption("authenticate.required", required, "true or false");
  oneOf("authenticate.mustChangePassword", mustChangePassword, ["deny", "allow"]);
  oneOf("authenticate.mfa", mfa, ["require", "allow"]);
  oneOf("authenticate.csrf", csrf, ["enforce", "skip"]);
  const { cookies, instruments, settings } = internalsOf("authenticate.auth", auth);
  const usedFrom = (source: CredentialUsed["source"]): CredentialUsed => {
    const used: CredentialUsed = Object.freeze({ source });
    acceptedBy.set(used, auth);
    return used;
  };
  const byCookie = usedFrom("cookie");
  const byField = { authorization: usedFrom("authorization"), "x-api-key": usedFrom("x-api-key") };
  const badSession = (problem: Problem): Verdict =>
    refused(problem, cookies === undefined ? undefined : ["set-cookie", cookies.sessionCleared]);

  const refusalOf = (principal: Principal): Verdict | undefined => {
    if (mustChangePassword === "deny" && principal.type === "user" && principal.mustChangePassword) return PASSWORD_CHANGE_REQUIRED;
    return mfa === "require" ? mfaRefusal(principal, settings) : undefined;
  };

  function ambiguousSession(): Verdict {
    instruments.failed("token", "ambiguous_session");
    return AMBIGUOUS_SESSION;
  }

  function acceptToken(request: GuardRequest, token: AccessToken, used: CredentialUsed): Verdict {
    const refusal = refusalOf(token.principal);
    if (refusal !== undefined) return refusal;
    request.facts.set(principalFact, token.principal);
    request.facts.set(accessTokenFact, token);
    request.facts.set(credentialFact, used);
    return ALLOW;
  }

  function acceptApiKey(request: GuardRequest, principal: ApiKeyPrincipal, used: CredentialUsed): Verdict {
    request.facts.set(principalFact, principal);
    request.facts.set(credentialFact, used);
    return { kind: "allow", settle: () => auth.apiKeys.noteUse(principal.keyId) };
  }

  function checkField(request: GuardRequest, presented: Presented): MaybePromise<Verdict> {
    const used = byField[presented.source];
    return presented.kind === "access_token"
      ? after(auth.verifyAccessToken(presented.token), (result) => {
          if (result.kind === "ok") return acceptToken(request, result.value, used);
          return !required && isLogout(auth, request) ? ALLOW : refused(result.problem);
        })
      : after(auth.apiKeys.authenticate(presented.key), (result) =>
          result.kind === "denied" ? refused(result.problem) : acceptApiKey(request, result.value, used),
        );
  }

  // Whom a header field names that came beside a cookie.
  function whoseField(presented: Presented): MaybePromise<AuthResult<Principal>> {
    if (presented.kind === "api_key") return auth.apiKeys.authenticate(presented.key);
    return after(auth.verifyAccessToken(presented.token), (result) => (result.kind === "denied" ? result : ok(result.value.principal)));
  }

  function acceptSession(request: GuardRequest, jar: OurCookies, token: AccessToken): Verdict {
    if (csrf === "enforce" && cookies !== undefined) {
      const acting = { userId: token.principal.id, sessionId: token.sessionId };
      const denial = sessionCsrfDenial(request, cookies, instruments, jar, acting);
      if (denial !== undefined) return denial;
    }
    return acceptToken(request, sessionOf(token), byCookie);
  }

  function checkSession(request: GuardRequest, jar: OurCookies, session: string, presented: Presented | undefined): MaybePromise<Verdict> {
    return after(auth.verifyAccessToken(session), (own): MaybePromise<Verdict> => {
      if (own.kind === "denied") return badSession(own.problem);
      if (presented === undefined) return acceptSession(request, jar, own.value);
      return after(whoseField(presented), (other) => {
        if (other.kind === "denied") return refused(other.problem);
        return isSameUser(own.value, other.value) ? acceptSession(request, jar, own.value) : ambiguousSession();
      });
    });
  }

  // Somebody was authenticated before: only the options of this guard are still to be applied.
  function checkAgain(request: GuardRequest, known: Principal): Verdict {
    const used = request.facts.get(credentialFact);
    // By another auth, with other secrets or for another audience: nobody is let in here on its word.
    if (used !== undefined && (acceptedBy.get(used) ?? auth) !== auth) return INVALID;
    const denial = csrf === "enforce" && cookies !== undefined ? csrfDenial(request, cookies, instruments, "authenticated") : undefined;
    return denial ?? refusalOf(known) ?? ALLOW;
  }

  return Object.freeze({
    name: "authenticate",
    check(request: GuardRequest): MaybePromise<Verdict> {
      const known = request.facts.get(principalFact);
      if (known !== undefined) return checkAgain(request, known);
      const found = credentialOf(request);
      if (found.kind === "ambiguous") return AMBIGUOUS;
      if (found.kind === "unreadable") return INVALID;
      const presented = found.kind === "none" ? undefined : found;
      const jar = cookies === undefined || (!required && cookies.isProofRoute(request)) ? NO_COOKIES : cookies.read(request);
      if (jar === "ambiguous") return ambiguousSession();
      if (jar.session !== undefined) return checkSession(request, jar, jar.session, presented);
      if (presented === undefined) return required ? UNAUTHENTICATED : ALLOW;
      return checkField(request, presented);
    },
  });
}

type Presented = Extract<PresentedCredential, { readonly kind: "access_token" | "api_key" }>;

// Without a promise where there is none: the hot path costs no microtask.
function after<T, U>(value: MaybePromise<T>, next: (settled: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

// A service or system may have the id of a user without being that user.
function isSameUser({ principal }: AccessToken, other: Principal): boolean {
  return (other.type === "user" || other.type === "apiKey") && subjectOf(other) === principal.id;
}

const sessions = new WeakMap<AccessToken, AccessToken>();

// The same token says `token` in a header field and `session` in a cookie. Made once for each that the verifier remembers.
function sessionOf(token: AccessToken): AccessToken {
  const session = sessions.get(token) ?? bySession(token);
  sessions.set(token, session);
  return session;
}

/** A denial of a credential that was sent (RFC 6750 §3.1). */
export function refused(problem: Problem, further?: HeaderField): Verdict {
  if (problem.status !== 401) return deny(problem);
  const challenge: HeaderField = ["www-authenticate", 'Bearer error="invalid_token"'];
  return deny(problem, further === undefined ? [challenge] : [challenge, further]);
}
