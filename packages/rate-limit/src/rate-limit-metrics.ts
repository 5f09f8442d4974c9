import type { Clock, Counter, Histogram, Labels, Metrics } from "@portcullis/core";
import type { OutagePolicy } from "./decision.js";

/** How one limit ended one check; `open` and `closed` are answers of the outage policy. */
export type CheckOutcome = "allowed" | "denied" | "open" | "closed";

// From a memory store's microseconds to a deadline that ran out.
const BUCKETS = [0.000_01, 0.000_05, 0.000_25, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25];

/** The numbers of one limiter. Label values come from its configuration: policies, outcomes, outage policies. */
export class RateLimitMetrics {
  readonly #checks: Counter;
  readonly #storeErrors: Counter;
  readonly #unknownTiers: Counter;
  readonly #seconds: Histogram;
  // A label object for each pair, made once: counting allocates nothing.
  readonly #labels = new Map<string, Readonly<Record<CheckOutcome, Labels>>>();

  constructor(
    metrics: Metrics,
    private readonly clock: Clock,
    policies: readonly string[],
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
    this.#unknownTiers = metrics.counter({
      name: "rate_limit_unknown_tiers_total",
      help: "Checks that named a tier which is not configured; the default tier applied.",
    });
    this.#seconds = metrics.histogram({ name: "rate_limit_check_seconds", help: "Time until a check was answered.", buckets: BUCKETS });
    for (const policy of policies) this.#labels.set(policy, labelsOf(policy));
  }

  /** A mark to hand to `measured`. */
  start(): number {
    return this.clock.monotonic();
  }

  measured(start: number): void {
    this.#seconds.observe((this.clock.monotonic() - start) / 1000);
  }

  checked(policy: string, outcome: CheckOutcome): void {
    this.#checks.add(this.#labels.get(policy)?.[outcome]);
  }

  storeFailed(outage: OutagePolicy): void {
    this.#storeErrors.add({ outage });
  }

  unknownTier(): void {
    this.#unknownTiers.add();
  }
}

function labelsOf(policy: string): Readonly<Record<CheckOutcome, Labels>> {
  const label = (outcome: CheckOutcome): Labels => Object.freeze({ policy, outcome });
  return Object.freeze({ allowed: label("allowed"), denied: label("denied"), open: label("open"), closed: label("closed") });
}
