import { createFacts, type GuardRequest, type Principal, principalFact } from "@portcullis/core";

/** A request as a guard sees it, with nothing behind it. */
export function requestOf(given: { ip?: string; target?: string; route?: string; principal?: Principal } = {}): GuardRequest {
  const facts = createFacts();
  if (given.principal !== undefined) facts.set(principalFact, given.principal);
  return {
    method: "GET",
    target: given.target ?? "/",
    route: given.route,
    ip: given.ip ?? "192.0.2.1",
    facts,
    header: () => undefined,
    headerCount: () => 0,
    removeHeader: () => {},
    clientCertificate: undefined,
    param: () => undefined,
    rawBody: () => Promise.resolve(new Uint8Array()),
  };
}

/** A user as authentication would publish it. */
export function userOf(id: string, orgId?: string): Principal {
  return Object.freeze({
    type: "user",
    id,
    orgId,
    workspaceId: undefined,
    roles: [],
    orgRoles: [],
    scopes: undefined,
    authMethod: "token",
    email: undefined,
    sessionId: undefined,
    tokenVersion: 1,
    mfaAt: undefined,
    mustChangePassword: false,
  });
}
