// From measurements to figures, verdicts and a page.
import { figureOf, ratioOf, type Series } from "../harness/measure.js";
import type { Circumstances } from "../harness/results.js";
import { speedTable } from "../harness/speed-table.js";
import { atLeast, atMost, type Verdict, verdictTable } from "../harness/verdict.js";
import type { Footprint } from "./footprint.js";
import type { Latency } from "./me-latency.js";
import { FAST_JWT_CACHED, OURS, OURS_CACHED, RAW } from "./verifiers.js";

/** Everything that was measured. */
export interface Findings {
  readonly unknown: readonly Series[];
  readonly known: readonly OfCallers[];
  readonly sessions: readonly Series[];
  readonly footprint: Footprint;
  readonly latencies: readonly Latency[];
}

/** With so many callers, each of whom was seen before. */
export interface OfCallers {
  readonly callers: number;
  readonly series: readonly Series[];
}

/** What the bars are about. */
export const BAR_CALLERS = 1_000;
export const BAR_LOGINS = 32;

export function verdictsOf({ unknown, known, latencies }: Findings): readonly Verdict[] {
  const atBar = found(known, ({ callers }) => callers === BAR_CALLERS, `${BAR_CALLERS} callers`).series;
  const busy = found(latencies, ({ logins }) => logins === BAR_LOGINS, `${BAR_LOGINS} logins`);
  return [
    atLeast("token not seen before, whole check: speed of raw verification", ratioOf(unknown, RAW, OURS), 0.9),
    atLeast("remembered token, whole check: times as fast as raw verification", ratioOf(atBar, RAW, OURS_CACHED), 5),
    atLeast("remembered token, whole check: times as fast as fast-jwt's cache", ratioOf(atBar, FAST_JWT_CACHED, OURS_CACHED), 2.5),
    atMost(`GET /auth/me while ${BAR_LOGINS} logins hash: p99, ms`, busy.p99, 20),
  ];
}

export function reportOf(where: Circumstances, rounds: number, findings: Findings): string {
  const { unknown, known, sessions, footprint, latencies } = findings;
  return [
    "# What authentication costs",
    "",
    `${where.date}, Node ${where.node}, ${where.cores} × ${where.cpu}, load average ${where.loadAverage} when the run began. Measured as built: our packages bundled`,
    `to plain JavaScript from their sources. Medians of ${rounds} interleaved rounds, the middle half of them behind; CPU per operation.`,
    "What is compared, and what is not, stands in [README.md](../README.md#authentication).",
    "",
    "## Verdicts",
    "",
    `Remembered tokens: of ${BAR_CALLERS.toLocaleString("en")} callers.`,
    "",
    ...verdictTable(verdictsOf(findings)),
    "",
    "## A token not seen before",
    "",
    ...speedTable(unknown, RAW, "speed of raw", "base over each"),
    "",
    "## A token that is remembered",
    "",
    ...known.flatMap(({ callers, series }) => [
      `${callers.toLocaleString("en")} callers:`,
      "",
      ...speedTable(series, RAW, "speed of raw", "base over each"),
      "",
    ]),
    "## Sessions",
    "",
    "On the memory store, without the hash of a password.",
    "",
    "| | CPU µs | middle half | per second of CPU |",
    "| --- | ---: | ---: | ---: |",
    ...sessions.map(figureOf).map(({ name, nanos, from, to }) => {
      const [each, least, most] = [nanos, from, to].map((value) => (value / 1000).toFixed(1));
      return `| ${name} | ${each} | ${least} to ${most} | ${(1e9 / nanos).toFixed(0)} |`;
    }),
    "",
    "## Latency of `GET /auth/me`",
    "",
    "Ms over HTTP, from when a call was due; 200 calls a second from another process, while so many logins are under way.",
    "",
    "| logins under way | p50 | p99 | longest | calls | logins per second |",
    "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ...latencies.map(
      ({ logins, p50, p99, max, calls, loginsPerSecond }) =>
        `| ${logins} | ${p50} | ${p99} | ${max} | ${calls} | ${loginsPerSecond.toFixed(1)} |`,
    ),
    "",
    "## Memory",
    "",
    `A session in the memory store holds ${footprint.session.toFixed(0)} bytes. A remembered token holds ${footprint.token.toFixed(0)} bytes, its text of`,
    `${footprint.tokenCharacters} characters included.`,
    "",
  ].join("\n");
}

function found<One>(all: readonly One[], isMeant: (one: One) => boolean, what: string): One {
  const one = all.find(isMeant);
  if (one === undefined) throw new RangeError(`Nothing was measured with ${what}.`);
  return one;
}
