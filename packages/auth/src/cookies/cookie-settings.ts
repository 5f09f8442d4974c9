import { invalidOption, ownOptions } from "@portcullis/core";
import { expiredLine } from "./set-cookie.js";

/** Options of `createAuth` that let browsers hold the tokens in cookies. `{}` switches them on with every default. */
export interface CookieOptions {
  /**
   * `true` (default): cookies with `Secure` and the prefixes `__Host-` and `__Secure-`, which no other host and no plain HTTP can
   * set. `false` drops both, for http://localhost; refused unless `development` is `true`.
   */
  readonly secure?: boolean;
  /** Says that this is no production: allows `secure: false`. Default `false`. */
  readonly development?: boolean;
  /** `Path` of the refresh cookie: the prefix of `authRoutes`, which checks that. Default `/auth`; `/` for routes at the root. */
  readonly refreshPath?: string;
  /** Names without prefix; defaults `session`, `refresh` and `csrf`. */
  readonly names?: Partial<CookieNames>;
  /** Cookies of earlier configurations, taken away with every login and logout. Default: none. */
  readonly legacy?: readonly LegacyCookie[];
  /**
   * Exact origins of other sites whose pages may act for the user (`https://app.example.com`), also those of our own behind a proxy that
   * changes `Host`. Default: none. Pages there need `cors` as well, with these origins, `credentials: true` and `x-csrf-token` among the
   * `allowedHeaders`; browsers send them our `SameSite` cookies within one site only.
   */
  readonly trustedOrigins?: readonly string[];
}

/** What the three cookies are called. */
export interface CookieNames {
  /** Holds the access token. */
  readonly session: string;
  readonly refresh: string;
  /** Readable by scripts of the site, which send it back in `x-csrf-token`. */
  readonly csrf: string;
}

/** A cookie that is not issued any more. Browsers know a cookie by its name, path and domain. */
export interface LegacyCookie {
  /** In full, with its prefix if it had one. */
  readonly name: string;
  /** Default `/`. */
  readonly path?: string;
  readonly domain?: string;
}

/** {@link CookieOptions}, checked. */
export interface CookieSettings {
  readonly secure: boolean;
  readonly refreshPath: string;
  /** As they stand in header fields: with their prefixes. */
  readonly names: CookieNames;
  /** `Set-Cookie` values that take the legacy cookies away. */
  readonly legacyExpired: readonly string[];
  readonly trustedOrigins: ReadonlySet<string>;
}

const DEFAULT_NAMES: CookieNames = Object.freeze({ session: "session", refresh: "refresh", csrf: "csrf" });
const BARE_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const FULL_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/; // RFC 9110 §5.6.2: a token
const PATH = /^(?:\/|(?:\/[A-Za-z0-9._~-]+)+)$/;
const DOMAIN = /^[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*$/;

/** @throws {ConfigurationError} `invalid_option` */
export function readCookieOptions(given: CookieOptions | undefined): CookieSettings | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== "object" || given === null) throw invalidOption("cookies", given, "an object of options");
  const options = ownOptions("cookies", given, ["secure", "development", "refreshPath", "names", "legacy", "trustedOrigins"]);
  const { secure = true, development = false, refreshPath = "/auth", legacy = [], trustedOrigins = [] } = options;
  requireBoolean("cookies.secure", secure);
  requireBoolean("cookies.development", development);
  if (!secure && !development) {
    throw invalidOption("cookies.secure", secure, "true, unless cookies.development is true: over plain HTTP anybody on the way reads it");
  }
  if (typeof refreshPath !== "string" || !PATH.test(refreshPath))
    throw invalidOption("cookies.refreshPath", refreshPath, "a path like /auth");
  if (!Array.isArray(legacy)) throw invalidOption("cookies.legacy", legacy, "a list of cookies");
  if (!Array.isArray(trustedOrigins)) throw invalidOption("cookies.trustedOrigins", trustedOrigins, "a list of origins");
  return Object.freeze({
    secure,
    refreshPath,
    names: readNames(options.names, secure),
    legacyExpired: Object.freeze(legacy.map((cookie, index) => legacyLine(`cookies.legacy[${index}]`, cookie, secure))),
    trustedOrigins: new Set(trustedOrigins.map((origin, index) => readOrigin(`cookies.trustedOrigins[${index}]`, origin))),
  });
}

function requireBoolean(option: string, value: unknown): void {
  if (typeof value !== "boolean") throw invalidOption(option, value, "true or false");
}

function readNames(given: Partial<CookieNames> = {}, secure: boolean): CookieNames {
  const bare = { ...DEFAULT_NAMES, ...ownOptions("cookies.names", given, ["session", "refresh", "csrf"]) };
  for (const name of ["session", "refresh", "csrf"] as const) {
    if (typeof bare[name] !== "string" || !BARE_NAME.test(bare[name])) {
      throw invalidOption(`cookies.names.${name}`, bare[name], "1 to 64 letters, digits, - and _, without a prefix");
    }
  }
  const { session, refresh, csrf } = bare;
  if (new Set([session, refresh, csrf]).size < 3) throw invalidOption("cookies.names", given, "three different names");
  // RFC 6265bis §4.1.3: browsers hold to what the prefixes promise. __Host- demands Path=/, which the refresh cookie must not have.
  return Object.freeze(
    secure ? { session: `__Host-${session}`, refresh: `__Secure-${refresh}`, csrf: `__Host-${csrf}` } : { session, refresh, csrf },
  );
}

function legacyLine(option: string, cookie: LegacyCookie, secure: boolean): string {
  const { name, path = "/", domain } = cookie ?? {};
  if (typeof name !== "string" || !FULL_NAME.test(name)) throw invalidOption(`${option}.name`, name, "the name of a cookie");
  if (typeof path !== "string" || !PATH.test(path)) throw invalidOption(`${option}.path`, path, "a path like /auth");
  if (domain !== undefined && (typeof domain !== "string" || !DOMAIN.test(domain))) {
    throw invalidOption(`${option}.domain`, domain, "a domain like example.com");
  }
  // Without Secure a browser leaves a cookie alone that has it (RFC 6265bis §5.7).
  return expiredLine({ name, attributes: `Path=${path}${domain === undefined ? "" : `; Domain=${domain}`}${secure ? "; Secure" : ""}` });
}

function readOrigin(option: string, origin: unknown): string {
  // "null" is what every sandboxed page has; with a path or a wildcard it would look like a rule and match nothing.
  if (typeof origin === "string" && URL.canParse(origin) && new URL(origin).origin === origin && !/^null$|\*/.test(origin)) return origin;
  throw invalidOption(option, origin, 'an origin such as "https://app.example.com", without a path');
}
