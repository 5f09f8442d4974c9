/** Label values of one series. Values come from bounded sets: never a user id, a path or a key. */
export type Labels = Readonly<Record<string, string>>;

/** What a metric is. The name has no prefix: the backend adds it (default `portcullis_`). */
export interface MetricDefinition {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
}

/** A count that only grows. */
export interface Counter {
  add(labels?: Labels, amount?: number): void;
}
/** A value that moves. */
export interface Gauge {
  set(value: number, labels?: Labels): void;
}
/** A distribution; seconds or bytes. */
export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

/** Where packages report numbers. `@portcullis/core/prometheus` backs it with prom-client. Asking twice for one name gives the same metric. */
export interface Metrics {
  counter(definition: MetricDefinition): Counter;
  gauge(definition: MetricDefinition): Gauge;
  histogram(definition: MetricDefinition & { readonly buckets?: readonly number[] }): Histogram;
  /**
   * Where numbers are read from time to time: has `handOver` called before each reading. Whoever counts millions of times between two
   * readings counts in a field of its own and hands the sum over then. Absent: every number is wanted at once.
   */
  readonly onCollect?: (handOver: () => void) => void;
}

const SILENT = Object.freeze({ add: () => {}, set: () => {}, observe: () => {} });

/** Keeps nothing: the default. */
export const noMetrics: Metrics = Object.freeze({
  counter: () => SILENT,
  gauge: () => SILENT,
  histogram: () => SILENT,
});
