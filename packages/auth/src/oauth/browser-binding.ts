// Ties a login to the browser that started it. Without it somebody could finish their own login in a victim's browser (login CSRF), or
// have a victim's code redeemed in theirs. One cookie for each login, named for its state: parallel tabs do not disturb each other.

import { createHash } from "node:crypto";
import { sha256 } from "./digest.js";

export interface BrowserBinding {
  /** @param cookies The request's `Cookie` field. @returns fields to set: the new one, and the end of abandoned ones beyond a few. */
  set(state: string, value: string, cookies: string | undefined): readonly string[];
  /** The value that the browser brought back; `undefined` when there is none, or more than one. */
  read(state: string, cookies: string | undefined): string | undefined;
  clear(state: string): string;
}

// Longer than the state lives: the store's clock decides, not the browser's.
const MAX_AGE_SECONDS = 660;
// Abandoned logins leave their cookies behind; unbounded they would make requests that servers refuse for their headers.
const MOST_PARALLEL = 8;
const NAME_CHARACTERS = 16;

/** @param secure Over https: the `__Host-` prefix keeps sister domains and plain http from planting one. */
export function createBrowserBinding(secure: boolean): BrowserBinding {
  const prefix = `${secure ? "__Host-" : ""}portcullis-oauth-`;
  // Another hash than the store's key: the cookie's name says nothing about that.
  const nameOf = (state: string): string =>
    prefix + createHash("sha256").update(`cookie\0${state}`).digest("base64url").slice(0, NAME_CHARACTERS);
  const field = (name: string, value: string, maxAgeSeconds: number): string =>
    // Lax: the provider's redirect is a navigation from another site, which Strict would leave it out of.
    `${name}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;

  return Object.freeze({
    set(state: string, value: string, cookies: string | undefined): readonly string[] {
      const others = pairsOf(cookies).flatMap(([name]) => (name.startsWith(prefix) ? [name] : []));
      // Browsers send the oldest first (RFC 6265 §5.4).
      const oldest = [...new Set(others)].slice(0, Math.max(0, others.length - (MOST_PARALLEL - 1)));
      return [...oldest.map((name) => field(name, "", 0)), field(nameOf(state), value, MAX_AGE_SECONDS)];
    },
    read(state: string, cookies: string | undefined): string | undefined {
      const name = nameOf(state);
      const values = pairsOf(cookies).filter((pair) => pair[0] === name);
      return values.length === 1 ? values[0]?.[1] : undefined;
    },
    clear: (state: string): string => field(nameOf(state), "", 0),
  });
}

/** What the store keeps of a binding. */
export function bindingHash(value: string): string {
  return sha256(`binding\0${value}`);
}

const COOKIE_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

function pairsOf(cookies: string | undefined): readonly (readonly [string, string])[] {
  return (cookies ?? "").split(";").flatMap((part) => {
    const equals = part.indexOf("=");
    const name = part.slice(0, equals).trim();
    return equals > 0 && COOKIE_NAME.test(name) ? [[name, part.slice(equals + 1).trim()] as const] : [];
  });
}
