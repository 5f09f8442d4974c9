// Who decides whether tokens go into the body, where scripts can read them, or into cookies, where they cannot.

import { type Facts, ProblemError, problems } from "@portcullis/core";
import { internalsOf } from "../auth-internals.js";
import type { SessionCookies } from "../cookies/session-cookies.js";
import type { Auth } from "../create-auth.js";
import { credentialFact } from "./credential-fact.js";

/** What a login may ask for. */
export type Delivery = "body" | "cookie";

/**
 * For routes where somebody proves anew who they are: the client says where it wants the tokens, by default in the body.
 *
 * @returns the cookies to answer with; `undefined` for the body.
 * @throws {ProblemError} 2002: there are no cookies. 1104: a page of another origin asks for cookies, to log its visitor in as
 *   somebody else (login CSRF).
 */
export function deliveryAsked(auth: Auth, request: Request, delivery: Delivery | undefined): SessionCookies | undefined {
  if (delivery !== "cookie") return undefined;
  const { cookies, instruments } = internalsOf("auth", auth);
  if (cookies === undefined) {
    const errors = [{ in: "body", pointer: "/delivery", message: "Only body is offered here." }];
    throw new ProblemError(problems.validation({ extensions: { errors } }));
  }
  // The host of a request that was made by hand is in the URL alone.
  const field = (name: string): string | null => request.headers.get(name) ?? (name === "host" ? new URL(request.url).host : null);
  if (cookies.isCrossOrigin(field)) {
    instruments.csrfRefused("cross_origin", { userId: undefined, sessionId: undefined });
    throw new ProblemError(problems.csrfFailed());
  }
  return cookies;
}

/**
 * For routes of somebody who is known: new tokens go where the old ones came from. Whoever came with a cookie cannot ask for the body,
 * or a script could have what `HttpOnly` keeps from it.
 */
export function deliveryAsCame(auth: Auth, facts: Facts): SessionCookies | undefined {
  return facts.get(credentialFact)?.source === "cookie" ? internalsOf("auth", auth).cookies : undefined;
}
