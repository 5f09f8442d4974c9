import type { Dependencies } from "./decision-cache.js";
import { DecisionCacheError } from "./errors.js";
import type { AgentDependency } from "./workspace.js";

/** Validates what a decision is said to depend on. Runs when something is to be stored, not on hits. */
export function checkDependencies(
  key: string,
  { workspaceId, policyVersion, agents = [], tags = [], ttlMs }: Dependencies,
): { readonly agents: readonly AgentDependency[]; readonly tags: readonly string[]; readonly ttlMs: number | undefined } {
  if (typeof key !== "string") throw invalidArgument("The key", "a string");
  checkWorkspaceId(workspaceId);
  if (policyVersion !== undefined && typeof policyVersion !== "string" && !Number.isFinite(policyVersion))
    throw invalidArgument("policyVersion", "a string or a finite number");
  if (!Array.isArray(agents) || !agents.every(isAgent))
    throw invalidArgument("agents", "an array of { name, version } with non-empty strings");
  if (!Array.isArray(tags) || !tags.every(isName)) throw invalidArgument("tags", "an array of non-empty strings");
  if (ttlMs !== undefined && (typeof ttlMs !== "number" || Number.isNaN(ttlMs))) throw invalidArgument("ttlMs", "a number of ms");
  return { agents, tags, ttlMs };
}

/** Without a workspace, callers who forgot theirs would share one: decisions would cross from tenant to tenant. */
export function checkWorkspaceId(workspaceId: unknown): string {
  return checkName("workspaceId", workspaceId);
}

/** An invalidation of what cannot be meant would invalidate nothing, and say so with a 0 that looks like success. */
export function checkName(name: string, value: unknown): string {
  if (!isName(value)) throw invalidArgument(name, "a non-empty string");
  return value;
}

export function invalidArgument(name: string, accepted: string): DecisionCacheError {
  return new DecisionCacheError("invalid_argument", `${name} must be ${accepted}; nothing was changed.`);
}

function isAgent(agent: unknown): agent is AgentDependency {
  if (typeof agent !== "object" || agent === null) return false;
  const { name, version } = agent as { readonly name?: unknown; readonly version?: unknown };
  return isName(name) && (version === undefined || isName(version));
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
