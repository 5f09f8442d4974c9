import { existsSync } from "node:fs";
import type { Circumstances } from "../harness/results.js";
import { type Comparison, type Figure, RATIO_BAR } from "./figures.js";

/** How much was measured. */
export interface Extent {
  readonly rounds: number;
  readonly requests: number;
  readonly connections: number;
  readonly warmUpRequests: number;
}

/** The result as a page. */
export function reportOf(where: Circumstances, extent: Extent, figures: readonly Figure[], comparisons: readonly Comparison[]): string {
  const { rounds, requests, connections, warmUpRequests } = extent;
  const failed = comparisons.filter(({ holds }) => !holds).length;
  return [
    "# What the whole chain costs",
    "",
    `CPU µs per request of the server process. ${where.date}, Node ${where.node}, ${where.cores} × ${where.cpu}, load average ${where.loadAverage} when the run began.`,
    `${rounds} interleaved rounds, ${requests} requests over ${connections} keep-alive connections in each turn; each process was asked ${warmUpRequests} times before.`,
    "What is compared, and what is not, stands in [README.md](../README.md#full-chain).",
    "",
    "## Verdicts",
    "",
    `- The chain on memory stores adds at most half of what the best popular composition adds: **${failed === 0 ? "holds" : `fails in ${failed} of ${comparisons.length}`}**.`,
    `- The contract itself costs at most 3 µs for a synchronous allow: ${contractVerdict()}`,
    "",
    "| framework | requests | log | ours adds | best popular adds | ratio | at most a half |",
    "| --- | --- | --- | ---: | ---: | ---: | --- |",
    ...comparisons.map(
      ({ framework, workload, logs, oursMicros, popularMicros, ratio, holds }) =>
        `| ${framework} | ${workload} | ${logs ? "yes" : "no"} | ${micros(oursMicros)} | ${micros(popularMicros)} | ${ratio.toFixed(2)} | ${holds ? "holds" : "**fails**"} |`,
    ),
    "",
    `Ratio of the added µs; the bar is ${RATIO_BAR}. Where there are several popular compositions, the cheapest counts.`,
    "",
    "## Whole chains",
    "",
    "| framework | requests | configuration | CPU µs | added | middle half of the rounds |",
    "| --- | --- | --- | ---: | ---: | ---: |",
    ...figures.filter(({ kind }) => kind !== "guard").map((figure) => rowOf(figure, figure.workload)),
    "",
    "## Guards alone",
    "",
    "One caller, GET. Each is mounted alone, so each carries the cost of being mounted and, if it adds fields, of the first write of headers; the sum is more than the chain.",
    "`stub principal` puts a made-up caller where the guards after it expect one.",
    "",
    "| framework | guard | CPU µs | added | middle half of the rounds |",
    "| --- | --- | ---: | ---: | ---: |",
    ...figures.filter(({ kind }) => kind === "guard").map((figure) => rowOf(figure)),
    "",
  ].join("\n");
}

function rowOf({ framework, configuration, micros: total, kind, addedMicros, addedFrom, addedTo }: Figure, workload?: string): string {
  const added = kind === "bare" ? " | " : `${micros(addedMicros)} | ${micros(addedFrom)} to ${micros(addedTo)}`;
  return `| ${framework} | ${workload === undefined ? "" : `${workload} | `}${configuration} | ${micros(total)} | ${added} |`;
}

function micros(value: number): string {
  return value.toFixed(1);
}

function contractVerdict(): string {
  const present = existsSync(new URL("../results/contract-cost.json", import.meta.url));
  return present ? "see [contract-cost.md](contract-cost.md)." : "measured by `contract-cost.bench.ts`.";
}
