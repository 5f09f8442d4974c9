import { type Facts, type Principal, principalFact, ProblemError, problems } from "@portcullis/core";
import { resolvedPrincipalFact } from "@portcullis/rbac";

/** The caller, with the roles that the store says it has now. @throws {ProblemError} 1001, where no guard has refused the anonymous before. */
export function callerOf(facts: Facts): Principal {
  const principal = facts.get(resolvedPrincipalFact) ?? facts.get(principalFact);
  if (principal === undefined) throw new ProblemError(problems.unauthenticated());
  return principal;
}

/** The workspace a caller acts in; of a caller without one, that of its organisation. */
export function workspaceOf(principal: Principal): string {
  return principal.workspaceId ?? (principal.orgId === undefined ? "" : `organisation:${principal.orgId}`);
}
