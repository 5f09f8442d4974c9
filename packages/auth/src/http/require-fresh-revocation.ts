import { ALLOW, deny, type Guard, type GuardRequest, type MaybePromise, principalFact, problems, type Verdict } from "@portcullis/core";
import type { AuthResult } from "../auth-result.js";
import { internalsOf } from "../auth-internals.js";
import type { Auth } from "../create-auth.js";
import { accessTokenFact } from "../tokens/access-token.js";
import { refused } from "./authenticate.js";

const UNAUTHENTICATED = deny(problems.unauthenticated());

/**
 * Asks the store anew whether the caller's credential still counts, whatever is remembered (`revocation.maxStalenessMs`): for
 * operations that somebody who was logged out a moment ago must not do. Mount it behind `authenticate`.
 *
 * An access token or API key that ended is 401, as is a request without a caller. A store that does not answer is 503, whatever
 * `revocation.whenUnavailable` says. Of an identity that a trusted caller vouches for, it asks whether the account is disabled; services
 * and the system itself, of which nothing is remembered, pass.
 *
 * @throws {ConfigurationError} `invalid_option`: not an `Auth`.
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { authenticate, createAuth, createUserDirectory, requireFreshRevocation } from "@portcullis/auth";
 * import { createMemoryStore, defineRoute } from "@portcullis/core";
 *
 * const store = createMemoryStore();
 * const secret = (): string => randomBytes(48).toString("base64");
 * const auth = createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret() });
 * export const payOut = defineRoute({
 *   method: "POST",
 *   path: "/payouts",
 *   operationId: "payOut",
 *   summary: "Pays out",
 *   guards: [authenticate(auth, { required: true }), requireFreshRevocation(auth)],
 *   handle: () => new Response(null, { status: 202 }),
 * });
 * ```
 */
export function requireFreshRevocation(auth: Auth): Guard {
  const { settings, verifyAgain } = internalsOf("requireFreshRevocation.auth", auth);

  return Object.freeze({
    name: "require-fresh-revocation",
    check(request: GuardRequest): MaybePromise<Verdict> {
      const principal = request.facts.get(principalFact);
      if (principal === undefined) return UNAUTHENTICATED;
      const token = request.facts.get(accessTokenFact);
      if (token !== undefined) {
        const result = verifyAgain(token);
        return result instanceof Promise ? result.then(verdictOf) : verdictOf(result);
      }
      if (principal.type === "apiKey") return auth.apiKeys.verifyAgain(principal).then(verdictOf);
      if (principal.type !== "user") return ALLOW;
      const state = settings.store.subjects.read(principal.id);
      return state instanceof Promise ? state.then(({ disabled }) => ofAccount(disabled)) : ofAccount(state.disabled);
    },
  });
}

function verdictOf(result: AuthResult<unknown>): Verdict {
  return result.kind === "ok" ? ALLOW : refused(result.problem);
}

function ofAccount(isDisabled: boolean): Verdict {
  return isDisabled ? refused(problems.sessionRevoked()) : ALLOW;
}
