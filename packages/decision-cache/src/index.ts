export { createDecisionCache } from "./create-decision-cache.js";
export { defineKey } from "./define-key.js";
export { DecisionCacheError } from "./errors.js";

export type { DecisionCacheOptions } from "./create-decision-cache.js";
export type { CacheStats, ComputeContext, ComputeOptions, DecisionCache, Dependencies, Hit, Lookup, Ticket } from "./decision-cache.js";
export type { DecisionCacheEvent } from "./decision-cache-event.js";
export type { KeyValue } from "./define-key.js";
export type { DecisionCacheErrorCode } from "./errors.js";
export type { Frozen } from "./frozen-copy.js";
export type { AgentDependency, PolicyVersion } from "./workspace.js";
