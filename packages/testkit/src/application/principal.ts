import {
  type ApiKeyPrincipal,
  freezePrincipal,
  type Principal,
  type ServicePrincipal,
  type SystemPrincipal,
  type UserPrincipal,
  userPrincipal,
} from "@portcullis/core";

/** What a test cares about of a principal; the rest is plain. */
export type PrincipalDetails =
  | ({ readonly type?: "user" } & Partial<UserPrincipal>)
  | ({ readonly type: "service" } & Partial<ServicePrincipal>)
  | ({ readonly type: "apiKey" } & Partial<ApiKeyPrincipal>)
  | ({ readonly type: "system" } & Partial<SystemPrincipal>);

const SHARED = {
  id: "test-user",
  orgId: "test-org",
  workspaceId: "test-workspace",
  roles: [],
  orgRoles: [],
  scopes: undefined,
} as const;

/**
 * A complete principal, frozen as authentication publishes it: for an application's own tests. By default a user of an organisation
 * and a workspace who has no roles, no scopes and no second factor.
 *
 * @example
 * ```ts
 * import { principal } from "@portcullis/testkit";
 *
 * const admin = principal({ roles: ["admin"], mfaAt: Date.now() });
 * const key = principal({ type: "apiKey", roles: ["member"], scopes: ["notes.read"] });
 * console.log(admin.type, key.type); // user apiKey
 * ```
 */
export function principal(details: PrincipalDetails = {}): Principal {
  switch (details.type) {
    case "service":
      return freezePrincipal({ ...SHARED, authMethod: "token", name: "test service", ...details });
    case "apiKey":
      return freezePrincipal({ ...SHARED, authMethod: "apiKey", ownerId: "test-user", keyId: "test-key", ...details });
    case "system":
      return freezePrincipal({ ...SHARED, authMethod: "system", audience: "test", ...details });
    default:
      return userPrincipal({ ...SHARED, sessionId: "test-session", ...details });
  }
}
