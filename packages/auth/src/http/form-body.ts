// Bodies of OAuth's token endpoints: application/x-www-form-urlencoded, where a JSON schema would refuse them.

import {
  ALLOW,
  createFactKey,
  deny,
  type Guard,
  type GuardRequest,
  parseQuery,
  type Problem,
  problems,
  type Verdict,
} from "@portcullis/core";

/** Parameters of the form of this request. Set by `formBody`. */
export const formFact = createFactKey<Readonly<Record<string, string>>>("form");

const FORM_MEDIA_TYPE = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;
// A token is at most 8,192 characters; three times that, were each percent-encoded.
const MAX_BODY_BYTES = 32_768;

/** Reads a form whose parameters occur once each (RFC 6749 §3.2), with one called `token` (RFC 7009 §2.1, RFC 7662 §2.1). */
export const formBody: Guard = Object.freeze({
  name: "form-body",
  async check(request: GuardRequest): Promise<Verdict> {
    if (!FORM_MEDIA_TYPE.test(request.header("content-type") ?? "")) return deny(problems.unsupportedMediaType());
    const form = parseForm(await request.rawBody(MAX_BODY_BYTES));
    if (form === undefined) return deny(invalidRequest("The body is no form whose parameters occur once each."));
    if (form["token"] === undefined || form["token"] === "") return deny(invalidRequest('The form needs the parameter "token".'));
    request.facts.set(formFact, form);
    return ALLOW;
  },
});

// `error` is what clients of OAuth look for (RFC 6749 §5.2).
function invalidRequest(detail: string): Problem {
  return problems.malformedRequest({ detail, extensions: { error: "invalid_request" } });
}

function parseForm(bytes: Uint8Array): Readonly<Record<string, string>> | undefined {
  const text = Buffer.from(bytes).toString("latin1");
  // The encoding leaves no other characters unescaped; a query would end at "#" and begin at "?".
  if (!/^[\x21-\x7e]*$/.test(text)) return undefined;
  const parameters = parseQuery(`?${text}`);
  if (parameters === undefined || Object.values(parameters).some((value) => typeof value !== "string")) return undefined;
  return parameters as Readonly<Record<string, string>>; // no lists among them
}
