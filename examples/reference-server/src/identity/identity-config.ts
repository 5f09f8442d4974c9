import { z } from "zod";
import { list, wholeNumber } from "../config-values.js";

/** A client that is registered at a provider. */
export interface ProviderClient {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** How people prove who they are; a part of `Config`. */
export interface IdentityConfig {
  /** Roles, those within an organisation too, that nobody uses without a second factor. */
  readonly mfaRequiredRoles: readonly string[];
  readonly mfaKeys: string | undefined;
  /** Private key (PEM) that signs access tokens, which others then verify by `/.well-known/jwks.json`; without it the secrets sign. */
  readonly authSigningKey: string | undefined;
  readonly google: ProviderClient | undefined;
  readonly github: ProviderClient | undefined;
  readonly oidc: (ProviderClient & { readonly issuer: string; readonly name: string | undefined }) | undefined;
  /** Where logins over providers may lead beside the login page. */
  readonly oauthAllowedRedirects: readonly string[];
  /** Organisation of people who come over a provider for the first time; without one they are refused. */
  readonly oauthNewAccountsOrganisation: string | undefined;
  /** Scheme, host and port under which browsers reach this server. */
  readonly browserUrl: string | undefined;
  /** Origins of pages that may get tickets for WebSockets; `undefined`: nobody gets any. */
  readonly socketOrigins: readonly string[] | undefined;
  /** Most sessions of one user; 0: no bound. */
  readonly sessionMax: number;
  /** Minutes without use after which a session ends; 0: never. */
  readonly sessionIdleMinutes: number;
}

/** The variables, as zod reads them. */
export const identityVariables = {
  MFA_KEYS: z.string().min(32, "needs keys of at least 32 characters; make one with: openssl rand -base64 48").optional(),
  MFA_REQUIRED_ROLES: z.string().optional(),
  AUTH_SIGNING_KEY: z.string().optional(),
  GOOGLE_OAUTH_CLIENT_ID: z.string().optional(),
  GOOGLE_OAUTH_CLIENT_SECRET: z.string().optional(),
  GITHUB_OAUTH_CLIENT_ID: z.string().optional(),
  GITHUB_OAUTH_CLIENT_SECRET: z.string().optional(),
  OIDC_ISSUER: z.url("must be the URL of the provider").optional(),
  OIDC_CLIENT_ID: z.string().optional(),
  OIDC_CLIENT_SECRET: z.string().optional(),
  OIDC_NAME: z.string().optional(),
  OAUTH_ALLOWED_REDIRECTS: list,
  OAUTH_NEW_ACCOUNTS_ORGANISATION: z.string().optional(),
  SOCKET_ORIGINS: z.string().optional(),
  SESSION_MAX: wholeNumber(0, 10_000).default(0),
  SESSION_IDLE_MINUTES: wholeNumber(0, 525_600).default(0),
};
const schema = z.object(identityVariables);

/** What the variables depend on. */
interface Surroundings {
  readonly production: boolean;
  readonly port: number;
  /** As it was given; `undefined` where it was not. */
  readonly publicUrl: string | undefined;
  /** Of the seeded users. */
  readonly demoOrganisation: string;
}

/** @param mistakes Takes what is wrong, in words for whoever sets the variables. */
export function readIdentity(
  env: z.output<typeof schema>,
  { production, port, publicUrl, demoOrganisation }: Surroundings,
  mistakes: string[],
): IdentityConfig {
  const client = (name: string, clientId: string | undefined, clientSecret: string | undefined): ProviderClient | undefined => {
    if (clientId !== undefined && clientSecret !== undefined) return { clientId, clientSecret };
    if (clientId !== undefined) mistakes.push(`${name}_CLIENT_SECRET is not set, but ${name}_CLIENT_ID is.`);
    if (clientSecret !== undefined) mistakes.push(`${name}_CLIENT_ID is not set, but ${name}_CLIENT_SECRET is.`);
    return undefined;
  };
  const google = client("GOOGLE_OAUTH", env.GOOGLE_OAUTH_CLIENT_ID, env.GOOGLE_OAUTH_CLIENT_SECRET);
  const github = client("GITHUB_OAUTH", env.GITHUB_OAUTH_CLIENT_ID, env.GITHUB_OAUTH_CLIENT_SECRET);
  const oidcClient = client("OIDC", env.OIDC_CLIENT_ID, env.OIDC_CLIENT_SECRET);
  if (oidcClient !== undefined && env.OIDC_ISSUER === undefined) mistakes.push("OIDC_ISSUER is not set, but OIDC_CLIENT_ID is.");
  if (oidcClient === undefined && env.OIDC_ISSUER !== undefined && env.OIDC_CLIENT_ID === undefined && env.OIDC_CLIENT_SECRET === undefined)
    mistakes.push("OIDC_CLIENT_ID is not set, but OIDC_ISSUER is.");
  const oidc =
    oidcClient === undefined || env.OIDC_ISSUER === undefined ? undefined : { ...oidcClient, issuer: env.OIDC_ISSUER, name: env.OIDC_NAME };
  const hasProviders = google !== undefined || github !== undefined || oidc !== undefined;
  // Providers send browsers back to an address that was registered with them: it cannot be guessed from a request.
  if (production && hasProviders && publicUrl === undefined)
    mistakes.push("PUBLIC_URL is not set: providers send browsers back to it. Set the https address of this server.");
  return {
    mfaKeys: env.MFA_KEYS,
    mfaRequiredRoles: rolesOf(env.MFA_REQUIRED_ROLES) ?? (production ? ["admin", "owner"] : []),
    authSigningKey: env.AUTH_SIGNING_KEY,
    google,
    github,
    oidc,
    oauthAllowedRedirects: env.OAUTH_ALLOWED_REDIRECTS,
    oauthNewAccountsOrganisation: env.OAUTH_NEW_ACCOUNTS_ORGANISATION ?? (production ? undefined : demoOrganisation),
    browserUrl: publicUrl ?? (production ? undefined : `http://localhost:${port}`),
    socketOrigins: env.SOCKET_ORIGINS === undefined ? undefined : list.parse(env.SOCKET_ORIGINS),
    sessionMax: env.SESSION_MAX,
    sessionIdleMinutes: env.SESSION_IDLE_MINUTES,
  };
}

// An empty variable is an unset one, so that "nobody" needs a word.
function rolesOf(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  return text.trim() === "none" ? [] : list.parse(text);
}
