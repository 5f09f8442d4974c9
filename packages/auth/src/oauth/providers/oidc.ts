import { invalidOption } from "@portcullis/core";
import { clientAuthentication, type OAuthProvider, type ProviderClientOptions, readClientOptions, requireProviderUrl } from "./provider.js";

/** Options of {@link oidc}. */
export interface OidcOptions extends ProviderClientOptions {
  /** The issuer identifier, exactly as the provider's metadata and ID tokens spell it. */
  readonly issuer: string;
  /** Left out for a public client, which PKCE alone protects. */
  readonly clientSecret?: string;
  /** Default: `basic`, unless the provider's metadata offers only `post`. */
  readonly clientAuthentication?: "basic" | "post";
  /** Signatures accepted on ID tokens; only asymmetric ones. Default RS256, PS256, ES256, ES384, EdDSA. */
  readonly idTokenAlgorithms?: readonly string[];
  /** Whether the userinfo endpoint is asked where there is one; default `always`. `never`: the ID token says all that is needed. */
  readonly userinfo?: "always" | "never";
}

const SCOPES = Object.freeze(["openid", "email", "profile"]);
const DEFAULT_ALGORITHMS = Object.freeze(["RS256", "PS256", "ES256", "ES384", "EdDSA"]);
// No HS256: a secret that both sides know proves nothing about who signed, and `none` proves nothing at all (RFC 8725 §3.1).
const ALGORITHMS = new Set(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]);

/**
 * Any OpenID provider, by discovery.
 *
 * @throws {ConfigurationError} `invalid_option`: names the option and what it accepts, never its value.
 * @example
 * ```ts
 * import { oidc } from "@portcullis/auth/oauth";
 *
 * const acme = oidc({ issuer: "https://login.acme.example", clientId: "portcullis", clientSecret: "from your configuration", displayName: "Acme" });
 * console.log(acme.displayName); // Acme
 * ```
 */
export function oidc(options: OidcOptions): OAuthProvider {
  return oidcProvider("oidc", options, { displayName: hostOf(options?.issuer), hostedDomain: undefined });
}

/** What `oidc` and the presets over it share. */
export function oidcProvider(
  option: string,
  options: OidcOptions,
  preset: { readonly displayName: string; readonly hostedDomain: string | undefined },
): OAuthProvider {
  requireProviderUrl(`${option}.issuer`, options?.issuer);
  const client = readClientOptions(option, options, { displayName: preset.displayName, scopes: SCOPES });
  const { issuer, clientSecret, clientAuthentication: method, idTokenAlgorithms = DEFAULT_ALGORITHMS, userinfo = "always" } = options;
  if (!client.scopes.includes("openid")) throw invalidOption(`${option}.scopes`, client.scopes, 'a list with "openid" in it');
  if (!Array.isArray(idTokenAlgorithms) || idTokenAlgorithms.length === 0 || !idTokenAlgorithms.every((name) => ALGORITHMS.has(name))) {
    throw invalidOption(`${option}.idTokenAlgorithms`, idTokenAlgorithms, `a list of ${[...ALGORITHMS].join(", ")}`);
  }
  if (userinfo !== "always" && userinfo !== "never") throw invalidOption(`${option}.userinfo`, userinfo, '"always" or "never"');
  return Object.freeze({
    ...client,
    issuer,
    identityIssuer: issuer,
    metadata: undefined,
    authenticateClient: clientAuthentication(option, clientSecret, method),
    protocol: Object.freeze({
      kind: "oidc",
      algorithms: Object.freeze([...idTokenAlgorithms]),
      userinfo,
      hostedDomain: preset.hostedDomain,
    }),
  });
}

function hostOf(issuer: unknown): string {
  return typeof issuer === "string" && URL.canParse(issuer) ? new URL(issuer).host : "";
}
