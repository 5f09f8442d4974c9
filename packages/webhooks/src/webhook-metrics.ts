import type { Metrics } from "@portcullis/core";

/** Counts of this process, as `metrics()` tells them. */
export interface DeliveryCounts {
  /** Finished: delivered or dead-lettered. */
  readonly finished: number;
  readonly delivered: number;
  /** Sum over delivered ones. */
  readonly latencyMs: number;
}

/** The package's metrics. */
export interface WebhookMetrics {
  attempt(eventType: string, status: "DELIVERED" | "RETRYING" | "DEAD_LETTERED", latencyMs: number): void;
  reclaimed(): void;
  counts(): DeliveryCounts;
}

const MAX_EVENT_TYPES = 100;

/** Counters of deliveries. Event types are a label: the first hundred by name, the rest as `other`. */
export function createWebhookMetrics(metrics: Metrics): WebhookMetrics {
  const deliveries = metrics.counter({
    name: "webhook_deliveries_total",
    help: "Attempts by what followed.",
    labelNames: ["status", "event_type"],
  });
  const retries = metrics.counter({ name: "webhook_retries_total", help: "Attempts that will be repeated.", labelNames: ["event_type"] });
  const deadLettered = metrics.counter({ name: "webhook_dead_lettered_total", help: "Deliveries given up.", labelNames: ["event_type"] });
  const reclaims = metrics.counter({ name: "webhook_reclaims_total", help: "Deliveries taken over from a worker that died or hung." });
  const latencySeconds = metrics.histogram({
    name: "webhook_delivery_latency_seconds",
    help: "From sending to the status line, of delivered ones.",
    labelNames: ["event_type"],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  });
  const known = new Set<string>();
  let finished = 0;
  let delivered = 0;
  let totalLatencyMs = 0;

  const labelOf = (eventType: string): string => {
    if (!known.has(eventType) && known.size >= MAX_EVENT_TYPES) return "other";
    known.add(eventType);
    return eventType;
  };

  return {
    attempt(eventType, status, latencyMs) {
      const label = labelOf(eventType);
      deliveries.add({ status, event_type: label });
      if (status === "RETRYING") return retries.add({ event_type: label });
      finished += 1;
      if (status === "DEAD_LETTERED") return deadLettered.add({ event_type: label });
      delivered += 1;
      totalLatencyMs += latencyMs;
      latencySeconds.observe(latencyMs / 1000, { event_type: label });
    },
    reclaimed: () => reclaims.add(),
    counts: () => ({ finished, delivered, latencyMs: totalLatencyMs }),
  };
}
