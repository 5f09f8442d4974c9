// Where a login may lead. An open redirect here hands out tokens, so an address is read by the parser that browsers use (WHATWG URL),
// refused if other parsers could read it differently, compared as it was parsed, and sent in full as it was compared.

import { invalidOption } from "@portcullis/core";
import { isSecure } from "./provider-fetch.js";

/** @returns the full address in its canonical spelling, or `undefined`: not allowed. */
export type RedirectCheck = (redirect: string) => string | undefined;

const MAX_CHARACTERS = 2048;
// Control characters and white space are dropped by browsers ("/\t/evil"), a backslash is a slash to them. A fragment would swallow ours.
const AMBIGUOUS = /[\p{C}\s\\#]/u;
// A scheme without "//" and a host is relative to some and absolute to others ("https:evil").
const ABSOLUTE = /^https?:\/\/[^/]/i;
const RELATIVE = /^(?:\/(?!\/)|\?)/;

// An encoded slash keeps ".." from being resolved here, not in a server that decodes first.
const ENCODED_CLIMB = /(?:\/|%2f|%5c)(?:\.|%2e){2}(?:\/|%2f|%5c|$)/i;

type Rule = { readonly kind: "exact"; readonly href: string } | { readonly kind: "prefix"; readonly origin: string; readonly path: string };

/**
 * @param base What relative redirects are relative to.
 * @param exactOnly Refuses entries that end in `/*`.
 * @throws {ConfigurationError} `invalid_option`
 */
export function createRedirectCheck(
  option: string,
  entries: unknown,
  context: { readonly base: URL; readonly insecureLocalhost: boolean; readonly exactOnly: boolean },
): RedirectCheck {
  const { base, insecureLocalhost, exactOnly } = context;
  if (!Array.isArray(entries) || entries.length === 0) throw invalidOption(option, entries, "a list of addresses, at least one");
  const rules = entries.map((entry: unknown, index): Rule => {
    const isPrefix = typeof entry === "string" && entry.endsWith("/*");
    const url = typeof entry === "string" ? parse(isPrefix ? entry.slice(0, -1) : entry, base, insecureLocalhost) : undefined;
    if (url === undefined || (isPrefix && (exactOnly || url.search !== ""))) {
      const forms = 'like "https://app.example.com/login" or "/login"';
      const accepted = exactOnly
        ? `an exact address ${forms}: tokens in a fragment go to no pattern`
        : `an address ${forms}, or one that ends in "/*"`;
      throw invalidOption(`${option}[${index}]`, entry, `${accepted}; https, without fragment and user name`);
    }
    return isPrefix ? { kind: "prefix", origin: url.origin, path: url.pathname } : { kind: "exact", href: url.href };
  });
  return (redirect) => {
    const url = parse(redirect, base, insecureLocalhost);
    return url !== undefined && rules.some((rule) => matches(rule, url)) ? url.href : undefined;
  };
}

function matches(rule: Rule, url: URL): boolean {
  if (rule.kind === "exact") return url.href === rule.href;
  // The path ends in "/": "/cb/*" holds "/cb/x" and "/cb", never "/cb-evil".
  return url.origin === rule.origin && (url.pathname.startsWith(rule.path) || `${url.pathname}/` === rule.path);
}

function parse(text: string, base: URL, insecureLocalhost: boolean): URL | undefined {
  if (typeof text !== "string" || text.length > MAX_CHARACTERS || AMBIGUOUS.test(text)) return undefined;
  if (!ABSOLUTE.test(text) && !RELATIVE.test(text)) return undefined;
  // The base's path is not part of it: "?a" is a query of the site's root, whatever page the login came from.
  if (!URL.canParse(text, base.origin)) return undefined;
  const url = new URL(text, base.origin);
  const isPlain = url.username === "" && url.password === "" && isSecure(url, insecureLocalhost);
  // "/..//evil" parses to the path "//evil": harmless in a full address, not in the hands of a page that passes its path on.
  // A "*" in a host is a host of that name to the parser, and a hope of whoever wrote the entry.
  return isPlain && !url.hostname.includes("*") && !url.pathname.startsWith("//") && !ENCODED_CLIMB.test(url.pathname) ? url : undefined;
}
