import {
  createFacts,
  createGuardChain,
  type Guard,
  type GuardRequest,
  type GuardRun,
  type Principal,
  principalFact,
  type UserPrincipal,
} from "@portcullis/core";

/** A user with these roles; everything else is plain. */
export function userWith(roles: readonly string[], more: Partial<UserPrincipal> = {}): UserPrincipal {
  return {
    type: "user",
    id: "user-1",
    orgId: "org-1",
    workspaceId: undefined,
    roles,
    orgRoles: [],
    scopes: undefined,
    authMethod: "password",
    email: undefined,
    sessionId: undefined,
    tokenVersion: 1,
    mfaAt: undefined,
    mustChangePassword: false,
    ...more,
  };
}

/** A request as an adapter presents it, of this principal. */
export function requestOf(principal: Principal | undefined, params: Readonly<Record<string, string>> = {}, method = "GET"): GuardRequest {
  const facts = createFacts();
  if (principal !== undefined) facts.set(principalFact, principal);
  return {
    method,
    target: "/",
    route: "/",
    ip: "192.0.2.1",
    facts,
    header: () => undefined,
    headerCount: () => 0,
    removeHeader: () => {},
    clientCertificate: undefined,
    param: (name) => params[name],
    rawBody: () => Promise.resolve(new Uint8Array()),
  };
}

/** Runs guards as an application does. */
export function run(guards: readonly Guard[], request: GuardRequest): GuardRun | Promise<GuardRun> {
  return createGuardChain(guards).run(request);
}
