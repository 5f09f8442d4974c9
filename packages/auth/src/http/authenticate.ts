import {
  ALLOW,
  deny,
  type Guard,
  type GuardRequest,
  invalidOption,
  type MaybePromise,
  type Principal,
  principalFact,
  type Problem,
  problems,
  type Verdict,
} from "@portcullis/core";
import type { AuthResult } from "../auth-result.js";
import { internalsOf } from "../auth-internals.js";
import type { Auth } from "../create-auth.js";
import { mfaRefusal } from "../mfa/mfa-policy.js";
import { type AccessToken, accessTokenFact } from "../tokens/access-token.js";
import { credentialOf } from "./credentials.js";

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
   * What becomes of a caller whose roles need a second factor that was not proven; default `require`: 403 `mfaRequired`. `allow` is for
   * the routes that enrol and verify it, and for a guard in front of all routes behind which each route has its own.
   */
  readonly mfa?: "require" | "allow";
}

const UNAUTHENTICATED = deny(problems.unauthenticated());
const PASSWORD_CHANGE_REQUIRED = deny(problems.passwordChangeRequired());
const AMBIGUOUS = deny(problems.ambiguousCredentials());
const INVALID = refused(problems.invalidToken());

/**
 * Publishes who is calling under `principalFact`, frozen, and the verified token under `accessTokenFact`.
 *
 * A credential that is present and bad is denied even where none is required: it never turns into an anonymous call. Denials:
 * 401 with `WWW-Authenticate: Bearer error="invalid_token"` (RFC 6750 §3.1), 400 for several credentials, 403 for a password
 * that must be changed. A store that does not answer is a fault: 503, fails closed. Synchronous for access tokens while the
 * store is. Mounted again behind itself it verifies nothing twice and only applies its own options.
 *
 * @throws {ConfigurationError} `invalid_option`: `required` is not given.
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
  const { required, mustChangePassword = "deny", mfa = "require" } = options ?? {};
  if (typeof required !== "boolean") throw invalidOption("authenticate.required", required, "true or false");
  const { settings } = internalsOf("authenticate", auth);

  const refusalOf = (principal: Principal): Verdict | undefined => {
    if (mustChangePassword === "deny" && principal.type === "user" && principal.mustChangePassword) return PASSWORD_CHANGE_REQUIRED;
    return mfa === "require" ? mfaRefusal(principal, settings) : undefined;
  };

  function takeToken(request: GuardRequest, result: AuthResult<AccessToken>): Verdict {
    if (result.kind === "denied") return refused(result.problem);
    const { principal } = result.value;
    const refusal = refusalOf(principal);
    if (refusal !== undefined) return refusal;
    request.facts.set(principalFact, principal);
    request.facts.set(accessTokenFact, result.value);
    return ALLOW;
  }

  async function takeApiKey(request: GuardRequest, key: string): Promise<Verdict> {
    const result = await auth.apiKeys.authenticate(key);
    if (result.kind === "denied") return refused(result.problem);
    const { keyId } = result.value;
    request.facts.set(principalFact, result.value);
    return { kind: "allow", settle: () => auth.apiKeys.noteUse(keyId) };
  }

  return Object.freeze({
    name: "authenticate",
    check(request: GuardRequest): MaybePromise<Verdict> {
      const known = request.facts.get(principalFact);
      if (known !== undefined) return refusalOf(known) ?? ALLOW;
      const credential = credentialOf(request);
      switch (credential.kind) {
        case "none":
          return required ? UNAUTHENTICATED : ALLOW;
        case "ambiguous":
          return AMBIGUOUS;
        case "unreadable":
          return INVALID;
        case "api_key":
          return takeApiKey(request, credential.key);
        case "access_token": {
          const result = auth.verifyAccessToken(credential.token);
          return result instanceof Promise ? result.then((settled) => takeToken(request, settled)) : takeToken(request, result);
        }
      }
    },
  });
}

function refused(problem: Problem): Verdict {
  return problem.status === 401 ? deny(problem, [["www-authenticate", 'Bearer error="invalid_token"']]) : deny(problem);
}
