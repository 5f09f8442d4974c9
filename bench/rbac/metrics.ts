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

interface Series {
  total: number;
  readonly by: Map<string, Series>;
}

/** Also says what it has counted. */
export function createCounter(labelNames: readonly string[]): Counter & { totalOf(labels: Labels): number } {
  const root: Series = { total: 0, by: new Map() };
  return {
    add(labels: Labels = {}, amount = 1) {
      let series = root;
      for (let index = 0; index < labelNames.length; index += 1) {
        const value = labels[labelNames[index] as string] ?? ""; // below the length
        let next = series.by.get(value);
        if (next === undefined) series.by.set(value, (next = { total: 0, by: new Map() }));
        series = next;
      }
      series.total += amount;
    },
    totalOf: (labels) => labelNames.reduce<Series | undefined>((series, name) => series?.by.get(labels[name] ?? ""), root)?.total ?? 0,
  };
}
