import { invalidOption, type Route } from "@portcullis/core";
import type { Auth } from "../create-auth.js";
import { apiKeyRoutes } from "./api-key-routes.js";
import { internalsOf } from "../auth-internals.js";
import { authenticate } from "./authenticate.js";
import { csrfRoutes } from "./csrf-route.js";
import { loginRoutes } from "./login-routes.js";
import { passwordRoutes } from "./password-routes.js";
import { sessionRoutes } from "./session-routes.js";
import { type SetupOptions, setupRoute } from "./setup-route.js";
import { socketTicketRoutes } from "./socket-ticket-routes.js";
import type { SocketTickets } from "../socket-tickets/create-socket-tickets.js";

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
}

const PREFIX = /^(?:\/[A-Za-z0-9._~-]+)*$/;

/**
 * The routes of authentication, to be mounted with any adapter: login, refresh, logout, logout-all, me, change-password,
 * API keys, and setup where it is asked for. Each brings its own `authenticate` guard.
 *
 * @throws {ConfigurationError} `invalid_option`: the prefix is no path, or not where the refresh cookie is sent
 *   (`cookies.refreshPath`), or the setup token is weak.
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
  const { prefix = "/auth", setup, socketTickets } = options;
  if (typeof prefix !== "string" || !PREFIX.test(prefix)) throw invalidOption("authRoutes.prefix", prefix, "a path like /auth");
  requireRefreshPath(auth, prefix);
  const signedIn = authenticate(auth, { required: true });
  // For the routes that somebody whose password must be changed may use.
  const restricted = authenticate(auth, { required: true, mustChangePassword: "allow" });

  return Object.freeze([
    ...loginRoutes(auth, prefix),
    ...csrfRoutes(auth, prefix, restricted),
    ...sessionRoutes(auth, prefix, signedIn, restricted),
    ...passwordRoutes(auth, prefix, restricted),
    ...apiKeyRoutes(auth, prefix, signedIn),
    ...(socketTickets === undefined ? [] : socketTicketRoutes(socketTickets, prefix, signedIn)),
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
