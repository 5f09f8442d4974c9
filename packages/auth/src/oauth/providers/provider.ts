// What a provider is: data that the presets make and one flow reads. A client secret lives in a closure only, so that printing a
// provider shows none.

import { invalidOption } from "@portcullis/core";
import { type AuthorizationServer, type ClientAuth, ClientSecretBasic, ClientSecretPost, None } from "oauth4webapi";

/** How a provider says who somebody is: an ID token (OpenID Connect), or an API of its own. */
export type ProviderProtocol =
  | {
      readonly kind: "oidc";
      readonly algorithms: readonly string[];
      readonly userinfo: "always" | "never";
      /** The `hd` claim that is required, where the provider has such a thing. */
      readonly hostedDomain: string | undefined;
    }
  | { readonly kind: "github"; readonly userUrl: string; readonly emailsUrl: string };

/** Somebody whose word about a person's identity is taken. Made by {@link oidc}, `google` or `github`. */
export interface OAuthProvider {
  /** What a login button says. */
  readonly displayName: string;
  /** The authorization server's issuer identifier, compared byte for byte. */
  readonly issuer: string;
  /** The namespace of its subjects: half of the key that identities are stored under. */
  readonly identityIssuer: string;
  /** Known in advance; `undefined`: read from `/.well-known/openid-configuration`. */
  readonly metadata: AuthorizationServer | undefined;
  readonly clientId: string;
  readonly authenticateClient: (server: AuthorizationServer) => ClientAuth;
  readonly scopes: readonly string[];
  readonly authorizationParameters: Readonly<Record<string, string>>;
  /** Whether its `email_verified` may open or name an account. */
  readonly trustEmail: boolean;
  readonly protocol: ProviderProtocol;
}

/** What every preset takes. */
export interface ProviderClientOptions {
  /** As registered at the provider. */
  readonly clientId: string;
  /** What a login button says; default: the preset's. */
  readonly displayName?: string;
  /** Replaces the preset's scopes. */
  readonly scopes?: readonly string[];
  /** Sent to the authorization endpoint as well, e.g. `{ prompt: "select_account" }`; nothing that the flow itself sends. */
  readonly authorizationParameters?: Readonly<Record<string, string>>;
  /**
   * Whether an address that this provider calls verified counts as verified; default `true`. `false` for a provider whose own
   * users or administrators can set addresses: it then logs in only those who linked it themselves.
   */
  readonly trustEmail?: boolean;
}

// Whoever could set these from outside the flow would take PKCE, nonce or state out of it.
const RESERVED = new Set([
  "client_id",
  "code_challenge",
  "code_challenge_method",
  "nonce",
  "redirect_uri",
  "request",
  "request_uri",
  "response_mode",
  "response_type",
  "scope",
  "state",
]);
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/; // RFC 6749 §3.3

/** @throws {ConfigurationError} `invalid_option` */
export function readClientOptions(
  option: string,
  options: ProviderClientOptions,
  defaults: { readonly displayName: string; readonly scopes: readonly string[] },
): Pick<OAuthProvider, "displayName" | "clientId" | "scopes" | "authorizationParameters" | "trustEmail"> {
  if (typeof options !== "object" || options === null) throw invalidOption(option, options, "an object of options");
  const {
    displayName = defaults.displayName,
    clientId,
    scopes = defaults.scopes,
    authorizationParameters = {},
    trustEmail = true,
  } = options;
  requireText(`${option}.displayName`, displayName);
  requireText(`${option}.clientId`, clientId);
  if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === "string" && SCOPE.test(scope))) {
    throw invalidOption(`${option}.scopes`, scopes, "a list of scopes");
  }
  for (const [name, value] of Object.entries(authorizationParameters)) {
    if (RESERVED.has(name) || typeof value !== "string") {
      throw invalidOption(
        `${option}.authorizationParameters.${name}`,
        value,
        "a string, of a parameter that the flow does not send itself",
      );
    }
  }
  if (typeof trustEmail !== "boolean") throw invalidOption(`${option}.trustEmail`, trustEmail, "true or false");
  return {
    displayName,
    clientId,
    scopes: Object.freeze([...scopes]),
    authorizationParameters: Object.freeze({ ...authorizationParameters }),
    trustEmail,
  };
}

/**
 * How the client proves itself at the token endpoint.
 *
 * @param method `undefined`: Basic, which every server has to support (RFC 6749 §2.3.1), unless its metadata names only `post`.
 */
export function clientAuthentication(
  option: string,
  secret: string | undefined,
  method: "basic" | "post" | undefined,
): OAuthProvider["authenticateClient"] {
  if (secret === undefined) {
    const none = None();
    return () => none;
  }
  requireText(`${option}.clientSecret`, secret);
  if (method !== undefined && method !== "basic" && method !== "post") {
    throw invalidOption(`${option}.clientAuthentication`, method, '"basic" or "post"');
  }
  const [basic, post] = [ClientSecretBasic(secret), ClientSecretPost(secret)];
  return ({ token_endpoint_auth_methods_supported: supported = ["client_secret_basic"] }) => {
    if (method !== undefined) return method === "post" ? post : basic;
    return !supported.includes("client_secret_basic") && supported.includes("client_secret_post") ? post : basic;
  };
}

/** A URL that identifies or serves a provider; compared as it is written. @throws {ConfigurationError} `invalid_option` */
export function requireProviderUrl(option: string, value: unknown): URL {
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined;
  const isPlain = url?.search === "" && url.hash === "" && url.username === "" && url.password === "";
  if (url === undefined || !isPlain || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw invalidOption(option, value, "an https URL without query, fragment and user name");
  }
  return url;
}

export function requireText(option: string, value: unknown): string {
  if (typeof value !== "string" || value === "") throw invalidOption(option, value, "a string that is not empty");
  return value;
}
