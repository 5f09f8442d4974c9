// Options of createOAuth, checked once, copied and frozen.

import { invalidOption, ownOptions } from "@portcullis/core";
import type { Auth } from "../create-auth.js";
import { MINUTE_MS, integer, oneOf } from "../settings/option-checks.js";
import { type Fetch, isSecure } from "./provider-fetch.js";
import type { OAuthProvider } from "./providers/provider.js";
import { createRedirectCheck, type RedirectCheck } from "./redirect-allowlist.js";

/** What a new account gets beside its address. */
export interface NewUserDefaults {
  readonly roles: readonly string[];
  readonly orgRoles?: readonly string[];
  readonly orgId?: string;
  readonly workspaceId?: string;
}

/** Where logins may lead. */
export interface RedirectOptions {
  /**
   * Full addresses (`https://app.example.com/login`), or paths of this service's own site (`/login`); https only. An entry that ends in
   * `/*` holds everything below it, but not with `delivery: "fragment"`: tokens go to exact addresses only.
   */
  readonly allow: readonly string[];
  /** Where a login leads that asks for nothing; in `allow`. */
  readonly default: string;
  /** Where failed logins lead, with `error` and `state` in the query; need not be in `allow`. Default: they are answered with a problem. */
  readonly error?: string;
}

/** Options of `createOAuth`. */
export interface OAuthOptions {
  /** What `createAuth` returned. */
  readonly auth: Auth;
  /** By the name that stands in the routes: 1 to 32 of `a-z`, `0-9` and `-`. Do not rename one: identities remember it. */
  readonly providers: Readonly<Record<string, OAuthProvider>>;
  /** Where browsers reach this service: scheme, host, and the path before `prefix`, if there is one. */
  readonly baseUrl: string;
  /** Where the routes of authentication are mounted; default `/auth`. Providers call back `<baseUrl><prefix>/oauth/<provider>/callback`. */
  readonly prefix?: string;
  readonly redirects: RedirectOptions;
  /**
   * How a login reaches the client. `code`: a one-time code in the query, exchanged by the page that has the verifier of its challenge;
   * recommended for pages on another origin. `cookie`: as session cookies, which `createAuth` must have been given; recommended
   * on the same site. `fragment`: the tokens
   * themselves after the `#`. No default.
   */
  readonly delivery: "fragment" | "code" | "cookie";
  /** What becomes of somebody whom no account belongs to. No default. */
  readonly onUnknown: "refuse" | { readonly create: NewUserDefaults };
  /**
   * Whether an identity is linked to an account by itself when both the provider and we have verified the same address. Default
   * `verified-email`; `never`: only by its user, logged in.
   */
  readonly autoLink?: "verified-email" | "never";
  /** Ms that one request to a provider may take; default 5,000; 100 to 60,000. */
  readonly timeoutMs?: number;
  /** Most bytes of one answer of a provider; default 262,144; 4,096 to 16,777,216. */
  readonly maxResponseBytes?: number;
  /** For development: allows http for `localhost`, `127.0.0.1` and `[::1]`, here and at providers. Default `false`. */
  readonly insecureLocalhost?: boolean;
  /** Default: the global one. Hand in one whose connections are restricted, where the network needs that. */
  readonly fetch?: Fetch;
}

/** Options with every default filled in. */
export interface OAuthSettings {
  readonly providers: ReadonlyMap<string, OAuthProvider>;
  readonly secureCookies: boolean;
  readonly prefix: string;
  readonly callbackUrl: (provider: string) => string;
  readonly redirects: { readonly check: RedirectCheck; readonly default: string; readonly error: string | undefined };
  readonly delivery: OAuthOptions["delivery"];
  readonly onUnknown: OAuthOptions["onUnknown"];
  readonly autoLink: "verified-email" | "never";
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  readonly insecureLocalhost: boolean;
  readonly fetch: Fetch;
}

// With every name, or the compiler says so.
const NAMES: Readonly<Record<keyof OAuthOptions, true>> = Object.freeze({
  auth: true,
  providers: true,
  baseUrl: true,
  prefix: true,
  redirects: true,
  delivery: true,
  onUnknown: true,
  autoLink: true,
  timeoutMs: true,
  maxResponseBytes: true,
  insecureLocalhost: true,
  fetch: true,
});
const PREFIX = /^(?:\/[A-Za-z0-9._~-]+)*$/;
const PROVIDER_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
// Routes of ours beside `/:provider`.
const TAKEN_NAMES = new Set(["providers", "identities", "link", "unlink", "token"]);
const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_MAX_RESPONSE_BYTES = 262_144;

/** @throws {ConfigurationError} `invalid_option` names the first wrong option and what it accepts, never its value. */
export function readOAuthOptions(given: OAuthOptions): OAuthSettings {
  const options = ownOptions("createOAuth", given, Object.keys(NAMES) as (keyof OAuthOptions)[]) as OAuthOptions; // checked below
  const { prefix = "/auth", insecureLocalhost = false, fetch = globalThis.fetch } = options;
  if (typeof insecureLocalhost !== "boolean") throw invalidOption("insecureLocalhost", insecureLocalhost, "true or false");
  if (typeof fetch !== "function") throw invalidOption("fetch", fetch, "a function like the global fetch");
  const base = readBaseUrl(options.baseUrl, insecureLocalhost);
  if (typeof prefix !== "string" || !PREFIX.test(prefix)) throw invalidOption("prefix", prefix, "a path like /auth");
  const delivery = oneOf("delivery", options.delivery, ["fragment", "code", "cookie"]);
  const root = `${base.origin}${base.pathname.replace(/\/$/, "")}${prefix}/oauth`;
  return Object.freeze({
    providers: readProviders(options.providers, insecureLocalhost),
    secureCookies: base.protocol === "https:",
    prefix,
    callbackUrl: (provider: string) => `${root}/${provider}/callback`,
    redirects: readRedirects(options.redirects, { base, insecureLocalhost, exactOnly: delivery === "fragment" }),
    delivery,
    onUnknown: readOnUnknown(options.onUnknown),
    autoLink: oneOf("autoLink", options.autoLink ?? "verified-email", ["verified-email", "never"]),
    timeoutMs: integer("timeoutMs", options.timeoutMs ?? DEFAULT_TIMEOUT_MS, 100, MINUTE_MS),
    maxResponseBytes: integer("maxResponseBytes", options.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES, 4096, 16_777_216),
    insecureLocalhost,
    fetch,
  });
}

function readBaseUrl(value: unknown, insecureLocalhost: boolean): URL {
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined;
  const isPlain = url?.search === "" && url.hash === "" && url.username === "" && url.password === "";
  if (url === undefined || !isPlain || !isSecure(url, insecureLocalhost)) {
    throw invalidOption("baseUrl", value, "an https URL without query, fragment and user name; http for localhost with insecureLocalhost");
  }
  return url;
}

function readProviders(value: unknown, insecureLocalhost: boolean): ReadonlyMap<string, OAuthProvider> {
  if (typeof value !== "object" || value === null || Object.keys(value).length === 0) {
    throw invalidOption("providers", value, "an object with at least one provider");
  }
  const providers = new Map<string, OAuthProvider>();
  for (const [name, provider] of Object.entries(value as OAuthOptions["providers"])) {
    const option = `providers.${name}`;
    if (!PROVIDER_NAME.test(name) || TAKEN_NAMES.has(name)) {
      throw invalidOption(option, provider, `under another name: 1 to 32 of a-z, 0-9 and -, none of ${[...TAKEN_NAMES].join(", ")}`);
    }
    if (typeof provider?.authenticateClient !== "function") throw invalidOption(option, provider, "what google, github or oidc returned");
    if (!isSecure(new URL(provider.issuer), insecureLocalhost)) {
      throw invalidOption(`${option}.issuer`, provider.issuer, "an https URL; http for localhost with insecureLocalhost");
    }
    providers.set(name, provider);
  }
  return providers;
}

function readRedirects(value: RedirectOptions, context: Parameters<typeof createRedirectCheck>[2]): OAuthSettings["redirects"] {
  const check = createRedirectCheck("redirects.allow", value?.allow, context);
  const landing = typeof value.default === "string" ? check(value.default) : undefined;
  if (landing === undefined) throw invalidOption("redirects.default", value.default, "an address that redirects.allow holds");
  if (value.error === undefined) return Object.freeze({ check, default: landing, error: undefined });
  const error = createRedirectCheck("redirects.error", [value.error], { ...context, exactOnly: true })(value.error);
  return Object.freeze({ check, default: landing, error });
}

function readOnUnknown(value: unknown): OAuthOptions["onUnknown"] {
  if (value === "refuse") return value;
  const create = (value as { readonly create?: Partial<NewUserDefaults> } | undefined)?.create;
  if (!Array.isArray(create?.roles) || !create.roles.every((role) => typeof role === "string" && role !== "")) {
    throw invalidOption("onUnknown", value, '"refuse", or { create: { roles } } with the roles of new accounts');
  }
  const { roles, orgRoles = [], orgId, workspaceId } = create;
  return Object.freeze({
    create: Object.freeze({
      roles: Object.freeze([...roles]),
      orgRoles: Object.freeze([...orgRoles]),
      ...(orgId === undefined ? {} : { orgId }),
      ...(workspaceId === undefined ? {} : { workspaceId }),
    }),
  });
}
