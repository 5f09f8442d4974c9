import { createFactKey, type FactKey } from "./facts.js";

/** How the caller proved who it is; `forwarded`: it did not, a trusted caller vouches for it. */
export type AuthMethod = "password" | "oauth" | "apiKey" | "token" | "session" | "system" | "forwarded";

interface PrincipalBase {
  /** Opaque and stable; unique within its type. */
  readonly id: string;
  readonly orgId: string | undefined;
  /** The workspace this request acts in, where the application has workspaces. */
  readonly workspaceId: string | undefined;
  readonly roles: readonly string[];
  readonly orgRoles: readonly string[];
  /** Departments of the organisation that its department-bound organisation roles are held for; absent: none. */
  readonly scopedDepartments?: readonly string[] | undefined;
  /** Who it is in the organisation (`ceo`, `observer`). Grants nothing by itself; absent: none. */
  readonly personas?: readonly string[] | undefined;
  /** Upper bound of what this credential may do; `undefined` means no bound beyond the roles. */
  readonly scopes: readonly string[] | undefined;
  readonly authMethod: AuthMethod;
  /** Id of the trusted caller that vouches for this identity and acts on its behalf; absent: it proved itself. */
  readonly via?: string | undefined;
}

/** Leave that an administrator gave a service to go without a second factor, which no program has. */
export interface MfaBypass {
  readonly id: string;
  /** Epoch ms; at this instant it is over. */
  readonly expiresAt: number;
}

/** A human. */
export interface UserPrincipal extends PrincipalBase {
  readonly type: "user";
  readonly email: string | undefined;
  readonly sessionId: string | undefined;
  readonly tokenVersion: number;
  /** Epoch ms of the last proof of a second factor; `undefined` without one. */
  readonly mfaAt: number | undefined;
  readonly mustChangePassword: boolean;
}

/** A program with an account of its own. */
export interface ServicePrincipal extends PrincipalBase {
  readonly type: "service";
  readonly name: string;
  /** Absent: none, as for most. */
  readonly mfaBypass?: MfaBypass | undefined;
}

/** A key that a user or service made for its programs. */
export interface ApiKeyPrincipal extends PrincipalBase {
  readonly type: "apiKey";
  readonly ownerId: string;
  readonly keyId: string;
  /** Absent: none, as for most. */
  readonly mfaBypass?: MfaBypass | undefined;
}

/** The application itself: schedulers, migrations. */
export interface SystemPrincipal extends PrincipalBase {
  readonly type: "system";
  readonly audience: string;
  /** Absent: none, as for most. */
  readonly mfaBypass?: MfaBypass | undefined;
}

/** Who is calling. Frozen when it is published: later code cannot raise its own rights (RBAC-14). */
export type Principal = UserPrincipal | ServicePrincipal | ApiKeyPrincipal | SystemPrincipal;

/** The authenticated caller; absent on a request without credentials. Set by `authenticate` of `@portcullis/auth`, read by every other concern. */
export const principalFact: FactKey<Principal> = createFactKey<Principal>("principal");

/** The human or program that answers for a principal: an API key acts for its owner. Self-approval and rate limits go by it. */
export function subjectOf(principal: Principal): string {
  return principal.type === "apiKey" ? principal.ownerId : principal.id;
}

/** What an application that authenticates by itself knows of a user. */
export type UserDetails = { readonly id: string; readonly roles: readonly string[] } & Partial<
  Omit<UserPrincipal, "type" | "id" | "roles">
>;

/**
 * The principal of a user, for an application that authenticates by itself: complete and frozen. What is not given is absent: no
 * organisation, no bound, no second factor, no session.
 *
 * @example
 * ```ts
 * import { ALLOW, type Guard, principalFact, userPrincipal } from "@portcullis/core";
 *
 * export const authenticate: Guard = {
 *   name: "authenticate",
 *   check(request) {
 *     // Your own: a session, a token. Here the proxy in front has done it.
 *     const id = request.headerCount("x-verified-user") === 1 ? request.header("x-verified-user") : undefined;
 *     if (id !== undefined) request.facts.set(principalFact, userPrincipal({ id, roles: ["viewer"] }));
 *     return ALLOW;
 *   },
 * };
 * ```
 */
export function userPrincipal(details: UserDetails): Principal {
  const { scopes, ...rest } = details;
  return freezePrincipal({
    orgId: undefined,
    workspaceId: undefined,
    orgRoles: [],
    authMethod: "session",
    email: undefined,
    sessionId: undefined,
    tokenVersion: 1,
    mfaAt: undefined,
    mustChangePassword: false,
    ...rest,
    scopes,
    type: "user",
  });
}

/** A deep-frozen copy. */
export function freezePrincipal(principal: Principal): Principal {
  const { roles, orgRoles, scopes, scopedDepartments, personas } = principal;
  // Assigned to a copy: spreading more into a literal costs five times as much, on each token that is met for the first time.
  const copy: { -readonly [Member in keyof Principal]: Principal[Member] } = { ...principal };
  copy.roles = Object.freeze([...roles]);
  copy.orgRoles = Object.freeze([...orgRoles]);
  copy.scopes = frozenList(scopes);
  if (scopedDepartments !== undefined) copy.scopedDepartments = frozenList(scopedDepartments);
  if (personas !== undefined) copy.personas = frozenList(personas);
  if (principal.type !== "user" && principal.mfaBypass !== undefined) {
    (copy as { mfaBypass?: unknown }).mfaBypass = Object.freeze({ ...principal.mfaBypass });
  }
  return Object.freeze(copy as Principal); // the same members, lists copied
}

function frozenList(list: readonly string[] | undefined): readonly string[] | undefined {
  return list === undefined ? undefined : Object.freeze([...list]);
}
