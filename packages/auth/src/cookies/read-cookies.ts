// The Cookie field, read more strictly than any parser that has to be kind to other people's cookies. What makes a name of ours out
// of another one (trimming beyond spaces, undoing quotes or %xx, `$Version` of RFC 2965) walks around the prefixes that browsers
// guard: they would let a neighbouring host set the other name (PortSwigger, "Cookie Chaos").

import type { GuardRequest } from "@portcullis/core";
import type { CookieNames } from "./cookie-settings.js";

/** The values of our cookies in one request, exactly as sent. */
export interface OurCookies {
  readonly session: string | undefined;
  readonly refresh: string | undefined;
  readonly csrf: string | undefined;
}

/** One of our names twice: a neighbour has planted a second one, and which of the two is ours nobody can tell. */
export type AmbiguousCookies = "ambiguous";

export const NO_COOKIES: OurCookies = Object.freeze({ session: undefined, refresh: undefined, csrf: undefined });

/** Reads our cookies. */
export function readCookies(request: GuardRequest, names: CookieNames): OurCookies | AmbiguousCookies {
  const field = request.header("cookie");
  if (field === undefined) return NO_COOKIES;
  const found: { -readonly [Name in keyof OurCookies]: OurCookies[Name] } = { ...NO_COOKIES };
  let count = 0;
  for (let start = 0; start < field.length;) {
    const semicolon: number = field.indexOf(";", start);
    const end: number = semicolon === -1 ? field.length : semicolon;
    // RFC 6265 §4.2.1 has one space after the semicolon; nothing else is taken off, neither here nor at the value.
    while (start < end && field.charCodeAt(start) === 0x20) start += 1;
    const equals = field.indexOf("=", start);
    const which = equals === -1 || equals >= end ? undefined : nameOf(field.slice(start, equals), names);
    if (which !== undefined) {
      if (found[which] !== undefined) return "ambiguous";
      found[which] = field.slice(equals + 1, end);
      count += 1;
    }
    start = end + 1;
  }
  if (count === 0) return NO_COOKIES;
  return isSplit(request) ? "ambiguous" : found;
}

function nameOf(name: string, names: CookieNames): keyof CookieNames | undefined {
  if (name === names.session) return "session";
  if (name === names.refresh) return "refresh";
  return name === names.csrf ? "csrf" : undefined;
}

// A browser sends one field (RFC 6265 §5.4), except in HTTP/2, where it may cut it into pieces (RFC 9113 §8.2.3). No HTTP/1 client
// can send a field with a colon in its name.
function isSplit(request: GuardRequest): boolean {
  return request.headerCount("cookie") > 1 && request.headerCount(":method") === 0;
}
