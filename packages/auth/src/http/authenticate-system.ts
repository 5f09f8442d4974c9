import {
  ALLOW,
  deny,
  type FactKey,
  createFactKey,
  type Guard,
  type GuardRequest,
  invalidOption,
  type MaybePromise,
  principalFact,
  type Problem,
  problems,
  type Verdict,
  ownOptions,
} from "@portcullis/core";
import type { AuthResult } from "../auth-result.js";
import { internalsOf } from "../auth-internals.js";
import type { Auth } from "../create-auth.js";
import type { SystemToken } from "../system-tokens/system-claims.js";
import { credentialOf } from "./credentials.js";

/** Options of {@link authenticateSystem}. */
export interface AuthenticateSystemOptions {
  /** The name of this service; a token must carry it in `aud`, alone or in a list. No default. */
  readonly audience: string;
}

/** The verified system token of this request. Set by `authenticateSystem`. */
export const systemTokenFact: FactKey<SystemToken> = createFactKey<SystemToken>("system-token");

const UNAUTHENTICATED = deny(problems.unauthenticated(), [["www-authenticate", "Bearer"]]);
const AMBIGUOUS = deny(problems.ambiguousCredentials());
const INVALID = refused(problems.invalidToken());

/**
 * Lets in services only, each with a system token that was made for this audience, and publishes a `SystemPrincipal` under
 * `principalFact`.
 *
 * Denials: 401 for nothing, for tokens of users, API keys, tokens for another audience and all that is bad, with `WWW-Authenticate`
 * (RFC 6750 §3); 400 for several credentials. A store that does not answer is a fault: 503, fails closed.
 *
 * @throws {ConfigurationError} `invalid_option`: no audience is named.
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { authenticateSystem, createAuth, createUserDirectory } from "@portcullis/auth";
 * import { createApp, createMemoryStore, defineRoute, principalFact, toFetchHandler } from "@portcullis/core";
 *
 * const store = createMemoryStore();
 * const secret = (): string => randomBytes(48).toString("base64");
 * const auth = createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret() });
 * const settle = defineRoute({
 *   method: "POST",
 *   path: "/settle",
 *   operationId: "settle",
 *   summary: "Settles what is due",
 *   guards: [authenticateSystem(auth, { audience: "billing" })],
 *   handle: (_request, { facts }) => Response.json({ by: facts.get(principalFact)?.id }),
 * });
 *
 * const handler = toFetchHandler(createApp({ routes: [settle] }));
 * const { token } = await auth.createSystemToken({ service: "scheduler", audience: "billing" });
 * const headers = { authorization: `Bearer ${token}` };
 * const response = await handler(new Request("http://localhost/settle", { method: "POST", headers }));
 * console.log(response.status, await response.json()); // 200 { by: 'system:scheduler' }
 * ```
 */
export function authenticateSystem(auth: Auth, options: AuthenticateSystemOptions): Guard {
  const { audience } = ownOptions("authenticateSystem", options ?? {}, ["audience"]);
  if (typeof audience !== "string" || audience === "") {
    throw invalidOption("authenticateSystem.audience", audience, "the name of this service");
  }

  const { programs } = internalsOf("authenticateSystem.auth", auth);

  function publish(request: GuardRequest, token: SystemToken): Verdict {
    request.facts.set(principalFact, token.principal);
    request.facts.set(systemTokenFact, token);
    return ALLOW;
  }

  function take(request: GuardRequest, result: AuthResult<SystemToken>): MaybePromise<Verdict> {
    if (result.kind === "denied") return refused(result.problem);
    const token = result.value;
    if (programs === undefined) return publish(request, token);
    // A service proves no second factor: where its roles need one, it needs a bypass in force.
    return programs(token.principal, token.principal.id).then((admitted) =>
      admitted.kind === "denied" ? refused(admitted.problem) : publish(request, Object.freeze({ ...token, principal: admitted.value })),
    );
  }

  return Object.freeze({
    name: "authenticate-system",
    check(request: GuardRequest): MaybePromise<Verdict> {
      // Who is known already was let in as somebody else, or for an audience: both are looked at again.
      const known = request.facts.get(systemTokenFact);
      if (known !== undefined) return known.audiences.includes(audience) ? ALLOW : INVALID;
      if (request.facts.get(principalFact) !== undefined) return INVALID;
      const credential = credentialOf(request);
      if (credential.kind === "none") return UNAUTHENTICATED;
      if (credential.kind === "ambiguous") return AMBIGUOUS;
      if (credential.kind !== "access_token") return INVALID;
      const result = auth.verifySystemToken(credential.token, { audience });
      return result instanceof Promise ? result.then((settled) => take(request, settled)) : take(request, result);
    },
  });
}

function refused(problem: Problem): Verdict {
  return problem.status === 401 ? deny(problem, [["www-authenticate", 'Bearer error="invalid_token"']]) : deny(problem);
}
