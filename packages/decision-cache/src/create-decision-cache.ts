import { type Clock, invalidOption, type MaybePromise, type Metrics, noMetrics, systemClock } from "@portcullis/core";
import { Computing, unlessAborted, withTimeout } from "./await-compute.js";
import { checkDependencies, checkName, checkWorkspaceId, invalidArgument } from "./check-dependencies.js";
import type { CacheStats, ComputeContext, ComputeOptions, DecisionCache, Dependencies, Hit, Lookup, Ticket } from "./decision-cache.js";
import type { DecisionCacheEvent } from "./decision-cache-event.js";
import { type Entry, EntryStore, type Flight, type OpenTicket, type Slot } from "./entry-store.js";
import { type Frozen, frozenCopy } from "./frozen-copy.js";
import type { Generation } from "./generation.js";
import { Instruments } from "./instruments.js";
import { TurnClock } from "./turn-clock.js";
import { agentVersionName, DependencyBook, type PolicyVersion } from "./workspace.js";

/** What a cache may be told. */
export interface DecisionCacheOptions<V> {
  /** Decisions held at most, the least recently used goes first; 1 to 10,000,000, default 1,000. */
  readonly maxEntries?: number;
  /** How long a decision is served where a call does not say otherwise, ms; more than 0, default 3,600,000. */
  readonly ttlMs?: number;
  /** How long this very decision may be served at most, ms: shorter for denials, or until it ends by itself. 0 or less: not stored. */
  readonly ttlFor?: (value: Frozen<V>) => number;
  /** How long callers wait for a computation, ms; more than 0, default 30,000. */
  readonly computeTimeoutMs?: number;
  readonly clock?: Clock;
  readonly metrics?: Metrics;
  /** Must not throw; what it throws is dropped. */
  readonly onEvent?: (event: DecisionCacheEvent) => void;
}

const DEFAULTS = Object.freeze({ maxEntries: 1_000, ttlMs: 3_600_000, computeTimeoutMs: 30_000 });

// Entries looked at before an invalidation counts, after it, and by each store until all were seen: the first makes the counts of
// caches of the usual size exact, the others collect what became stale, and none of them holds up the event loop.
const SWEEP_BEFORE = 1_024;
const SWEEP_AFTER = 128;
const SWEEP_PER_STORE = 32;

/**
 * Creates a cache of decisions in this process.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { createDecisionCache, defineKey } from "@portcullis/decision-cache";
 *
 * const cache = createDecisionCache<{ agent: string }>({ maxEntries: 10_000 });
 * const routeKey = defineKey(["subjectId", "task"]);
 * const route = () =>
 *   cache.getOrCompute(
 *     routeKey({ subjectId: "ada", task: "review" }),
 *     { workspaceId: "w1", agents: [{ name: "reviewer", version: "3.5" }], tags: ["high-priority"] },
 *     async () => ({ agent: "reviewer" }),
 *   );
 * await route(); // computes
 * await route(); // does not
 * console.log(cache.invalidateAgent("reviewer", "3.5"), cache.stats().hits); // 1 1
 * ```
 */
export function createDecisionCache<V>(options: DecisionCacheOptions<V> = {}): DecisionCache<V> {
  return new MemoryDecisionCache(options);
}

class MemoryDecisionCache<V> implements DecisionCache<V> {
  readonly #ttlMs: number;
  readonly #ttlFor: ((value: Frozen<V>) => number) | undefined;
  readonly #computeTimeoutMs: number;
  readonly #clock: Clock;
  readonly #turn: TurnClock;
  readonly #instruments: Instruments;
  readonly #book = new DependencyBook<Slot<V>>();
  readonly #store: EntryStore<V>;

  constructor(options: DecisionCacheOptions<V>) {
    const { maxEntries = DEFAULTS.maxEntries, ttlMs = DEFAULTS.ttlMs, computeTimeoutMs = DEFAULTS.computeTimeoutMs } = options;
    const { ttlFor, clock = systemClock, metrics = noMetrics, onEvent } = options;
    if (!Number.isSafeInteger(maxEntries) || maxEntries < 1 || maxEntries > 10_000_000)
      throw invalidOption("maxEntries", maxEntries, "an integer from 1 to 10,000,000");
    if (typeof ttlMs !== "number" || !(ttlMs > 0)) throw invalidOption("ttlMs", ttlMs, "more than 0 ms");
    if (typeof computeTimeoutMs !== "number" || !(computeTimeoutMs > 0 && computeTimeoutMs < Infinity))
      throw invalidOption("computeTimeoutMs", computeTimeoutMs, "more than 0 ms");
    if (ttlFor !== undefined && typeof ttlFor !== "function") throw invalidOption("ttlFor", ttlFor, "a function of the decision");
    if (onEvent !== undefined && typeof onEvent !== "function") throw invalidOption("onEvent", onEvent, "a function");
    this.#ttlMs = ttlMs;
    this.#ttlFor = ttlFor;
    this.#computeTimeoutMs = computeTimeoutMs;
    this.#clock = clock;
    this.#turn = new TurnClock(clock);
    this.#instruments = new Instruments(metrics, onEvent);
    this.#store = new EntryStore<V>(maxEntries, (reason) => this.#instruments.removed(reason));
    Object.freeze(this);
  }

  getOrCompute(key: string, about: ComputeOptions, compute: (context: ComputeContext) => MaybePromise<V>): MaybePromise<Frozen<V>> {
    const entry = this.#find(key, about);
    if (entry !== undefined) {
      this.#instruments.hit();
      return entry.hit.value;
    }
    this.#instruments.miss();
    const result = this.#load(key, about, compute, "may reload");
    return result instanceof Promise && about.signal !== undefined ? unlessAborted(result, about.signal) : result;
  }

  get(key: string, about: Lookup): Hit<V> | undefined {
    const entry = this.#find(key, about);
    if (entry === undefined) this.#instruments.miss();
    else this.#instruments.hit();
    return entry?.hit;
  }

  set(key: string, about: Dependencies, value: V): boolean {
    const frozen = frozenCopy(value);
    const ticket = this.#begin(key, about, "supersedes");
    const { entry } = ticket.slot;
    // Whatever becomes of the new decision, the old one is outdated.
    if (entry !== undefined) this.#store.remove(entry, "replaced");
    return this.#settle(ticket, frozen) === "stored";
  }

  delete(key: string, { workspaceId }: Pick<Lookup, "workspaceId">): boolean {
    checkWorkspaceId(workspaceId);
    const slot = this.#book.workspace(workspaceId)?.slots.get(key);
    const entry = slot?.entry;
    const served = entry !== undefined && this.#store.isCurrent(entry) && this.#clock.monotonic() < entry.expiresAt;
    if (slot !== undefined) slot.revision += 1;
    if (entry !== undefined) this.#store.remove(entry, "deleted");
    this.#instruments.size(this.#store.size);
    this.#instruments.invalidated({ kind: "invalidated", type: "key", workspaceId, count: served ? 1 : 0 });
    return served;
  }

  clear(): number {
    const count = this.#invalidate(this.#book.everything);
    this.#instruments.invalidated({ kind: "invalidated", type: "clear", count });
    return count;
  }

  invalidateWorkspace(workspaceId: string): number {
    const count = this.#invalidate(this.#book.workspace(checkWorkspaceId(workspaceId))?.generation);
    this.#instruments.invalidated({ kind: "invalidated", type: "workspace", workspaceId, count });
    return count;
  }

  setPolicyVersion(version: PolicyVersion, scope?: { readonly workspaceId: string }): number {
    if (typeof version !== "string" && !Number.isFinite(version))
      throw invalidArgument("The policy version", "a string or a finite number");
    const count = scope === undefined ? this.#setDefaultVersion(version) : this.#setVersion(version, checkWorkspaceId(scope.workspaceId));
    if (count === undefined) return 0;
    this.#instruments.invalidated({ kind: "invalidated", type: "policy", workspaceId: scope?.workspaceId, policyVersion: version, count });
    return count;
  }

  policyVersion(workspaceId?: string): PolicyVersion | undefined {
    const own = workspaceId === undefined ? undefined : this.#book.workspace(workspaceId)?.policyVersion;
    return own ?? this.#book.defaultPolicyVersion;
  }

  invalidateAgent(name: string, version?: string): number {
    checkName("The agent's name", name);
    if (version !== undefined) checkName("The agent's version", version);
    const { agents, agentVersions } = this.#book;
    const count = this.#invalidate(version === undefined ? agents.find(name) : agentVersions.find(agentVersionName(name, version)));
    this.#instruments.invalidated({ kind: "invalidated", type: "agent", agent: name, version, count });
    return count;
  }

  invalidateTag(tag: string): number {
    const count = this.#invalidate(this.#book.tags.find(checkName("The tag", tag)));
    this.#instruments.invalidated({ kind: "invalidated", type: "tag", tag, count });
    return count;
  }

  begin(key: string, about: Dependencies): Ticket {
    const ticket = this.#begin(key, about, "joins");
    this.#store.lend(ticket);
    return ticket;
  }

  commit(ticket: Ticket, value: V): boolean {
    const open = this.#ownTicket(ticket);
    if (open === undefined) return false;
    try {
      return this.#settle(open, frozenCopy(value)) === "stored";
    } finally {
      this.#store.close(open);
    }
  }

  abandon(ticket: Ticket): void {
    const open = this.#ownTicket(ticket);
    if (open !== undefined) this.#store.close(open);
  }

  stats(): CacheStats {
    const now = this.#clock.monotonic();
    let expiredEntries = 0;
    let invalidatedEntries = 0;
    for (const entry of this.#store.entries()) {
      if (!this.#store.isCurrent(entry)) invalidatedEntries += 1;
      else if (now >= entry.expiresAt) expiredEntries += 1;
    }
    const { hits, misses, invalidations, coalesced, refused, evictions } = this.#instruments;
    return Object.freeze({
      totalEntries: this.#store.size - expiredEntries - invalidatedEntries,
      expiredEntries,
      invalidatedEntries,
      hits,
      misses,
      hitRate: hits + misses === 0 ? 0 : hits / (hits + misses),
      currentPolicyVersion: this.#book.defaultPolicyVersion,
      invalidations,
      coalesced,
      refusedCommits: refused,
      evictions,
      openTickets: this.#store.openTickets,
    });
  }

  #find(key: string, about: Lookup): Entry<V> | undefined {
    const entry = this.#book.workspace(about.workspaceId)?.slots.get(key)?.entry;
    if (entry === undefined) return undefined;
    const expired = this.#turn.now() >= entry.expiresAt;
    if (expired || !this.#store.isCurrent(entry)) {
      this.#store.remove(entry, expired ? "expired" : "invalidated");
      this.#instruments.size(this.#store.size);
      return undefined;
    }
    if (about.policyVersion !== undefined && about.policyVersion !== entry.policyVersion) return undefined;
    this.#store.touch(entry);
    return entry;
  }

  #load(
    key: string,
    about: Dependencies,
    compute: (context: ComputeContext) => MaybePromise<V>,
    attempt: "may reload" | "last",
  ): MaybePromise<Frozen<V>> {
    const flight = this.#book.workspace(about.workspaceId)?.slots.get(key)?.flight;
    if (flight !== undefined && flight.ticket.requestedVersion === about.policyVersion && this.#store.isOpenAndCurrent(flight.ticket)) {
      this.#instruments.coalesced += 1;
      return flight.promise;
    }
    const ticket = this.#begin(key, about, "joins");
    const startedAt = this.#clock.monotonic();
    const computing = new Computing();
    const finish = (value: V): MaybePromise<Frozen<V>> => {
      this.#instruments.computed(this.#clock.monotonic() - startedAt);
      const frozen = frozenCopy(value);
      if (this.#settle(ticket, frozen) !== "overtaken" || attempt === "last") return frozen;
      // What was computed from may be what was invalidated. Somebody may have computed it anew meanwhile, or be doing so.
      return this.#find(key, about)?.hit.value ?? this.#load(key, about, compute, "last");
    };
    try {
      const result = compute(computing);
      if (!isPromise(result)) return finish(result);
      return this.#fly(ticket, withTimeout(result, computing, this.#computeTimeoutMs, this.#clock).then(finish));
    } catch (error) {
      this.#store.close(ticket);
      throw error;
    }
  }

  #fly(ticket: OpenTicket<V>, result: Promise<Frozen<V>>): Promise<Frozen<V>> {
    const { slot } = ticket;
    const land = (): void => {
      this.#store.close(ticket);
      if (slot.flight === flight) slot.flight = undefined;
    };
    const flight: Flight<V> = { promise: result, ticket };
    slot.flight = flight;
    // Also keeps a failure that nobody waits for any more from being an unhandled rejection.
    result.then(land, land);
    return result;
  }

  #begin(key: string, about: Dependencies, mode: "joins" | "supersedes"): OpenTicket<V> {
    const { agents, tags, ttlMs } = checkDependencies(key, about);
    const { workspaceId, policyVersion: requestedVersion } = about;
    const workspace = this.#book.openWorkspace(workspaceId);
    const slot = this.#store.slot(workspace, key);
    if (mode === "supersedes") slot.revision += 1;
    const generations = this.#book.resolve(workspace, agents, tags);
    const inForce = this.policyVersion(workspaceId);
    let sum = 0;
    for (const generation of generations) sum += generation.value;
    const ticket: OpenTicket<V> = Object.freeze({
      workspaceId,
      key,
      slot,
      generations,
      sum,
      revision: slot.revision,
      requestedVersion,
      policyVersion: requestedVersion ?? inForce,
      storable: requestedVersion === undefined || inForce === undefined || requestedVersion === inForce,
      ttlMs: ttlMs ?? this.#ttlMs,
    });
    this.#store.begin(ticket);
    return ticket;
  }

  /** Stores a ticket's result if it may be stored, and closes the ticket. */
  #settle(ticket: OpenTicket<V>, value: Frozen<V>): "stored" | "not kept" | "overtaken" {
    try {
      if (!this.#store.isOpenAndCurrent(ticket)) {
        this.#instruments.refused += 1;
        this.#instruments.emit({ kind: "compute_overtaken", workspaceId: ticket.workspaceId });
        return "overtaken";
      }
      const ttlMs = Math.min(ticket.ttlMs, this.#ttlOf(value));
      if (!ticket.storable || ttlMs <= 0) return "not kept";
      const now = this.#clock.monotonic();
      this.#store.put(ticket, value, now + ttlMs);
      this.#store.sweep(SWEEP_PER_STORE, now);
      this.#instruments.size(this.#store.size);
      return "stored";
    } finally {
      this.#store.close(ticket);
    }
  }

  #ttlOf(value: Frozen<V>): number {
    if (this.#ttlFor === undefined) return Infinity;
    const ttlMs = this.#ttlFor(value);
    if (typeof ttlMs !== "number" || Number.isNaN(ttlMs)) throw invalidArgument("The result of ttlFor", "a number of ms");
    return ttlMs;
  }

  /** One increment makes all that depends on it stale. What is not there, nothing depends on. */
  #invalidate(generation: Generation | undefined): number {
    if (generation === undefined) return 0;
    const now = this.#clock.monotonic();
    // What is stale or expired already is collected first, so that it is not counted again.
    if (generation.entries > 0) {
      this.#store.scheduleSweep();
      this.#store.sweep(SWEEP_BEFORE, now);
    }
    const count = generation.entries;
    generation.value += 1;
    if (count > 0) {
      this.#store.scheduleSweep();
      this.#store.sweep(SWEEP_AFTER, now);
      this.#instruments.size(this.#store.size);
    }
    return count;
  }

  #setVersion(version: PolicyVersion, workspaceId: string): number | undefined {
    const workspace = this.#book.openWorkspace(workspaceId);
    if (workspace.policyVersion === version) return undefined;
    workspace.policyVersion = version;
    return this.#invalidate(workspace.policy);
  }

  #setDefaultVersion(version: PolicyVersion): number | undefined {
    if (this.#book.defaultPolicyVersion === version) return undefined;
    this.#book.defaultPolicyVersion = version;
    return this.#invalidate(this.#book.defaultPolicy);
  }

  #ownTicket(ticket: Ticket): OpenTicket<V> | undefined {
    const open = ticket as OpenTicket<V>; // only compared by identity until the store says that it is one of its own
    return this.#store.isOpen(open) ? open : undefined;
  }
}

function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
