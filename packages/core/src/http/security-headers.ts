import type { Guard, Verdict } from "../guard/guard.js";
import type { HeaderField } from "../guard/header-list.js";
import { invalidOption } from "../problem/errors.js";

/** What {@link securityHeaders} sends. */
export interface SecurityHeadersOptions {
  /**
   * `api` (default): nothing may load, nothing is cached. `document`: pages of this origin, with `scriptHashes` for their scripts.
   */
  readonly preset?: "api" | "document";
  /** Strict-Transport-Security in seconds; `false` leaves it out (plain HTTP in development). Default 63,072,000 (two years). */
  readonly hstsMaxAgeSeconds?: number | false;
  /** `sha256-…` sources of the inline scripts of a document. */
  readonly scriptHashes?: readonly string[];
  /** `sha256-…` sources of the inline styles of a document. */
  readonly styleHashes?: readonly string[];
}

const DEFAULT_HSTS_SECONDS = 63_072_000;
const HASH_SOURCE = /^sha(?:256|384|512)-[A-Za-z0-9+/]+={0,2}$/;

/**
 * Sends the security headers on every response, errors and unmatched routes included. Mount it first.
 * A later `securityHeaders` on a route (a documentation page) overwrites the ones mounted before.
 *
 * @throws {ConfigurationError} `invalid_option`: the preset is unknown, a hash source is malformed, or the age is negative.
 * @see OWASP Secure Headers Project; Content Security Policy Level 3
 */
export function securityHeaders(options: SecurityHeadersOptions = {}): Guard {
  const { preset = "api", hstsMaxAgeSeconds = DEFAULT_HSTS_SECONDS, scriptHashes = [], styleHashes = [] } = options;
  if (preset !== "api" && preset !== "document") throw invalidOption("preset", preset, '"api" or "document"');
  for (const [option, hashes] of Object.entries({ scriptHashes, styleHashes })) {
    for (const hash of hashes)
      if (!HASH_SOURCE.test(hash)) throw invalidOption(option, hash, "a list of sha256-, sha384- or sha512- sources");
  }
  const fields: HeaderField[] = [
    ["x-content-type-options", "nosniff"],
    ["x-frame-options", "DENY"],
    ["referrer-policy", "no-referrer"],
    ["cross-origin-opener-policy", "same-origin"],
    ["cross-origin-resource-policy", "same-origin"],
    ["cross-origin-embedder-policy", "require-corp"],
    ["x-permitted-cross-domain-policies", "none"],
    ["content-security-policy", preset === "api" ? API_POLICY : documentPolicy(scriptHashes, styleHashes)],
    ["cache-control", preset === "api" ? "no-store" : "no-cache"],
  ];
  if (hstsMaxAgeSeconds !== false) {
    if (!Number.isInteger(hstsMaxAgeSeconds) || hstsMaxAgeSeconds < 0)
      throw invalidOption("hstsMaxAgeSeconds", hstsMaxAgeSeconds, "an integer of 0 or more, or false");
    fields.push(["strict-transport-security", `max-age=${hstsMaxAgeSeconds}; includeSubDomains`]);
  }
  // Made once: the same frozen verdict for every request.
  const verdict: Verdict = Object.freeze({ kind: "allow", headers: Object.freeze(fields) });
  return { name: "security-headers", check: () => verdict };
}

const API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

function documentPolicy(scriptHashes: readonly string[], styleHashes: readonly string[]): string {
  const sources = (hashes: readonly string[]): string => ["'self'", ...hashes.map((hash) => `'${hash}'`)].join(" ");
  return [
    "default-src 'none'",
    `script-src ${sources(scriptHashes)}`,
    `style-src ${sources(styleHashes)}`,
    "img-src 'self' data:",
    "connect-src 'self'",
    "font-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
  ].join("; ");
}
