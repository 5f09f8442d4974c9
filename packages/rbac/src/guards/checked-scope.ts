import { createFactKey, type Facts, type FactKey } from "@portcullis/core";
import type { Scope } from "../decision/decision.js";

/**
 * The department that a guard checked, in the form that it compared. A handler acts on this one: the route parameter may be spelt
 * otherwise. Absent where none was named, or what was named is no department's name.
 */
export const checkedScopeFact: FactKey<Scope> = createFactKey<Scope>("checked-scope");

/** Published by the first guard that checked one; others checked the same parameter of the same request. */
export function publishScope(facts: Facts, scope: Scope | undefined): void {
  if (scope !== undefined && facts.get(checkedScopeFact) === undefined) facts.set(checkedScopeFact, scope);
}
