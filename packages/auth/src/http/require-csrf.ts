import { ALLOW, createFactKey, deny, type Guard, type GuardRequest, invalidOption, problems, type Verdict } from "@portcullis/core";
import type { Instruments } from "../instruments.js";
import { internalsOf } from "../auth-internals.js";
import type { CsrfRefusal } from "../cookies/cookie-event.js";
import type { OurCookies } from "../cookies/read-cookies.js";
import { isUnsafe, type SessionCookies } from "../cookies/session-cookies.js";
import type { Auth } from "../create-auth.js";
import { accessTokenFact } from "../tokens/access-token.js";
import { credentialFact } from "./credential-fact.js";

const CSRF_FAILED = deny(problems.csrfFailed());
const passedFact = createFactKey<true>("csrf-passed");

/** Whose session a request acts for. */
interface ActingSession {
  readonly userId: string | undefined;
  readonly sessionId: string | undefined;
}

/**
 * Refuses forged requests, where `authenticate` was told to leave that to this guard (`csrf: "skip"`).
 *
 * Only what uses a cookie can be forged: requests with a bearer token or an API key pass, and so do GET, HEAD and OPTIONS. Others
 * must not come from a page of another origin (`Sec-Fetch-Site`, else `Origin`), and their `x-csrf-token` must be the CSRF cookie
 * and belong to the session. Denied: 403, 1104. Mount it behind `authenticate`: in front of it, whatever has a session cookie is
 * denied.
 *
 * @throws {ConfigurationError} `invalid_option`: the auth has no cookies.
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { authenticate, createAuth, createUserDirectory, requireCsrf } from "@portcullis/auth";
 * import { createMemoryStore, type Guard } from "@portcullis/core";
 *
 * const store = createMemoryStore();
 * const secret = (): string => randomBytes(48).toString("base64");
 * const auth = createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret(), cookies: {} });
 *
 * export const guards: readonly Guard[] = [authenticate(auth, { required: true, csrf: "skip" }), requireCsrf(auth)];
 * ```
 */
export function requireCsrf(auth: Auth): Guard {
  const { cookies, instruments } = internalsOf("requireCsrf.auth", auth);
  if (cookies === undefined) throw invalidOption("requireCsrf.auth", auth, "an Auth with the option cookies");
  return Object.freeze({
    name: "csrf",
    check: (request: GuardRequest): Verdict => csrfDenial(request, cookies, instruments, "anonymous-too") ?? ALLOW,
  });
}

/**
 * The denial of a request that was authenticated before, if it is forged.
 *
 * @param whom Whether a session cookie that nobody has looked at yet is denied as well.
 */
export function csrfDenial(
  request: GuardRequest,
  cookies: SessionCookies,
  instruments: Instruments,
  whom: "authenticated" | "anonymous-too",
): Verdict | undefined {
  const { facts } = request;
  if (!isUnsafe(request.method) || facts.get(passedFact) === true) return undefined;
  const used = facts.get(credentialFact);
  if (used !== undefined && used.source !== "cookie") return undefined;
  if (used === undefined && whom === "authenticated") return undefined;
  const jar = cookies.read(request);
  if (used === undefined && jar !== "ambiguous" && jar.session === undefined) return undefined;
  const token = facts.get(accessTokenFact);
  if (jar === "ambiguous" || token === undefined) return refuse(instruments, "token", { userId: undefined, sessionId: undefined });
  return sessionCsrfDenial(request, cookies, instruments, jar, { userId: token.principal.id, sessionId: token.sessionId });
}

/** The denial of a request that uses a cookie of this session, if it is forged. */
export function sessionCsrfDenial(
  request: GuardRequest,
  cookies: SessionCookies,
  instruments: Instruments,
  jar: OurCookies,
  session: ActingSession,
): Verdict | undefined {
  if (!isUnsafe(request.method)) return undefined;
  const refusal = cookies.csrfRefusal(request, jar, session.sessionId);
  if (refusal !== undefined) return refuse(instruments, refusal, session);
  if (request.facts.get(passedFact) === undefined) request.facts.set(passedFact, true);
  return undefined;
}

function refuse(instruments: Instruments, reason: CsrfRefusal, session: ActingSession): Verdict {
  instruments.csrfRefused(reason, session);
  return CSRF_FAILED;
}
