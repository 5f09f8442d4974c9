import { ALLOW, deny, type Guard, type Verdict } from "../guard/guard.js";
import type { HeaderField, HeaderList } from "../guard/header-list.js";
import { problems } from "../problem/catalogue.js";
import { ConfigurationError, invalidOption } from "../problem/errors.js";

/** Which web pages may call the API. */
export interface CorsOptions {
  /** Exact origins (`https://app.example.com`), or `*` for a public API without credentials. */
  readonly origins: readonly string[] | "*";
  /** Whether pages may send cookies. Refused together with `*`. Default `false`. */
  readonly credentials?: boolean;
  /** Default: GET, HEAD, POST, PUT, PATCH, DELETE. */
  readonly methods?: readonly string[];
  /** Request headers that pages may set. Default: authorization, content-type, idempotency-key, if-match, x-request-id, approval-id. */
  readonly allowedHeaders?: readonly string[];
  /** Response headers that pages may read. Default: the ones that Portcullis sends. */
  readonly exposedHeaders?: readonly string[];
  /** How long a browser may remember a preflight's answer. Default 600. */
  readonly maxAgeSeconds?: number;
}

const DEFAULTS = {
  credentials: false,
  methods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
  allowedHeaders: ["authorization", "content-type", "idempotency-key", "if-match", "x-request-id", "approval-id"],
  exposedHeaders: ["x-request-id", "retry-after", "ratelimit", "ratelimit-policy", "location", "etag", "deprecation", "sunset"],
  maxAgeSeconds: 600,
} as const;

/**
 * Answers preflights before authentication (they carry no credentials) and marks the responses that a page may read.
 * A page of another origin gets no CORS headers, so its browser keeps the response from it.
 *
 * @throws {ConfigurationError} `invalid_option`: `*` together with credentials, an origin that is not scheme and host only, or an
 *   age that is no whole number of seconds.
 * @see Fetch Standard §3.2
 */
export function cors(options: CorsOptions): Guard {
  const { origins, credentials = DEFAULTS.credentials, methods = DEFAULTS.methods, maxAgeSeconds = DEFAULTS.maxAgeSeconds } = options;
  const { allowedHeaders = DEFAULTS.allowedHeaders, exposedHeaders = DEFAULTS.exposedHeaders } = options;
  if (origins === "*" && credentials) {
    throw new ConfigurationError(
      "invalid_option",
      'Option "origins" is "*" while credentials are allowed: every page could act as the user. List the origins.',
    );
  }
  if (origins !== "*" && !Array.isArray(origins)) throw invalidOption("origins", origins, 'a list of origins, or "*"');
  if (!Number.isInteger(maxAgeSeconds) || maxAgeSeconds < 0) throw invalidOption("maxAgeSeconds", maxAgeSeconds, "an integer of 0 or more");
  const allowed = origins === "*" ? undefined : new Set(origins.map(validOrigin));
  const shared: readonly HeaderField[] = credentials ? [["access-control-allow-credentials", "true"]] : [];
  const exposed: readonly HeaderField[] = exposedHeaders.length === 0 ? [] : [["access-control-expose-headers", exposedHeaders.join(", ")]];
  const preflightHeaders: readonly HeaderField[] = [
    ["access-control-allow-methods", methods.join(", ")],
    ["access-control-allow-headers", allowedHeaders.join(", ")],
    ["access-control-max-age", String(maxAgeSeconds)],
  ];
  // With a fixed `*` the answer does not depend on the origin; otherwise caches must keep answers apart.
  const vary: HeaderList = allowed === undefined ? [] : [["vary", "Origin"]];
  const plain: Verdict = allowed === undefined ? ALLOW : Object.freeze({ kind: "allow", headers: vary });
  const allowing = (origin: string): HeaderList => [
    ["access-control-allow-origin", allowed === undefined ? "*" : origin],
    ...vary,
    ...shared,
  ];
  const verdicts = new Map<string, Verdict>();
  // One verdict for each allowed origin, made at the start: the hot path allocates nothing.
  for (const origin of allowed ?? ["*"]) verdicts.set(origin, Object.freeze({ kind: "allow", headers: [...allowing(origin), ...exposed] }));

  return {
    name: "cors",
    check(request) {
      const origin = request.header("origin");
      if (origin === undefined) return plain;
      const verdict = verdicts.get(allowed === undefined ? "*" : origin);
      const isPreflight = request.method === "OPTIONS" && request.header("access-control-request-method") !== undefined;
      if (!isPreflight) return verdict ?? plain;
      if (verdict === undefined) return deny(problems.originRefused(), vary);
      return {
        kind: "answer",
        answer: { status: 204, headers: [...allowing(origin), ...preflightHeaders] },
      };
    },
  };
}

function validOrigin(origin: string): string {
  let parsed: URL | undefined;
  try {
    parsed = new URL(origin);
  } catch {
    // Reported below, like every other wrong origin: "null" (any sandboxed page has it), a path, a wildcard host.
  }
  // The parser takes https://*.example.com for a name; it would look like a rule and match nothing.
  if (parsed?.origin !== origin || origin.includes("*"))
    throw invalidOption("origins", origin, 'a list of origins such as "https://app.example.com", without a path');
  return origin;
}
