/**
 * Login with other providers: OAuth 2.0 and OpenID Connect. An entry point of its own, so that its library is loaded only where it
 * is used.
 *
 * @module
 */
export { createOAuth } from "./oauth/create-oauth.js";
export { github } from "./oauth/providers/github.js";
export { google } from "./oauth/providers/google.js";
export { oidc } from "./oauth/providers/oidc.js";
export { oauthRoutes } from "./oauth/routes/oauth-routes.js";

export type { OAuth, OAuthProviderInfo } from "./oauth/create-oauth.js";
export type { LinkedIdentity } from "./oauth/identities.js";
export type { OAuthFailure } from "./oauth/oauth-failure.js";
export type { NewUserDefaults, OAuthOptions, RedirectOptions } from "./oauth/oauth-settings.js";
export type { Fetch } from "./oauth/provider-fetch.js";
export type { GitHubOptions } from "./oauth/providers/github.js";
export type { GoogleOptions } from "./oauth/providers/google.js";
export type { OidcOptions } from "./oauth/providers/oidc.js";
export type { OAuthProvider, ProviderClientOptions, ProviderProtocol } from "./oauth/providers/provider.js";
export type { OAuthRoutesOptions } from "./oauth/routes/oauth-routes.js";
