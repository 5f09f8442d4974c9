import { oidcProvider } from "./oidc.js";
import { type OAuthProvider, type ProviderClientOptions, requireText } from "./provider.js";

/** Options of {@link google}. */
export interface GoogleOptions extends ProviderClientOptions {
  readonly clientSecret: string;
  /** Lets in accounts of this Google Workspace domain only: the `hd` claim must be it. */
  readonly hostedDomain?: string;
}

const ISSUER = "https://accounts.google.com";

/**
 * Google, as an OpenID provider. Its ID token says everything, so userinfo is not asked.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { google } from "@portcullis/auth/oauth";
 *
 * const provider = google({ clientId: "….apps.googleusercontent.com", clientSecret: "from your configuration" });
 * console.log(provider.issuer); // https://accounts.google.com
 * ```
 */
export function google(options: GoogleOptions): OAuthProvider {
  requireText("google.clientSecret", options?.clientSecret);
  const { hostedDomain, authorizationParameters, ...client } = options;
  if (hostedDomain !== undefined) requireText("google.hostedDomain", hostedDomain);
  return oidcProvider(
    "google",
    {
      ...client,
      issuer: ISSUER,
      userinfo: "never",
      // The parameter only preselects; what counts is the claim.
      authorizationParameters: { ...authorizationParameters, ...(hostedDomain === undefined ? {} : { hd: hostedDomain }) },
    },
    { displayName: "Google", hostedDomain },
  );
}
