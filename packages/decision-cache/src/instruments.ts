import { type Labels, type Metrics, quietly as droppingFaults } from "@portcullis/core";
import type { DecisionCacheEvent } from "./decision-cache-event.js";
import type { Removal } from "./entry-store.js";

/** Numbers that `stats` answers with and metrics report. Observers cannot change an answer: what they throw is dropped. */
export class Instruments {
  hits = 0;
  misses = 0;
  coalesced = 0;
  refused = 0;
  invalidations = 0;
  evictions = 0;
  readonly #hits;
  readonly #misses;
  readonly #invalidations;
  readonly #evictions;
  readonly #size;
  readonly #seconds;

  constructor(
    metrics: Metrics,
    private readonly onEvent: ((event: DecisionCacheEvent) => void) | undefined,
  ) {
    this.#hits = metrics.counter({ name: "decision_cache_hits_total", help: "Decisions served from the cache." });
    this.#misses = metrics.counter({ name: "decision_cache_misses_total", help: "Decisions that were not in the cache." });
    this.#invalidations = metrics.counter({ name: "decision_cache_invalidations_total", help: "Invalidations.", labelNames: ["type"] });
    this.#evictions = metrics.counter({ name: "decision_cache_evictions_total", help: "Entries removed.", labelNames: ["reason"] });
    this.#size = metrics.gauge({ name: "decision_cache_size", help: "Entries held, stale ones not yet collected included." });
    this.#seconds = metrics.histogram({ name: "decision_cache_compute_seconds", help: "Duration of computations." });
  }

  hit(): void {
    this.hits += 1;
    try {
      this.#hits.add();
    } catch {
      // See the class comment.
    }
  }

  miss(): void {
    this.misses += 1;
    quietly(() => this.#misses.add());
  }

  computed(ms: number): void {
    quietly(() => this.#seconds.observe(ms / 1000));
  }

  removed(reason: Removal): void {
    if (reason === "capacity") this.evictions += 1;
    quietly(() => this.#evictions.add(REASON_LABELS[reason]));
  }

  size(entries: number): void {
    quietly(() => this.#size.set(entries));
  }

  invalidated(event: Extract<DecisionCacheEvent, { readonly kind: "invalidated" }>): void {
    this.invalidations += 1;
    quietly(() => this.#invalidations.add({ type: event.type }));
    this.emit(event);
  }

  emit(event: DecisionCacheEvent): void {
    quietly(() => this.onEvent?.(event));
  }
}

const REASON_LABELS: Readonly<Record<Removal, Labels>> = Object.freeze({
  capacity: { reason: "capacity" },
  expired: { reason: "expired" },
  invalidated: { reason: "invalidated" },
  replaced: { reason: "replaced" },
  deleted: { reason: "deleted" },
});

// Takes what an observer rejects with, too: a promise passes for nothing.
function quietly(observe: () => void): void {
  droppingFaults(observe)(undefined);
}
