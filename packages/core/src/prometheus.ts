import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { invalidOption } from "./problem/errors.js";
import type {
  Counter as CounterPort,
  Gauge as GaugePort,
  Histogram as HistogramPort,
  Labels,
  MetricDefinition,
  Metrics,
} from "./runtime/metrics.js";

/** Where the metrics go. */
export interface PrometheusMetricsOptions {
  /** The registry that `/metrics` prints. */
  readonly registry: Registry;
  /** Put before every name. Default `portcullis_`. */
  readonly prefix?: string;
}

const DEFAULT_PREFIX = "portcullis_";
const PREFIX_PATTERN = /^(?:[a-zA-Z_:][a-zA-Z0-9_:]*)?$/;

/**
 * Backs the metrics port with prom-client.
 *
 * @throws {ConfigurationError} `invalid_option`: the prefix is not a metric name's beginning.
 * @example
 * ```ts
 * import { prometheusMetrics } from "@portcullis/core/prometheus";
 * import { Registry } from "prom-client";
 *
 * const registry = new Registry();
 * const metrics = prometheusMetrics({ registry });
 * metrics.counter({ name: "greetings_total", help: "Greetings" }).add();
 * console.log((await registry.metrics()).includes("portcullis_greetings_total 1")); // true
 * ```
 */
export function prometheusMetrics(options: PrometheusMetricsOptions): Metrics {
  const { registry, prefix = DEFAULT_PREFIX } = options;
  if (!PREFIX_PATTERN.test(prefix)) throw invalidOption("prefix", prefix, "the beginning of a Prometheus metric name");
  const counters = new Map<string, CounterPort>();
  const gauges = new Map<string, GaugePort>();
  const histograms = new Map<string, HistogramPort>();
  const handOvers: (() => void)[] = [];
  const describe = ({ name, help, labelNames = [] }: MetricDefinition) => ({
    name: `${prefix}${name}`,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    // prom-client asks each metric right before it reads it; what was handed over for another is nothing by then.
    collect: () => {
      for (const handOver of handOvers) handOver();
    },
  });
  return Object.freeze({
    onCollect: (handOver: () => void) => void handOvers.push(handOver),
    counter: (definition: MetricDefinition) =>
      once(counters, definition.name, () => {
        const counter = new Counter(describe(definition));
        return { add: (labels: Labels = {}, amount = 1) => counter.inc(labels, amount) };
      }),
    gauge: (definition: MetricDefinition) =>
      once(gauges, definition.name, () => {
        const gauge = new Gauge(describe(definition));
        return { set: (value: number, labels: Labels = {}) => gauge.set(labels, value) };
      }),
    histogram: (definition: MetricDefinition & { readonly buckets?: readonly number[] }) =>
      once(histograms, definition.name, () => {
        const { buckets } = definition;
        const histogram = new Histogram({
          ...describe(definition),
          ...(buckets === undefined ? {} : { buckets: [...buckets] }),
        });
        return {
          observe: (value: number, labels: Labels = {}) => histogram.observe(labels, value),
        };
      }),
  });
}

// Two packages, or two instances of one, may ask for the same metric; prom-client refuses to register it twice.
function once<M>(made: Map<string, M>, name: string, make: () => M): M {
  const existing = made.get(name);
  if (existing !== undefined) return existing;
  const metric = make();
  made.set(name, metric);
  return metric;
}
