import { invalidOption, type Route } from "@portcullis/core";
import type { Auth } from "../create-auth.js";
import { apiKeyRoutes } from "./api-key-routes.js";
import { authenticate } from "./authenticate.js";
import { loginRoutes } from "./login-routes.js";
import { mfaRoutes } from "./mfa-routes.js";
import { passwordRoutes } from "./password-routes.js";
import { sessionRoutes } from "./session-routes.js";
import { type SetupOptions, setupRoute } from "./setup-route.js";

/** Options of {@link authRoutes}. */
export interface AuthRoutesOptions {
  /** Default `/auth`; `""` mounts at the root. */
  readonly prefix?: string;
  /**
   * Offers `POST /setup`, which makes the first account. Whoever sends the token decides who that is: give it to the
   * operator only. Not offered by default.
   */
  readonly setup?: SetupOptions;
}

const PREFIX = /^(?:\/[A-Za-z0-9._~-]+)*$/;

/**
 * The routes of authentication, to be mounted with any adapter: login, refresh, logout, logout-all, me, change-password,
 * second factors, API keys, and setup where it is asked for. Each brings its own `authenticate` guard.
 *
 * @throws {ConfigurationError} `invalid_option`: the prefix is no path, or the setup token is weak.
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
  const { prefix = "/auth", setup } = options;
  if (typeof prefix !== "string" || !PREFIX.test(prefix)) throw invalidOption("authRoutes.prefix", prefix, "a path like /auth");
  const signedIn = authenticate(auth, { required: true });
  // For the routes that somebody whose password must be changed may use.
  const restricted = authenticate(auth, { required: true, mustChangePassword: "allow" });

  // And for those that somebody may use who has yet to prove a second factor.
  const unproven = authenticate(auth, { required: true, mustChangePassword: "allow", mfa: "allow" });

  return Object.freeze([
    ...loginRoutes(auth, prefix),
    ...sessionRoutes(auth, prefix, signedIn, unproven),
    ...passwordRoutes(auth, prefix, restricted),
    ...mfaRoutes(auth, prefix, unproven),
    ...apiKeyRoutes(auth, prefix, signedIn),
    ...(setup === undefined ? [] : [setupRoute(auth, `${prefix}/setup`, setup)]),
  ]);
}
