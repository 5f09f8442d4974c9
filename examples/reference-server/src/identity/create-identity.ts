import {
  type AccountMail,
  type AuthEvent,
  type Auth,
  createAccountMail,
  createAuth,
  createSocketTickets,
  type SocketTickets,
  type StoredUserDirectory,
} from "@portcullis/auth";
import { createOAuth, github, google, type OAuth, type OAuthProvider, oidc } from "@portcullis/auth/oauth";
import type { Clock, Metrics } from "@portcullis/core";
import type { Logger } from "pino";
import type { Config } from "../config.js";
import type { Secrets } from "../development-secrets.js";
import type { ServiceStore } from "../open-store.js";

/** Where the routes of authentication are; the refresh cookie goes there and nowhere else. */
export const AUTH_PREFIX = "/api/auth";
/** Where people log in. */
export const LOGIN_PATH = "/login";

/** Who is calling, and every way to prove it. */
export interface Identity {
  readonly auth: Auth;
  /** Logins over other providers; `undefined` where none is configured. */
  readonly oauth: OAuth | undefined;
  /** Letters; in development only, where they go into the log. */
  readonly accountMail: AccountMail | undefined;
  /** Tickets for a WebSocket server beside this one, on the same store. */
  readonly socketTickets: SocketTickets | undefined;
  /** Ends what runs beside requests; before the store is closed. */
  close(): Promise<void>;
}

/** What identity is made of. */
export interface IdentityParts {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly store: ServiceStore;
  readonly users: StoredUserDirectory;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly onEvent: (event: AuthEvent) => void;
}

const MINUTE_MS = 60_000;

/** Builds authentication from the configuration. */
export function createIdentity({ config, secrets, store, users, clock, metrics, logger, onEvent }: IdentityParts): Identity {
  const auth = createAuth({
    ...{ store, users, clock, metrics, onEvent },
    secrets: secrets.jwtSecrets,
    apiKeyPeppers: secrets.apiKeyPeppers,
    ...(secrets.signing === undefined ? {} : { signing: secrets.signing }),
    sessions: { max: config.sessionMax, idleMs: config.sessionIdleMinutes * MINUTE_MS },
    cookies: {
      refreshPath: AUTH_PREFIX,
      ...(config.production ? {} : { secure: false, development: true }),
      // A proxy in front may change Host, by which pages of our own are known.
      ...(config.browserUrl === undefined ? {} : { trustedOrigins: [new URL(config.browserUrl).origin] }),
    },
    mfa: { keys: secrets.mfaKeys, issuerName: "Portcullis", requiredRoles: config.mfaRequiredRoles },
  });
  const accountMail = config.production ? undefined : createLoggedMail(auth, logger);
  const socketTickets = config.socketOrigins === undefined ? undefined : createSocketTickets({ auth, origins: config.socketOrigins });
  return Object.freeze({
    auth,
    oauth: createProviders(config, auth),
    accountMail,
    socketTickets,
    async close() {
      socketTickets?.close();
      await accountMail?.settled();
      await auth.close();
    },
  });
}

function createProviders(config: Config, auth: Auth): OAuth | undefined {
  const providers: Record<string, OAuthProvider> = {};
  if (config.google !== undefined) providers["google"] = google(config.google);
  if (config.github !== undefined) providers["github"] = github(config.github);
  if (config.oidc !== undefined) {
    const { name, ...client } = config.oidc;
    providers["oidc"] = oidc({ ...client, ...(name === undefined ? {} : { displayName: name }) });
  }
  const { browserUrl, oauthNewAccountsOrganisation: orgId } = config;
  // The configuration refuses providers without an address to come back to.
  if (Object.keys(providers).length === 0 || browserUrl === undefined) return undefined;
  return createOAuth({
    ...{ auth, providers },
    baseUrl: browserUrl,
    prefix: AUTH_PREFIX,
    redirects: { allow: [LOGIN_PATH, ...config.oauthAllowedRedirects], default: LOGIN_PATH, error: LOGIN_PATH },
    delivery: "cookie",
    // Somebody new may do nothing until an administrator of the organisation gives them a role.
    onUnknown: orgId === undefined ? "refuse" : { create: { roles: [], orgId } },
    insecureLocalhost: !config.production,
  });
}

/**
 * Letters for development: their links go into the log, so that the pages can be tried. An application hands in a `deliver` of its own
 * that sends them, and logs nothing of it.
 */
function createLoggedMail(auth: Auth, logger: Logger): AccountMail {
  const write = (subject: string, link: string): void =>
    logger.info({ development: true, subject, link }, "a letter, were this production");
  return createAccountMail({
    auth,
    deliver: {
      passwordReset: ({ token }) => write("Set a new password", `${LOGIN_PATH}#reset=${token}`),
      emailVerification: ({ token }) => write("Is this your address?", `${LOGIN_PATH}#verify=${token}`),
    },
  });
}
