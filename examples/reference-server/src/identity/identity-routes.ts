import { authRoutes, requireMfaForRoles } from "@portcullis/auth";
import { oauthRoutes } from "@portcullis/auth/oauth";
import type { Guard, Route } from "@portcullis/core";
import { inEnvelope } from "../envelope.js";
import { AUTH_PREFIX, type Identity } from "./create-identity.js";

// Answers that a standard describes are read by programs that know no envelope: RFC 7517, RFC 7009, RFC 7662.
const AS_STANDARD = new Set(["authJwks", "authRevokeToken", "authIntrospectToken"]);

// Whoever has yet to prove a second factor needs these to get there, or to leave. All others ask for it, also those that are yet to come.
const WITHOUT_SECOND_FACTOR = new Set([
  ...["authLogin", "authRefresh", "authLogout", "authMe", "authCsrf"],
  ...["authMfaStatus", "authMfaEnroll", "authMfaVerify"],
  ...["authRevokeToken", "authRequestPasswordReset", "authConfirmPasswordReset", "authRequestEmailVerification", "authConfirmEmail"],
  ...["authOAuthProviders", "authOAuthStart", "authOAuthCallback", "authJwks"],
]);

/** What the routes of authentication are put together with. */
export interface IdentityRouteParts {
  readonly identity: Identity;
  /** Counts the logins of an address that fail. */
  readonly limitFailedLogins: Guard;
  /** For services that ask about tokens. */
  readonly mayIntrospect: Guard;
}

/** Login, second factors, sessions, providers, letters: everything that proves, or ends, who somebody is. */
export function identityRoutes({ identity, limitFailedLogins, mayIntrospect }: IdentityRouteParts): readonly Route[] {
  const { auth, oauth, accountMail, socketTickets } = identity;
  const routes = [
    ...authRoutes(auth, {
      prefix: AUTH_PREFIX,
      introspection: { guards: [mayIntrospect] },
      ...(accountMail === undefined ? {} : { accountMail }),
      ...(socketTickets === undefined ? {} : { socketTickets }),
    }),
    ...(oauth === undefined ? [] : oauthRoutes(oauth)),
  ];
  return routes
    .map((route) => (route.operationId === "authLogin" ? { ...route, guards: [limitFailedLogins, ...route.guards] } : route))
    .map((route) => (AS_STANDARD.has(route.operationId) ? route : inEnvelope(route)));
}

/** Whether the answers of a route are a standard's own. */
export function isAsStandard({ operationId }: Route): boolean {
  return AS_STANDARD.has(operationId);
}

/**
 * Routes that ask for a second factor of whoever has a role that needs one, by the roles that the store says they have: in front of
 * what each asks for itself, behind `loadAssignments`.
 */
export function withSecondFactor(identity: Identity, routes: readonly Route[]): readonly Route[] {
  const guard = requireMfaForRoles(identity.auth);
  return routes.map((route) =>
    WITHOUT_SECOND_FACTOR.has(route.operationId) ? route : Object.freeze({ ...route, guards: Object.freeze([guard, ...route.guards]) }),
  );
}
