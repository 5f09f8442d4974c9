import type { Counter, Metrics } from "@portcullis/core";

/** Sums per metric and labels, to look at. */
export function countingMetrics(): { readonly metrics: Metrics; readonly counts: Map<string, number> } {
  const counts = new Map<string, number>();
  const counter = (name: string): Counter => ({
    add: (labels = {}, amount = 1) => {
      const key = [name, ...Object.values(labels)].join(" ");
      counts.set(key, (counts.get(key) ?? 0) + amount);
    },
  });
  const metrics: Metrics = {
    counter: ({ name }) => counter(name),
    gauge: ({ name }) => ({ set: (value) => void counts.set(name, value) }),
    histogram: ({ name }) => ({ observe: () => counter(name).add() }),
  };
  return { metrics, counts };
}
