// From measurements to figures, verdicts and a page.
import type { Circumstances } from "../harness/results.js";
import { speedTable } from "../harness/speed-table.js";
import { atLeast, atMost, type Verdict, verdictTable } from "../harness/verdict.js";
import { type Admission, OUR_BUCKET, OUR_WINDOW } from "./admitted.js";
import { FLEXIBLE_BLOCK, KNOWN_DENIAL } from "./denial-speed.js";
import { type GuardFigure, OUR_GUARDS } from "./guards.js";
import { ratioOf, type Series, seriesOf } from "../harness/measure.js";
import { FLOOR, OURS, UNION } from "./memory-speed.js";
import { LEASED, type RedisFigure } from "./redis-speed.js";

/** Everything that was measured. */
export interface Findings {
  readonly oneLimit: readonly OfSubjects[];
  readonly threeHolders: readonly OfSubjects[];
  readonly threeLimits: readonly OfSubjects[];
  readonly redis: readonly RedisFigure[];
  readonly denials: readonly Series[];
  readonly footprints: readonly { readonly name: string; readonly megabytes: number }[];
  readonly redisFootprints: readonly { readonly name: string; readonly megabytes: number }[];
  readonly redisFootprintSubjects: number;
  readonly admissions: readonly Admission[];
  readonly guards: readonly GuardFigure[];
}

/** What was measured with so many subjects. */
export interface OfSubjects {
  readonly subjects: number;
  readonly series: readonly Series[];
}

/** How much was measured. */
export interface Amount {
  readonly rounds: number;
  readonly redisRounds: number;
  readonly redisDecisions: number;
}

/** The subjects of the figures that the bars on memory are about. */
export const BAR_SUBJECTS = 100_000;

export function verdictsOf(findings: Findings): readonly Verdict[] {
  const { oneLimit, threeHolders, threeLimits, redis, denials, footprints, redisFootprints, admissions, guards } = findings;
  const leased = seriesOf(redis, LEASED);
  const worst = (name: string): number => Math.max(...admissions.filter((one) => one.name === name).map(({ ratio }) => ratio));
  return [
    atLeast("memory, one limit, 100,000 subjects: throughput over that of a bare Map", ratioOf(atBar(oneLimit), FLOOR, OURS), 0.35),
    atLeast(
      "memory, three limits of three holders: faster than rate-limiter-flexible's union, times",
      ratioOf(atBar(threeHolders), UNION, OURS),
      15,
    ),
    atLeast(
      "memory, three limits of one holder: faster than rate-limiter-flexible's union, times",
      ratioOf(atBar(threeLimits), UNION, OURS),
      15,
    ),
    atMost("Redis, three limits and a lease: round trips per decision", leased.roundTrips, 1),
    atMost("Redis, three limits and a lease: CPU of Redis, of the union's", leased.redisRatio, 0.75),
    atMost("Redis, three limits and a lease: CPU of Node, of the union's", leased.nodeRatio, 0.55),
    atLeast(
      "a refusal known here: faster than rate-limiter-flexible's in-memory block, times",
      ratioOf(denials, FLEXIBLE_BLOCK, KNOWN_DENIAL),
      3,
    ),
    atMost("a million subjects in the process, one limit each: MB", seriesOf(footprints, OURS).megabytes, 90),
    atMost("a million subjects in Redis, three limits each: MB", seriesOf(redisFootprints, OURS).megabytes, 165),
    atMost("admitted in the worst window over what was promised: bucket", worst(OUR_BUCKET), 1),
    atMost("admitted in the worst window over what was promised: window", worst(OUR_WINDOW), 1.9),
    atMost("guards on memory: p99 added, µs", seriesOf(guards, OUR_GUARDS).addedP99Micros, 50),
  ];
}

export function reportOf(where: Circumstances, { rounds, redisRounds, redisDecisions }: Amount, findings: Findings): string {
  const { oneLimit, threeHolders, threeLimits, redis, denials, footprints, redisFootprints, redisFootprintSubjects, admissions, guards } =
    findings;
  return [
    "# What limits cost",
    "",
    `${where.date}, Node ${where.node}, ${where.cores} × ${where.cpu}, load average ${where.loadAverage} when the run began. Measured as built: our packages bundled`,
    `to plain JavaScript from their sources. Medians of ${rounds} interleaved rounds (Redis: ${redisRounds} of ${redisDecisions} decisions), the middle half of them behind.`,
    "What is compared, and what is not, stands in [README.md](../README.md#rate-limit).",
    "",
    "## Verdicts",
    "",
    ...verdictTable(verdictsOf(findings)),
    "",
    "## Memory: one limit",
    "",
    "CPU per decision, one after the other.",
    "",
    ...speedTables(oneLimit, FLOOR, "throughput, of the Map's"),
    "## Memory: three limits",
    "",
    "Of the subject, its organisation and the service:",
    "",
    ...speedTables(threeHolders, UNION, "throughput, of the union's"),
    "Of the subject, and two of an operation (a bucket and a window):",
    "",
    ...speedTables(threeLimits, UNION, "throughput, of the union's"),
    "## Redis",
    "",
    "CPU per decision, 50 decisions at a time on one connection, 1,000 subjects; ratios to the union. `sent` is round trips per decision.",
    "",
    "| | sent | Redis CPU µs | ratio | Node CPU µs | ratio | p50 ms | p99 ms | commands on the server |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ...redis.map(
      (one) =>
        `| ${one.name} | ${one.roundTrips} | ${one.redisMicros.toFixed(1)} | ${one.redisRatio.toFixed(2)} | ${one.nodeMicros.toFixed(1)} | ${one.nodeRatio.toFixed(2)} | ${one.p50Millis.toFixed(2)} | ${one.p99Millis.toFixed(2)} | ${commandsText(one)} |`,
    ),
    "",
    "## A refusal known in this process",
    "",
    ...speedTable(denials, FLEXIBLE_BLOCK, "throughput, of the block's", "base over each"),
    "",
    "## Memory held by a million subjects",
    "",
    "MB of a process with one limit each, ids included:",
    "",
    ...sizeTable(footprints),
    "",
    `MB of Redis with three limits each (measured on ${redisFootprintSubjects.toLocaleString("en")}, scaled):`,
    "",
    ...sizeTable(redisFootprints),
    "",
    "## Admitted when somebody tries",
    "",
    "Simulated time: the most that any window admitted, over what was promised for it (the limit; of our bucket, its capacity and what comes back meanwhile).",
    "",
    ...admissionTable(admissions),
    "",
    "## Added to a request, in memory",
    "",
    "Called directly, without a socket, each call by the clock; the limit against the same without it.",
    "",
    "| | bare p50 µs | p50 µs | bare p99 µs | p99 µs | p99 added µs |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
    ...guards.map(
      ({ name, ...one }) =>
        `| ${name} | ${one.bareP50Micros.toFixed(1)} | ${one.p50Micros.toFixed(1)} | ${one.bareP99Micros.toFixed(1)} | ${one.p99Micros.toFixed(1)} | ${one.addedP99Micros.toFixed(1)} |`,
    ),
    "",
  ].join("\n");
}

function atBar(measured: readonly OfSubjects[]): readonly Series[] {
  const found = measured.find(({ subjects }) => subjects === BAR_SUBJECTS);
  if (found === undefined) throw new RangeError(`Nothing was measured with ${BAR_SUBJECTS} subjects.`);
  return found.series;
}

function speedTables(measured: readonly OfSubjects[], base: string, title: string): readonly string[] {
  return measured.flatMap(({ subjects, series }) => [
    `${subjects.toLocaleString("en")} ${subjects === 1 ? "subject" : "subjects"}:`,
    "",
    ...speedTable(series, base, title, "base over each"),
    "",
  ]);
}

function sizeTable(sizes: readonly { readonly name: string; readonly megabytes: number }[]): readonly string[] {
  return ["| | MB |", "| --- | ---: |", ...sizes.map(({ name, megabytes }) => `| ${name} | ${megabytes.toFixed(1)} |`)];
}

function admissionTable(admissions: readonly Admission[]): readonly string[] {
  const arrivals = [...new Set(admissions.map((one) => one.arrivals))];
  const names = [...new Set(admissions.map(({ name }) => name))];
  const ratio = (name: string, at: string): string =>
    admissions.find((one) => one.name === name && one.arrivals === at)?.ratio.toFixed(2) ?? "";
  return [
    `| | ${arrivals.join(" | ")} |`,
    `| --- |${arrivals.map(() => " ---: |").join("")}`,
    ...names.map((name) => `| ${name} | ${arrivals.map((at) => ratio(name, at)).join(" | ")} |`),
  ];
}

function commandsText({ commands }: RedisFigure): string {
  return Object.entries(commands)
    .map(([name, calls]) => `${calls} ${name}`)
    .join(", ");
}
