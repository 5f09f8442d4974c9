import { invalidOption } from "@portcullis/core";
import {
  clientAuthentication,
  type OAuthProvider,
  type ProviderClientOptions,
  readClientOptions,
  requireProviderUrl,
  requireText,
} from "./provider.js";

/** Options of {@link github}. */
export interface GitHubOptions extends ProviderClientOptions {
  readonly clientSecret: string;
  /** Of a GitHub Enterprise Server: default `https://github.com`. Also the namespace of the identities. */
  readonly baseUrl?: string;
  /** Where its API is; default `https://api.github.com`, with a `baseUrl` `<baseUrl>/api/v3`. */
  readonly apiUrl?: string;
}

const BASE_URL = "https://github.com";
const API_URL = "https://api.github.com";
const SCOPES = Object.freeze(["read:user", "user:email"]);

/**
 * GitHub. It is no OpenID provider: who somebody is comes from its API, as the numeric id (names can be taken over by somebody
 * else) and the primary address, if GitHub has verified it.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { github } from "@portcullis/auth/oauth";
 *
 * const provider = github({ clientId: "Iv1.0123456789abcdef", clientSecret: "from your configuration" });
 * console.log(provider.identityIssuer); // https://github.com
 * ```
 */
export function github(options: GitHubOptions): OAuthProvider {
  const client = readClientOptions("github", options, { displayName: "GitHub", scopes: SCOPES });
  requireText("github.clientSecret", options.clientSecret);
  const { baseUrl = BASE_URL, apiUrl = baseUrl === BASE_URL ? API_URL : `${baseUrl}/api/v3` } = options;
  for (const [option, url] of [
    ["github.baseUrl", baseUrl],
    ["github.apiUrl", apiUrl],
  ] as const) {
    requireProviderUrl(option, url);
    // The identities' namespace: with and without the slash would be two.
    if (url.endsWith("/")) throw invalidOption(option, url, "a URL without a slash at its end");
  }
  // What GitHub sends as `iss` in the authorization response (RFC 9207) is not the address of its site.
  const issuer = `${baseUrl}/login/oauth`;
  return Object.freeze({
    ...client,
    issuer,
    identityIssuer: baseUrl,
    metadata: Object.freeze({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/access_token`,
    }),
    authenticateClient: clientAuthentication("github", options.clientSecret, "post"),
    protocol: Object.freeze({ kind: "github", userUrl: `${apiUrl}/user`, emailsUrl: `${apiUrl}/user/emails` }),
  });
}
