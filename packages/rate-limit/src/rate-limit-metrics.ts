import type { Clock, Counter, Gauge, Histogram, Labels, Metrics } from "@portcullis/core";
import type { OutagePolicy } from "./decision.js";
import type { SourceStatus } from "./limit-source.js";

/** How one limit ended one check; `open` and `closed` are answers of the outage policy. */
export type CheckOutcome = "allowed" | "denied" | "open" | "closed";

/** Counts of one limit since the limiter was made. */
export type OutcomeCounts = Readonly<Record<CheckOutcome, number>>;

/** What is counted: it keeps its own counts, so that counting is an addition. */
export interface Counted {
  readonly name: string;
  readonly counts: Record<CheckOutcome, number>;
}

export function noCounts(): Record<CheckOutcome, number> {
  return { allowed: 0, denied: 0, open: 0, closed: 0 };
}

// From a memory store's microseconds to a deadline that ran out.
const BUCKETS = [0.000_01, 0.000_05, 0.000_25, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25];

/** The numbers of one limiter. Label values come from its configuration: policies, outcomes, outage policies. */
export class RateLimitMetrics {
  readonly #checks: Counter;
  readonly #storeErrors: Counter;
  readonly #degraded: Counter;
  readonly #denialHits: Counter;
  readonly #batchHits: Counter;
  readonly #unknownTiers: Counter;
  readonly #unknownAddresses: Counter;
  readonly #shadow: Counter;
  readonly #seconds: Histogram;
  readonly #keys: Gauge;
  readonly #saturated: Gauge;
  readonly #inFlight: Gauge;
  // A label object for each pair, made once: counting allocates nothing.
  readonly #labels = new Map<string, Readonly<Record<CheckOutcome, Labels>>>();

  constructor(
    metrics: Metrics,
    private readonly clock: Clock,
    policies: readonly string[],
    /** Whether anybody keeps the metrics: otherwise only what the status tells is counted. */
    private readonly isKept: boolean,
  ) {
    this.#checks = metrics.counter({
      name: "rate_limit_checks_total",
      help: "Limits asked, by limit and outcome.",
      labelNames: ["policy", "outcome"],
    });
    this.#storeErrors = metrics.counter({
      name: "rate_limit_store_errors_total",
      help: "Checks that the store did not answer, by the outage policy that decided instead.",
      labelNames: ["outage"],
    });
    this.#degraded = metrics.counter({
      name: "rate_limit_degraded_total",
      help: "Checks decided without the store, by outage policy and reason.",
      labelNames: ["outage", "reason"],
    });
    this.#denialHits = metrics.counter({ name: "rate_limit_denial_cache_hits_total", help: "Refusals repeated without asking the store." });
    this.#batchHits = metrics.counter({
      name: "rate_limit_batch_hits_total",
      help: "Checks served from a batch without asking the store.",
    });
    this.#unknownTiers = metrics.counter({
      name: "rate_limit_unknown_tiers_total",
      help: "Checks that named a tier which is not configured; the default tier applied.",
    });
    this.#unknownAddresses = metrics.counter({
      name: "rate_limit_unknown_addresses_total",
      help: "Checks of a client without a readable address; they share one bucket.",
    });
    this.#shadow = metrics.counter({
      name: "rate_limit_shadow_checks_total",
      help: "Limits on trial asked, by limit and what the outcome would have been.",
      labelNames: ["policy", "outcome"],
    });
    this.#seconds = metrics.histogram({ name: "rate_limit_check_seconds", help: "Time until a check was answered.", buckets: BUCKETS });
    this.#keys = metrics.gauge({
      name: "rate_limit_keys",
      help: "What this process holds: limits kept for an outage, refusals remembered.",
      labelNames: ["place"],
    });
    this.#saturated = metrics.gauge({
      name: "rate_limit_saturated",
      help: "1 while the memory store is full, so that new holders share limits.",
    });
    this.#inFlight = metrics.gauge({ name: "rate_limit_inflight", help: "Places in flight held by this process.", labelNames: ["policy"] });
    for (const policy of policies) this.#labels.set(policy, labelsOf(policy));
  }

  /** A mark to hand to `measured`. */
  start(): number {
    return this.isKept ? this.clock.monotonic() : 0;
  }

  measured(start: number): void {
    if (this.isKept) this.#seconds.observe((this.clock.monotonic() - start) / 1000);
  }

  checked({ name, counts }: Counted, outcome: CheckOutcome): void {
    counts[outcome] += 1;
    if (this.isKept) this.#checks.add(this.#labels.get(name)?.[outcome]);
  }

  shadowed(policy: string, isAllowed: boolean): void {
    this.#shadow.add({ policy, outcome: isAllowed ? "allowed" : "denied" });
  }

  storeFailed(outage: OutagePolicy): void {
    this.#storeErrors.add({ outage });
  }

  degraded(outage: OutagePolicy, reason: string): void {
    this.#degraded.add({ outage, reason });
  }

  repeatedDenial(): void {
    this.#denialHits.add();
  }

  servedFromBatch(): void {
    this.#batchHits.add();
  }

  unknownTier(): void {
    this.#unknownTiers.add();
  }

  unknownAddress(): void {
    this.#unknownAddresses.add();
  }

  holds({ rememberedDenials, localCells, store }: SourceStatus): void {
    this.#keys.set(rememberedDenials, { place: "denials" });
    this.#keys.set(localCells, { place: "local" });
    if (store === undefined) return;
    this.#keys.set(store.cells, { place: "store" });
    this.#saturated.set(store.isFull ? 1 : 0);
  }

  inFlight(policy: string, count: number): void {
    this.#inFlight.set(count, { policy });
  }
}

function labelsOf(policy: string): Readonly<Record<CheckOutcome, Labels>> {
  const label = (outcome: CheckOutcome): Labels => Object.freeze({ policy, outcome });
  return Object.freeze({ allowed: label("allowed"), denied: label("denied"), open: label("open"), closed: label("closed") });
}
