// From measurements to figures, verdicts and a page.
import { ratioOf, type Series } from "../harness/measure.js";
import type { Circumstances } from "../harness/results.js";
import { speedTable } from "../harness/speed-table.js";
import { median, quantile } from "../harness/statistics.js";
import { atLeast, atMost, type Verdict, verdictTable } from "../harness/verdict.js";
import type { CompileTimes } from "./large-policy.js";
import type { MetricsKind } from "./metrics.js";
import { CHECK, FLOOR, GUARD, PREPARED } from "./ours.js";
import { ACCESSCONTROL, CASL_CACHED, CASL_PER_REQUEST } from "./peers.js";
import type { Size } from "./questions.js";

/** Everything that was measured. */
export interface Findings {
  readonly populations: readonly OfSize[];
  /** Of the bar's population. */
  readonly metrics: readonly { readonly metrics: MetricsKind; readonly checks: readonly Series[] }[];
  readonly strangers: readonly Series[];
  readonly slowPeers: readonly Series[];
  readonly casbin: readonly Series[];
  /** Each in a fresh process. */
  readonly compiles: readonly CompileTimes[];
  readonly policyMegabytes: number;
}

/** What was measured with one population. */
export interface OfSize {
  readonly size: Size;
  readonly checks: readonly Series[];
  readonly guards: readonly Series[];
  readonly peers: readonly Series[];
}

/** The population that the bars are about. */
export const BAR_SIZE: Size = { users: 1_000, roleSets: 100 };

export function verdictsOf({ populations, slowPeers, compiles }: Findings): readonly Verdict[] {
  const { checks, guards, peers } = atBar(populations);
  return [
    atMost("full check, counted: over the compiled lookup, times", ratioOf(checks, CHECK, FLOOR), 6),
    atMost("prepared check, counted: over the compiled lookup, times", ratioOf(checks, PREPARED, FLOOR), 5),
    atMost("guard that allows, counted: over the compiled lookup, times", ratioOf(guards, GUARD, FLOOR), 5),
    atLeast("full check: faster than CASL with the ability at hand, times", ratioOf(peers, CASL_CACHED, CHECK), 1.5),
    atLeast("full check: faster than accesscontrol, times", ratioOf(slowPeers, ACCESSCONTROL, CHECK), 30),
    atLeast("full check: faster than CASL with the ability built for the question, times", ratioOf(slowPeers, CASL_PER_REQUEST, CHECK), 80),
    // CPU of all threads, those that collect and compile beside it included; by the clock it is less, see the table.
    atMost("1,000 roles over 10,000 permissions: ms to compile, cold", median(compiles.map(({ coldMs }) => coldMs)), 20),
  ];
}

export function reportOf(where: Circumstances, rounds: number, findings: Findings): string {
  const { populations, metrics, strangers, slowPeers, casbin, compiles, policyMegabytes } = findings;
  return [
    "# What a decision costs",
    "",
    `${where.date}, Node ${where.node}, ${where.cores} × ${where.cpu}, load average ${where.loadAverage} when the run began. Measured as built: our packages bundled`,
    `to plain JavaScript from their sources. Medians of ${rounds} interleaved rounds, the middle half of them behind; CPU per decision.`,
    "What is compared, and what is not, stands in [README.md](../README.md#roles).",
    "",
    "## Verdicts",
    "",
    `With ${described(BAR_SIZE)}.`,
    "",
    ...verdictTable(verdictsOf(findings)),
    "",
    "## Against the compiled lookup",
    "",
    "Half of the answers are no, except where only guards that allow are asked.",
    "",
    ...populations.flatMap(({ size, checks, guards }) => [
      `${described(size)}:`,
      "",
      ...speedTable(checks, FLOOR, "times the lookup", "each over base"),
      "",
      "The same, of questions that are allowed:",
      "",
      ...speedTable(guards, FLOOR, "times the lookup", "each over base"),
      "",
    ]),
    `Of principals just made, ${described(BAR_SIZE)}:`,
    "",
    ...speedTable(strangers, FLOOR, "times the lookup", "each over base"),
    "",
    "## Against libraries",
    "",
    ...populations.flatMap(({ size, peers }) => [
      `${described(size)}:`,
      "",
      ...speedTable(peers, CHECK, "times our check", "each over base"),
      "",
    ]),
    `The slower ones, ${described(BAR_SIZE)}:`,
    "",
    ...speedTable(slowPeers, CHECK, "times our check", "each over base"),
    "",
    ...speedTable(casbin, CHECK, "times our check", "each over base"),
    "",
    "## By what counts the checks",
    "",
    "Above, a backend that wants every count at once. Here nothing counts (none), or prom-client, which has the counts handed over when it is read.",
    "",
    ...metrics.flatMap(({ metrics: kind, checks }) => [
      `${kind}:`,
      "",
      ...speedTable(checks, FLOOR, "times the lookup", "each over base"),
      "",
    ]),
    "## A large policy",
    "",
    "1,000 roles, each with up to two juniors, eleven grants and a denial, over 10,000 permissions; each compiled in a fresh process, then 20 times more.",
    "",
    "| | CPU ms | middle half |",
    "| --- | ---: | ---: |",
    compileRow("cold", compiles, ({ coldMs }) => coldMs),
    compileRow("cold, by the clock", compiles, ({ coldClockMs }) => coldClockMs),
    compileRow("warm", compiles, ({ warmMs }) => warmMs),
    "",
    `It holds ${policyMegabytes.toFixed(1)} MB beside its definition.`,
    "",
  ].join("\n");
}

function atBar(populations: readonly OfSize[]): OfSize {
  const found = populations.find(({ size }) => size.users === BAR_SIZE.users && size.roleSets === BAR_SIZE.roleSets);
  if (found === undefined) throw new RangeError(`Nothing was measured with ${described(BAR_SIZE)}.`);
  return found;
}

function described({ users, roleSets }: Size): string {
  return `${users.toLocaleString("en")} users with ${roleSets.toLocaleString("en")} sets of roles`;
}

function compileRow(name: string, compiles: readonly CompileTimes[], timeOf: (times: CompileTimes) => number): string {
  const times = compiles.map(timeOf);
  return `| ${name} | ${median(times).toFixed(1)} | ${quantile(times, 0.25).toFixed(1)} to ${quantile(times, 0.75).toFixed(1)} |`;
}
