import { invalidOption, type Route, ownOptions } from "@portcullis/core";
import type { Auth } from "../create-auth.js";
import type { AccountMail } from "../accounts/create-account-mail.js";
import { accountMailRoutes, registrationRoutes, type RegistrationOptions } from "./account-mail-routes.js";
import { apiKeyRoutes } from "./api-key-routes.js";
import { internalsOf } from "../auth-internals.js";
import { authenticate } from "./authenticate.js";
import { csrfRoutes } from "./csrf-route.js";
import { jwksRoute } from "./jwks-route.js";
import { loginRoutes } from "./login-routes.js";
import { mfaRoutes } from "./mfa-routes.js";
import { passwordRoutes } from "./password-routes.js";
import { sessionRoutes } from "./session-routes.js";
import { type SetupOptions, setupRoute } from "./setup-route.js";
import { socketTicketRoutes } from "./socket-ticket-routes.js";
import type { SocketTickets } from "../socket-tickets/create-socket-tickets.js";
import { type IntrospectionOptions, tokenRoutes } from "./token-routes.js";

/** Options of {@link authRoutes}. */
export interface AuthRoutesOptions {
  /** Default `/auth`; `""` mounts at the root. */
  readonly prefix?: string;
  /**
   * Offers `POST /setup`, which makes the first account. Whoever sends the token decides who that is: give it to the
   * operator only. Not offered by default.
   */
  readonly setup?: SetupOptions;
  /** Offers `POST /ws-ticket`. */
  readonly socketTickets?: SocketTickets;
  /** Offers `POST /introspect` (RFC 7662) to services that these guards let in. Not offered by default. */
  readonly introspection?: IntrospectionOptions;
  /** Offers password reset and the verification of addresses by letter. Not offered by default. */
  readonly accountMail?: AccountMail;
  /** Lets anybody with an address make an account with these roles; needs `accountMail`. Not offered by default. */
  readonly registration?: RegistrationOptions;
}

const PREFIX = /^(?:\/[A-Za-z0-9._~-]+)*$/;

/**
 * The routes of authentication, to be mounted with any adapter: login, refresh, logout, logout-all, me, change-password,
 * second factors, API keys, revocation of tokens (RFC 7009), introspection and setup where they are asked for, and the public keys at
 * `/.well-known/jwks.json`, whatever the prefix, where there are any. Each brings its own guards.
 *
 * @throws {ConfigurationError} `invalid_option`: the prefix is no path, or not where the refresh cookie is sent
 *   (`cookies.refreshPath`), the setup token is weak, or nothing guards introspection.
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { authRoutes, createAuth, createUserDirectory } from "@portcullis/auth";
 * import { createApp, createMemoryStore, toFetchHandler } from "@portcullis/core";
 *
 * const store = createMemoryStore();
 * const secret = (): string => randomBytes(48).toString("base64");
 * const auth = createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret() });
 * const handler = toFetchHandler(createApp({ routes: authRoutes(auth, { prefix: "/api/auth" }) }));
 *
 * await auth.setup({ email: "ada@example.com", password: "correct horse battery", roles: ["admin"] });
 * const response = await handler(
 *   new Request("http://localhost/api/auth/login", {
 *     method: "POST",
 *     headers: { "content-type": "application/json" },
 *     body: JSON.stringify({ email: "ada@example.com", password: "correct horse battery" }),
 *   }),
 * );
 * console.log(response.status); // 200
 * ```
 */
export function authRoutes(auth: Auth, options: AuthRoutesOptions = {}): readonly Route[] {
  const names = ["prefix", "setup", "socketTickets", "introspection", "accountMail", "registration"] as const;
  const { prefix = "/auth", setup, socketTickets, introspection, accountMail, registration } = ownOptions("authRoutes", options, names);
  if (typeof prefix !== "string" || !PREFIX.test(prefix)) throw invalidOption("authRoutes.prefix", prefix, "a path like /auth");
  requireRefreshPath(auth, prefix);
  const signedIn = authenticate(auth, { required: true });
  // For the routes that somebody whose password must be changed may use.
  const restricted = authenticate(auth, { required: true, mustChangePassword: "allow" });

  // And for those that somebody may use who has yet to prove a second factor.
  const unproven = authenticate(auth, { required: true, mustChangePassword: "allow", mfa: "allow" });

  return Object.freeze([
    ...loginRoutes(auth, prefix),
    ...csrfRoutes(auth, prefix, unproven),
    ...sessionRoutes(auth, prefix, signedIn, unproven),
    ...passwordRoutes(auth, prefix, restricted),
    ...mfaRoutes(auth, prefix, unproven),
    ...apiKeyRoutes(auth, prefix, signedIn),
    ...(socketTickets === undefined ? [] : socketTicketRoutes(socketTickets, prefix, signedIn)),
    ...tokenRoutes(auth, prefix, introspection),
    ...(internalsOf("authRoutes", auth).settings.signing === undefined ? [] : [jwksRoute(auth)]),
    ...(accountMail === undefined ? [] : accountMailRoutes(accountMail, prefix)),
    ...(registration === undefined ? [] : registrationRoutes(accountMail?.registration, prefix, registration)),
    ...(setup === undefined ? [] : [setupRoute(auth, `${prefix}/setup`, setup)]),
  ]);
}

// A browser would never send the refresh cookie to routes elsewhere.
function requireRefreshPath(auth: Auth, prefix: string): void {
  const { cookies } = internalsOf("authRoutes.auth", auth);
  const path = prefix === "" ? "/" : prefix;
  if (cookies === undefined || cookies.settings.refreshPath === path) return;
  throw invalidOption("authRoutes.prefix", prefix, `what cookies.refreshPath of createAuth says: ${cookies.settings.refreshPath}`);
}
