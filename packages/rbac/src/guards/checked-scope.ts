import { createFactKey, type Facts, type FactKey } from "@portcullis/core";
import type { CheckOptions, Scope } from "../decision/decision.js";
import { normaliseDepartment } from "../decision/find-org-role.js";
import { own } from "../own-options.js";

/**
 * The department that a guard checked, in the form that it compared. A handler acts on this one: the route parameter may be spelt
 * otherwise. Absent where none was named, or what was named is no department's name.
 */
export const checkedScopeFact: FactKey<Scope> = createFactKey<Scope>("checked-scope");

/**
 * Published by the first guard of a request that asked about a department, whichever role let it pass: to a handler, no department
 * means all of the organisation.
 */
export function publishScope(facts: Facts, asked: CheckOptions | undefined): void {
  const scope = asked === undefined ? undefined : (own(asked, "scope") as Scope | undefined); // asked: made by ownerReader
  const department = scope === undefined ? undefined : normaliseDepartment(scope.department);
  const published = facts.get(checkedScopeFact);
  if (department === undefined || published?.department === department) return;
  // A second one that differs throws: a handler could not tell which of the two was checked for what.
  facts.set(checkedScopeFact, Object.freeze({ department }));
}
