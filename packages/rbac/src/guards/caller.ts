import { createFactKey, type FactKey, type GuardRequest, type Principal, principalFact } from "@portcullis/core";

/**
 * The principal with the roles that a store says it has now, in the place of those of its credential. Set by `loadAssignments`;
 * every guard of this package prefers it to core's `principalFact`.
 */
export const resolvedPrincipalFact: FactKey<Principal> = createFactKey<Principal>("resolved-principal");

/** Whom guards decide about: taken from facts, which are set once and frozen, and from nothing else of the request (RBAC-14). */
export function callerOf(request: GuardRequest): Principal | undefined {
  return request.facts.get(resolvedPrincipalFact) ?? request.facts.get(principalFact) ?? undefined;
}
