// How the outcome of a login reaches the page that asked for it.

import { ProblemError } from "@portcullis/core";
import type { FlowOutcome, FlowRefusal } from "../authorization-flow.js";
import type { OAuthInternals } from "../create-oauth.js";
import type { OAuthSettings } from "../oauth-settings.js";

/** Redirects to where the login was to lead, with what the delivery says. @throws {ProblemError} Refused, and there is no error page. */
export function deliverOutcome(
  outcome: FlowOutcome,
  cookies: readonly string[],
  { settings: oauth, sessionCookies }: Pick<OAuthInternals, "settings" | "sessionCookies">,
): Response {
  if (outcome.kind === "refused") return deliverRefusal(outcome, cookies, oauth);
  const { redirect, clientState, provider } = outcome.attempt;
  const shared = clientState === undefined ? {} : { state: clientState };
  switch (outcome.kind) {
    case "linked":
      return seeOther(addressOf(redirect, oauth.delivery === "fragment" ? "fragment" : "query", { linked: provider, ...shared }), cookies);
    case "code":
      return seeOther(addressOf(redirect, "query", { code: outcome.code, ...shared }), cookies);
    case "login": {
      const { result } = outcome;
      if (result.kind === "mfa_required") {
        const { token, expiresAt, enrolled } = result.challenge;
        const parameters = {
          mfa_required: "true",
          mfa_token: token,
          mfa_token_expires_at: String(expiresAt),
          mfa_enrolled: String(enrolled),
          ...shared,
        };
        // In the fragment with cookies as well: it opens no session, and the page has to send it.
        return seeOther(addressOf(redirect, "fragment", parameters), cookies);
      }
      const { tokens } = result.value;
      if (oauth.delivery === "cookie") {
        return seeOther(addressOf(redirect, "query", shared), [...cookies, ...sessionCookies(tokens)]);
      }
      const parameters = {
        access_token: tokens.accessToken,
        refresh_token: tokens.refreshToken,
        token_type: "Bearer",
        expires_in: String(Math.round((tokens.accessExpiresAt - tokens.issuedAt) / 1000)),
        refresh_expires_in: String(Math.round((tokens.refreshExpiresAt - tokens.issuedAt) / 1000)),
        ...shared,
      };
      return seeOther(addressOf(redirect, "fragment", parameters), cookies);
    }
  }
}

/** Leads to the error page. @throws {ProblemError} There is none, or nobody knows whose login it was. */
export function deliverRefusal(refusal: FlowRefusal, cookies: readonly string[], { redirects }: OAuthSettings): Response {
  const { reason, problem, clientState } = refusal;
  // A state of nobody's is answered on the spot: whoever made it up gets no redirect out of us.
  if (redirects.error === undefined || reason === "state_invalid") throw new ProblemError(problem);
  const shared = clientState === undefined ? {} : { state: clientState };
  return seeOther(addressOf(redirects.error, "query", { error: reason, code: String(problem.code), ...shared }), cookies);
}

function addressOf(redirect: string, place: "query" | "fragment", parameters: Readonly<Record<string, string>>): string {
  const url = new URL(redirect);
  if (place === "fragment") url.hash = new URLSearchParams(parameters).toString();
  else for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/** 303: the next request is a GET, whatever this one was; 307 would repeat a form with what is in it. */
export function seeOther(location: string, cookies: readonly string[]): Response {
  const headers = new Headers({
    location,
    "cache-control": "no-store",
    pragma: "no-cache",
    // The address of this page has a code in it.
    "referrer-policy": "no-referrer",
  });
  for (const cookie of cookies) headers.append("set-cookie", cookie);
  return new Response(null, { status: 303, headers });
}
