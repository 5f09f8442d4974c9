import type { MaybePromise } from "@portcullis/core";
import type { Frozen } from "./frozen-copy.js";
import type { AgentDependency, PolicyVersion } from "./workspace.js";

/** Where a decision belongs. */
export interface Lookup {
  /** Non-empty. Decisions of one workspace are never answers in another, whatever their keys. */
  readonly workspaceId: string;
  /** The policy the caller goes by; a decision made under any other version is none. Absent: the workspace's. */
  readonly policyVersion?: PolicyVersion;
}

/** Where a decision belongs and what it depends on: invalidating any of it makes the decision stale. */
export interface Dependencies extends Lookup {
  readonly agents?: readonly AgentDependency[];
  readonly tags?: readonly string[];
  /** How long it may be served, ms; absent: the cache's. 0 or less: not stored. */
  readonly ttlMs?: number;
}

/** What `getOrCompute` may be told beside the dependencies. */
export interface ComputeOptions extends Dependencies {
  /** Stops waiting, with the signal's reason. The computation goes on for the others who wait for it. */
  readonly signal?: AbortSignal;
}

/** What a computation is given. */
export interface ComputeContext {
  /** Aborted when `computeTimeoutMs` is over: nobody waits for the result any more. */
  readonly signal: AbortSignal;
}

/** A stored decision, wrapped so that `undefined` is a decision too. */
export interface Hit<V> {
  readonly value: Frozen<V>;
}

/** What was true when a computation began; `commit` compares. */
export interface Ticket {
  readonly workspaceId: string;
  readonly key: string;
}

/** The state of a cache. */
export interface CacheStats {
  /** Decisions that would be served now. */
  readonly totalEntries: number;
  /** Held, but past their time or invalidated; collected as the cache is used. */
  readonly expiredEntries: number;
  readonly invalidatedEntries: number;
  readonly hits: number;
  readonly misses: number;
  /** Hits per call, 0 to 1; 0 before the first call. */
  readonly hitRate: number;
  /** The version of workspaces that have none of their own. */
  readonly currentPolicyVersion: PolicyVersion | undefined;
  /** Calls that invalidated something, whether or not it was there. */
  readonly invalidations: number;
  /** Misses that waited for a computation already under way. */
  readonly coalesced: number;
  /** Results that were not stored because something they depend on was invalidated meanwhile. */
  readonly refusedCommits: number;
  /** Decisions that were pushed out by others. */
  readonly evictions: number;
  /** Computations and tickets under way. */
  readonly openTickets: number;
}

/**
 * Decisions that were costly to make, kept until what they depended on changes.
 *
 * Every invalidation takes effect before it returns: no later call is answered with a decision that it made stale, and a
 * computation that began before it is never stored. Counts of what an invalidation made stale are exact for caches of
 * up to 1,024 entries; in larger ones they may include entries that were stale already and are not collected yet.
 */
export interface DecisionCache<V> {
  /**
   * The stored decision, or the computed one: at once where it is stored or `compute` is synchronous.
   *
   * Concurrent callers with one key share one computation; callers that come after an invalidation do not join one from
   * before it. A computation overtaken by an invalidation runs once more before it answers, and only a result that was not
   * overtaken is stored. What `compute` throws reaches all who wait, and is not stored.
   *
   * @param key Everything the decision depends on beside the workspace; see `defineKey`.
   * @returns frozen plain data, the same object for every caller.
   * @throws {DecisionCacheError} `invalid_argument`, `unsupported_value`, `compute_timeout`; nothing was stored.
   */
  getOrCompute(key: string, about: ComputeOptions, compute: (context: ComputeContext) => MaybePromise<V>): MaybePromise<Frozen<V>>;
  /** The stored decision. A hit counts as use, and never extends its time. */
  get(key: string, about: Lookup): Hit<V> | undefined;
  /**
   * Stores a decision that is at hand. Computations of the key that are under way are not stored over it.
   *
   * @returns whether it was stored: not with a time of 0 or less, nor under another policy version than the workspace's.
   * @throws {DecisionCacheError} `invalid_argument`, `unsupported_value`
   */
  set(key: string, about: Dependencies, value: V): boolean;
  /**
   * Forgets one decision, and the computation of it that is under way.
   *
   * @returns whether there was one to be served.
   * @throws {DecisionCacheError} `invalid_argument`
   */
  delete(key: string, about: Pick<Lookup, "workspaceId">): boolean;
  /** Makes everything stale. @returns how many decisions that was. */
  clear(): number;
  /** Makes all decisions of a workspace stale. @returns how many that was. @throws {DecisionCacheError} `invalid_argument` */
  invalidateWorkspace(workspaceId: string): number;
  /**
   * Says which policy is in force, for one workspace or for all that have no version of their own. Another version than before, a
   * lower one too, makes the decisions made under the old one stale; the same one changes nothing.
   *
   * Versions set are kept, about 100 bytes for each workspace.
   *
   * @returns how many decisions became stale.
   */
  setPolicyVersion(version: PolicyVersion, scope?: { readonly workspaceId: string }): number;
  /** The version in force in a workspace; without one, the default. */
  policyVersion(workspaceId?: string): PolicyVersion | undefined;
  /**
   * Makes stale what depends on this version of an agent; without a version, on any.
   *
   * @returns how many decisions that was.
   * @throws {DecisionCacheError} `invalid_argument`
   */
  invalidateAgent(name: string, version?: string): number;
  /** Makes stale what carries the tag, in every workspace. @returns how many that was. @throws {DecisionCacheError} `invalid_argument` */
  invalidateTag(tag: string): number;
  /**
   * Notes what a computation depends on, before it begins, for computations that `getOrCompute` cannot run. End it with `commit` or
   * `abandon`; of more than 10,000 open ones the oldest is abandoned.
   *
   * @throws {DecisionCacheError} `invalid_argument`
   */
  begin(key: string, about: Dependencies): Ticket;
  /**
   * Stores the result of a ticket, unless anything it depends on was invalidated since `begin`.
   *
   * @returns whether it was stored. A ticket serves once.
   * @throws {DecisionCacheError} `unsupported_value`
   */
  commit(ticket: Ticket, value: V): boolean;
  /** Ends a ticket without a result. */
  abandon(ticket: Ticket): void;
  /** Looks at every entry: for people and scrapes, not for each request. */
  stats(): CacheStats;
}
