// What counts the checks.
import { type Counter, type Labels, type Metrics, noMetrics } from "@portcullis/core";
import { prometheusMetrics } from "@portcullis/core/prometheus";
import { Registry } from "prom-client";

export type MetricsKind = "counting" | "none" | "prom-client";

export function metricsOf(kind: MetricsKind): Metrics {
  switch (kind) {
    case "counting":
      return countingMetrics();
    case "none":
      return noMetrics;
    case "prom-client":
      return prometheusMetrics({ registry: new Registry() });
  }
}

/** Counts in this process, by the values of the labels: about the least that a backend can do. */
function countingMetrics(): Metrics {
  return { counter: ({ labelNames = [] }) => createCounter(labelNames), gauge: noMetrics.gauge, histogram: noMetrics.histogram };
}

/** Also says what it has counted. */
export function createCounter(labelNames: readonly string[]): Counter & { totalOf(labels: Labels): number } {
  const byValues = new Map<string, { total: number }>();
  // Who counts often has its labels made once: they are read once, too.
  const byLabels = new WeakMap<Labels, { total: number }>();
  const find = (labels: Labels): { total: number } => {
    const values = labelNames.map((name) => labels[name] ?? "").join("\n");
    const series = byValues.get(values) ?? { total: 0 };
    byValues.set(values, series);
    byLabels.set(labels, series);
    return series;
  };
  return {
    add(labels: Labels = NO_LABELS, amount = 1) {
      (byLabels.get(labels) ?? find(labels)).total += amount;
    },
    totalOf: (labels) => find(labels).total,
  };
}

const NO_LABELS: Labels = Object.freeze({});
