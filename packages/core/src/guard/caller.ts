import { createFactKey, type FactKey } from "./facts.js";
import type { GuardRequest } from "./guard.js";
import { type Principal, principalFact } from "./principal.js";

/**
 * The principal with the roles that a store says it has now, in the place of those of its credential. Set by `loadAssignments` of
 * `@portcullis/rbac`; every guard that decides by roles prefers it to {@link principalFact}.
 */
export const resolvedPrincipalFact: FactKey<Principal> = createFactKey<Principal>("resolved-principal");

/** Whom guards decide about: taken from facts, which are set once and frozen, and from nothing else of the request (RBAC-14). */
export function callerOf(request: Pick<GuardRequest, "facts">): Principal | undefined {
  return request.facts.get(resolvedPrincipalFact) ?? request.facts.get(principalFact) ?? undefined;
}
