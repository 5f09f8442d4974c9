import { ALLOW, type Guard, type GuardRequest, invalidOption, principalFact, resolvedPrincipalFact, type Verdict } from "@portcullis/core";
import { ownOptions } from "../own-options.js";
import type { Assignments, Consistency } from "./assignments.js";

/** How fresh the roles must be. */
export interface LoadAssignmentsOptions {
  /** Default `bounded`; `strong` reads the store on every request. */
  readonly consistency?: Consistency;
}

/**
 * Publishes the principal with the roles that the store says it has, for every guard of this package behind it. Mount it after
 * authentication. A request without a principal passes as it is; where the store does not answer, it fails with 503.
 *
 * @throws {ConfigurationError} `invalid_option`
 */
export function loadAssignments(assignments: Pick<Assignments, "resolve">, options: LoadAssignmentsOptions = {}): Guard {
  const { consistency = "bounded" } = ownOptions("loadAssignments", options, ["consistency"]);
  if (consistency !== "bounded" && consistency !== "strong")
    throw invalidOption("loadAssignments.consistency", consistency, '"bounded" or "strong"');
  const how = Object.freeze({ consistency });
  return Object.freeze({
    name: "load-assignments",
    check(request: GuardRequest): Verdict | Promise<Verdict> {
      const principal = request.facts.get(principalFact);
      if (principal === undefined) return ALLOW;
      const resolved = assignments.resolve(principal, how);
      if (!(resolved instanceof Promise)) {
        request.facts.set(resolvedPrincipalFact, resolved);
        return ALLOW;
      }
      return resolved.then((known) => {
        request.facts.set(resolvedPrincipalFact, known);
        return ALLOW;
      });
    },
  } satisfies Guard);
}
