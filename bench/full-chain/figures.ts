// From samples to figures.
import { hundredths, median, quantile } from "../harness/statistics.js";
import type { Configuration } from "./configurations.js";
import type { Workload } from "./workloads.js";

/** CPU µs per request of one configuration under one workload, one for each round. */
export interface Series {
  readonly framework: string;
  readonly workload: Workload;
  readonly configuration: Configuration;
  readonly micros: number[];
}

/** The figure of one configuration under one workload. */
export interface Figure {
  readonly framework: string;
  readonly workload: string;
  readonly configuration: string;
  readonly kind: Configuration["kind"];
  readonly logs: boolean;
  /** CPU µs per request, median over the rounds. */
  readonly micros: number;
  /** What it adds to the bare framework: median of the differences within each round, and the middle half of them. */
  readonly addedMicros: number;
  readonly addedFrom: number;
  readonly addedTo: number;
}

/** Ours against the cheapest popular composition of one framework under one workload. */
export interface Comparison {
  readonly framework: string;
  readonly workload: string;
  readonly logs: boolean;
  readonly oursMicros: number;
  readonly popularMicros: number;
  readonly popular: string;
  /** Ours / popular. */
  readonly ratio: number;
  readonly holds: boolean;
}

/** The most that the chain may add, as a share of what the best popular composition adds. */
export const RATIO_BAR = 0.5;

export function figuresOf(series: readonly Series[]): readonly Figure[] {
  return series.map(({ framework, workload, configuration, micros }) => {
    const bare = series.find(
      (other) => other.framework === framework && other.workload === workload && other.configuration.kind === "bare",
    )?.micros;
    const added = micros.map((value, round) => value - (bare?.[round] ?? Number.NaN));
    return {
      framework,
      workload: workload.name,
      configuration: configuration.name,
      kind: configuration.kind,
      logs: configuration.logs,
      micros: hundredths(median(micros)),
      addedMicros: hundredths(median(added)),
      addedFrom: hundredths(quantile(added, 0.25)),
      addedTo: hundredths(quantile(added, 0.75)),
    };
  });
}

export function comparisonsOf(figures: readonly Figure[]): readonly Comparison[] {
  return figures
    .filter(({ kind }) => kind === "chain")
    .flatMap(({ framework, workload, logs, addedMicros }) => {
      const rivals = figures.filter(
        (other) => other.kind === "popular" && other.framework === framework && other.workload === workload && other.logs === logs,
      );
      const [best] = rivals.sort((one, other) => one.addedMicros - other.addedMicros);
      if (best === undefined) return [];
      const ratio = addedMicros / best.addedMicros;
      return [
        {
          framework,
          workload,
          logs,
          oursMicros: addedMicros,
          popularMicros: best.addedMicros,
          popular: best.configuration,
          ratio: hundredths(ratio),
          holds: ratio <= RATIO_BAR,
        },
      ];
    });
}
