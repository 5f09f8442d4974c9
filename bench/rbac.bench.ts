// Question: what does a decision about a permission cost, against the least that a decision could cost and against the libraries
// that people use; and what does a large policy cost to compile and to hold?
// Stated bars: those of the table "Verdicts".
//
//   npm run bench -- rbac [quick]
//
// Every question has a process of its own; within it all that are compared take short turns in CPU time of the process.
import { askProcess } from "./harness/ask-process.js";
import { buildServer } from "./harness/build-server.js";
import { figureOf, type Series } from "./harness/measure.js";
import { circumstances, writeResults } from "./harness/results.js";
import type { CompileTimes } from "./rbac/large-policy.js";
import type { MetricsKind } from "./rbac/metrics.js";
import { QUESTIONS, type Size } from "./rbac/questions.js";
import { BAR_SIZE, type Findings, type OfSize, reportOf, verdictsOf } from "./rbac/report.js";
import type { Question } from "./rbac/worker.js";

const isQuick = process.argv.includes("quick");
const AMOUNT = isQuick ? { rounds: 5, compiles: 5, warmUpMs: 300 } : { rounds: 41, compiles: 21, warmUpMs: 1_000 };
const EXTENT = { rounds: AMOUNT.rounds, decisions: QUESTIONS, warmUpMs: AMOUNT.warmUpMs };
/** A backend that wants every count at once: prom-client, which has them handed over when it is read, costs less. */
const COUNTED_BY: MetricsKind = "counting";
// The last has more sets of roles, and in more orders, than are remembered.
const SIZES: readonly Size[] = [
  { users: 1_000, roleSets: 10 },
  BAR_SIZE,
  { users: 1_000, roleSets: 1_000 },
  { users: 10_000, roleSets: 5_000 },
];

const where = circumstances();
const file = await buildServer(new URL("rbac/worker.ts", import.meta.url));
const findings = await findAll();
const figures = {
  ...findings,
  populations: findings.populations.map(({ size, checks, guards, peers }) => ({
    size,
    checks: checks.map(figureOf),
    guards: guards.map(figureOf),
    peers: peers.map(figureOf),
  })),
  metrics: findings.metrics.map(({ metrics, checks }) => ({ metrics, checks: checks.map(figureOf) })),
  strangers: findings.strangers.map(figureOf),
  slowPeers: findings.slowPeers.map(figureOf),
  casbin: findings.casbin.map(figureOf),
};
writeResults("rbac", { ...where, ...AMOUNT, verdicts: verdictsOf(findings), figures }, reportOf(where, AMOUNT.rounds, findings));

async function findAll(): Promise<Findings> {
  const populations: OfSize[] = [];
  for (const size of SIZES) {
    const [checks, guards, peers] = [await speeds("checks", size), await speeds("guards", size), await speeds("peers", size)];
    populations.push({ size, checks, guards, peers });
  }
  const metrics: { metrics: MetricsKind; checks: readonly Series[] }[] = [];
  for (const kind of ["none", "prom-client"] as const) metrics.push({ metrics: kind, checks: await speeds("checks", BAR_SIZE, kind) });
  const strangers = await speeds("strangers", BAR_SIZE);
  const slowPeers = await speeds("slow peers", BAR_SIZE);
  // It takes a thousand times as long: fewer decisions in a turn.
  const casbin = await speeds("casbin", BAR_SIZE, COUNTED_BY, { ...EXTENT, decisions: QUESTIONS / 16 });
  const compiles: CompileTimes[] = [];
  for (let time = 0; time < AMOUNT.compiles; time += 1) compiles.push(await answerOf<CompileTimes>({ ask: "compile" }));
  return { populations, metrics, strangers, slowPeers, casbin, compiles, policyMegabytes: await answerOf<number>({ ask: "footprint" }) };
}

function speeds(
  ask: "checks" | "strangers" | "guards" | "peers" | "slow peers" | "casbin",
  size: Size,
  metrics: MetricsKind = COUNTED_BY,
  extent = EXTENT,
): Promise<readonly Series[]> {
  return answerOf<readonly Series[]>({ ask, size, metrics, extent });
}

function answerOf<Answer>(question: Question): Promise<Answer> {
  return askProcess<Answer>(file, question);
}
