import { invalidOption } from "@portcullis/core";
import { type AuthorizationFlow, createAuthorizationFlow } from "./authorization-flow.js";
import { internalsOf } from "../auth-internals.js";
import type { AuthResult } from "../auth-result.js";
import { createIdentities, type LinkedIdentity } from "./identities.js";
import { createIdentityAccounts } from "./identity-account.js";
import { type OAuthOptions, readOAuthOptions, type OAuthSettings } from "./oauth-settings.js";
import { createUnlinking } from "./unlink.js";
import type { Auth } from "../create-auth.js";
import type { TokenPair } from "../tokens/token-pair.js";

/** A provider as a login page shows it. */
export interface OAuthProviderInfo {
  /** Its name in the routes. */
  readonly id: string;
  /** What the button says. */
  readonly name: string;
}

/** Login with other providers' identities. Its flow is served by `oauthRoutes`; what an administration needs is here. */
export interface OAuth {
  /** In the order of the options. */
  readonly providers: readonly OAuthProviderInfo[];
  /** The identities that open an account. */
  identities(userId: string): Promise<readonly LinkedIdentity[]>;
  /**
   * Takes a provider's identities away from an account; sessions that they opened go on.
   *
   * Denied: `notFound` (it has none), `conflict`: nothing would be left to log in with, or another unlink of the account is running.
   */
  unlink(userId: string, provider: string): Promise<AuthResult<undefined>>;
  /** Takes all identities away, e.g. when the account is deleted: whoever comes with one is a stranger again. */
  forget(userId: string): Promise<void>;
}

/** What the routes need of an {@link OAuth}. */
export interface OAuthInternals {
  readonly auth: Auth;
  readonly settings: OAuthSettings;
  readonly flow: AuthorizationFlow;
  /** The `Set-Cookie` fields of a new session, where there are such. */
  readonly sessionCookies: (tokens: TokenPair) => readonly string[];
}

const known = new WeakMap<OAuth, OAuthInternals>();

export function oauthInternalsOf(oauth: OAuth): OAuthInternals | undefined {
  return known.get(oauth);
}

/**
 * Builds login with other providers: OAuth 2.0 with PKCE, OpenID Connect by discovery, Google and GitHub ready made.
 *
 * A provider's tokens are used once, to learn who somebody is, and dropped.
 *
 * @throws {ConfigurationError} `invalid_option`: names the option and what it accepts.
 * @see RFC 9700, RFC 9207, OpenID Connect Core 1.0
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { createAuth, createUserDirectory } from "@portcullis/auth";
 * import { createOAuth, github, google, oauthRoutes } from "@portcullis/auth/oauth";
 * import { createApp, createMemoryStore, toFetchHandler } from "@portcullis/core";
 *
 * const store = createMemoryStore();
 * const secret = (): string => randomBytes(48).toString("base64");
 * const auth = createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret() });
 *
 * const oauth = createOAuth({
 *   auth,
 *   providers: {
 *     google: google({ clientId: "….apps.googleusercontent.com", clientSecret: "from your configuration" }),
 *     github: github({ clientId: "Iv1.0123456789abcdef", clientSecret: "from your configuration" }),
 *   },
 *   baseUrl: "https://api.example.com",
 *   redirects: { allow: ["https://app.example.com/login"], default: "https://app.example.com/login" },
 *   delivery: "code",
 *   onUnknown: { create: { roles: ["member"] } },
 * });
 * const handler = toFetchHandler(createApp({ routes: oauthRoutes(oauth) }));
 * const response = await handler(new Request("https://api.example.com/auth/oauth/providers"));
 * console.log(await response.json()); // { providers: [ { id: 'google', name: 'Google' }, { id: 'github', name: 'GitHub' } ] }
 * ```
 */
export function createOAuth(options: OAuthOptions): OAuth {
  const internals = internalsOf("auth", options?.auth);
  const settings = readOAuthOptions(options);
  if (settings.delivery === "cookie" && internals.cookies === undefined) {
    throw invalidOption("delivery", settings.delivery, 'other than "cookie", or the auth one that gives cookies');
  }
  const identities = createIdentities(internals.settings);
  const accounts = createIdentityAccounts(internals.settings, settings, identities, internals.instruments);
  const flow = createAuthorizationFlow(internals, settings, identities, accounts);
  const providers = [...settings.providers].map(([id, { displayName }]) => Object.freeze({ id, name: displayName }));
  const oauth: OAuth = Object.freeze({
    providers: Object.freeze(providers),
    identities: identities.of,
    ...createUnlinking(internals, identities),
  });
  const sessionCookies = (tokens: TokenPair): readonly string[] => internals.cookies?.issue(tokens).lines ?? [];
  known.set(oauth, Object.freeze({ auth: options.auth, settings, flow, sessionCookies }));
  return oauth;
}
