import type { GuardRequest } from "@portcullis/core";
import { AuthError } from "../errors.js";
import type { SecretRing } from "../jwt/secret-ring.js";
import type { TokenPair } from "../tokens/token-pair.js";
import type { CsrfRefusal } from "./cookie-event.js";
import type { CookieSettings } from "./cookie-settings.js";
import { isCrossOrigin, type ReadField } from "./cross-origin.js";
import { createCsrfTokens, isSameText } from "./csrf-token.js";
import { type AmbiguousCookies, type OurCookies, readCookies } from "./read-cookies.js";
import { cookieLine, expiredLine } from "./set-cookie.js";

/** Where scripts of the site repeat the CSRF cookie. */
export const CSRF_HEADER = "x-csrf-token";

/** What an answer sets. */
export interface IssuedCookies {
  /** `Set-Cookie` values, each for a field line of its own. */
  readonly lines: readonly string[];
  readonly csrfToken: string;
}

/** Our cookies: written, read and defended. */
export interface SessionCookies {
  readonly settings: CookieSettings;
  /** All three anew; whatever a browser held before is overwritten. */
  issue(tokens: TokenPair): IssuedCookies;
  /**
   * The CSRF cookie alone.
   *
   * @param present What the browser sent; goes on if it is good, so that other tabs need not learn a new one.
   */
  issueCsrf(sessionId: string, present: string | undefined, maxAgeSeconds: number): IssuedCookies;
  /** `Set-Cookie` values that leave nothing behind. */
  readonly cleared: readonly string[];
  /** Takes the session cookie away alone: its token is bad, the refresh cookie may still be good. */
  readonly sessionCleared: string;
  read(request: GuardRequest): OurCookies | AmbiguousCookies;
  /** Whether a page of another origin sent this. */
  isCrossOrigin(field: ReadField): boolean;
  /**
   * Why a request that came with cookies is not to be believed; `undefined` when it is.
   *
   * @param sessionId Of the cookie used; `undefined` when it names none, so that there is nothing a token could belong to.
   */
  csrfRefusal(request: GuardRequest, cookies: OurCookies, sessionId: string | undefined): CsrfRefusal | undefined;
  /** Whether the request is for a route of ours that looks at cookies in its own way: login, refresh, logout, both steps of a second factor. */
  isProofRoute(request: GuardRequest): boolean;
}

// Browsers drop what is longer, without a word (RFC 6265bis §5.6; ASVS 3.3.5).
const MAX_COOKIE_BYTES = 4096;
// Safe by RFC 9110 §9.2.1; TRACE is not served.
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether a method may change something. */
export function isUnsafe(method: string): boolean {
  return !SAFE_METHODS.has(method);
}

export function createSessionCookies(settings: CookieSettings, secrets: SecretRing, random: (bytes: number) => Uint8Array): SessionCookies {
  const { names, refreshPath, secure, trustedOrigins } = settings;
  const csrfTokens = createCsrfTokens(secrets, random);
  const flag = secure ? "; Secure" : "";
  const session = { name: names.session, attributes: `Path=/${flag}; HttpOnly; SameSite=Lax` };
  const refresh = { name: names.refresh, attributes: `Path=${refreshPath}; HttpOnly${flag}; SameSite=Strict` };
  const csrf = { name: names.csrf, attributes: `Path=/${flag}; SameSite=Lax` };
  const root = refreshPath === "/" ? "" : refreshPath;
  const proofRoutes: ReadonlySet<string> = new Set(
    ["login", "refresh", "logout", "mfa/enroll", "mfa/verify"].map((name) => `${root}/${name}`),
  );

  return Object.freeze({
    settings,
    issue(tokens: TokenPair): IssuedCookies {
      requireCookieSize(settings, tokens);
      const csrfToken = csrfTokens.create(tokens.sessionId);
      const accessSeconds = Math.round((tokens.accessExpiresAt - tokens.issuedAt) / 1000);
      const sessionSeconds = Math.round((tokens.refreshExpiresAt - tokens.issuedAt) / 1000);
      const lines = [
        ...settings.legacyExpired,
        cookieLine(session, tokens.accessToken, accessSeconds),
        cookieLine(refresh, tokens.refreshToken, sessionSeconds),
        cookieLine(csrf, csrfToken, sessionSeconds),
      ];
      return { lines, csrfToken };
    },
    issueCsrf(sessionId: string, present: string | undefined, maxAgeSeconds: number): IssuedCookies {
      const csrfToken = present !== undefined && csrfTokens.isFor(present, sessionId) ? present : csrfTokens.create(sessionId);
      return { lines: [cookieLine(csrf, csrfToken, maxAgeSeconds)], csrfToken };
    },
    cleared: Object.freeze([...settings.legacyExpired, expiredLine(session), expiredLine(refresh), expiredLine(csrf)]),
    sessionCleared: expiredLine(session),
    read: (request: GuardRequest) => readCookies(request, names),
    isCrossOrigin: (field: ReadField) => isCrossOrigin(field, trustedOrigins),
    csrfRefusal(request: GuardRequest, cookies: OurCookies, sessionId: string | undefined): CsrfRefusal | undefined {
      if (isCrossOrigin((name) => request.header(name), trustedOrigins)) return "cross_origin";
      if (sessionId === undefined) return undefined;
      const sent = request.header(CSRF_HEADER);
      const isGood =
        sent !== undefined &&
        request.headerCount(CSRF_HEADER) === 1 &&
        cookies.csrf !== undefined &&
        isSameText(sent, cookies.csrf) &&
        csrfTokens.isFor(sent, sessionId);
      return isGood ? undefined : "token";
    },
    isProofRoute({ method, target }: GuardRequest): boolean {
      if (method !== "POST") return false;
      const query = target.indexOf("?");
      return proofRoutes.has(query === -1 ? target : target.slice(0, query));
    },
  });
}

/**
 * Where cookies are configured, every token must fit into one: an account must not be able to log in here and not there.
 *
 * @throws {AuthError} `token_too_large`: a cookie would be longer than 4,096 bytes.
 */
export function requireCookieSize(
  { names }: CookieSettings,
  { accessToken, refreshToken }: Pick<TokenPair, "accessToken" | "refreshToken">,
): void {
  // Names and tokens are ASCII: a character is a byte.
  const longest = Math.max(names.session.length + accessToken.length, names.refresh.length + refreshToken.length);
  if (longest <= MAX_COOKIE_BYTES) return;
  throw new AuthError(
    "token_too_large",
    `A cookie of ${longest} bytes would be made; browsers drop what is longer than ${MAX_COOKIE_BYTES}. Give the account fewer or shorter roles.`,
  );
}
