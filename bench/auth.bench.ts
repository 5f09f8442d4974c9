// Question: what does it cost to know who is calling, against the least that verifying a token could cost and against the libraries that
// people use; does a call wait while passwords are hashed; what do sessions and remembered tokens hold?
// Stated bars: those of the table "Verdicts".
//
//   npm run bench -- auth [quick]
//
// Every question has a process of its own; within it all that are compared take short turns in CPU time of the process.
import { type Footprint } from "./auth/footprint.js";
import { type Latency, measureLatency } from "./auth/me-latency.js";
import { BAR_CALLERS, BAR_LOGINS, type Findings, type OfCallers, reportOf, verdictsOf } from "./auth/report.js";
import type { Question } from "./auth/worker.js";
import { askProcess } from "./harness/ask-process.js";
import { buildServer } from "./harness/build-server.js";
import { figureOf, type Series } from "./harness/measure.js";
import { circumstances, writeResults } from "./harness/results.js";

const isQuick = process.argv.includes("quick");
const AMOUNT = isQuick ? { rounds: 5, warmUpMs: 300, seconds: 3 } : { rounds: 41, warmUpMs: 1_000, seconds: 20 };
const extentOf = (decisions: number) => ({ rounds: AMOUNT.rounds, warmUpMs: AMOUNT.warmUpMs, decisions });
/** The last is more than the processor's caches hold. */
const CALLERS = [1, 100, BAR_CALLERS, 10_000];
const FOOTPRINT_OF = 20_000;

const where = circumstances();
const worker = await buildServer(new URL("auth/worker.ts", import.meta.url));
const server = await buildServer(new URL("auth/me-server.ts", import.meta.url));
const findings = await findAll();
const figures = {
  ...findings,
  unknown: findings.unknown.map(figureOf),
  known: findings.known.map(({ callers, series }) => ({ callers, series: series.map(figureOf) })),
  sessions: findings.sessions.map(figureOf),
};
writeResults("auth", { ...where, ...AMOUNT, verdicts: verdictsOf(findings), figures }, reportOf(where, AMOUNT.rounds, findings));

async function findAll(): Promise<Findings> {
  const unknown = await answerOf<readonly Series[]>({ ask: "unknown tokens", callers: BAR_CALLERS, extent: extentOf(4_096) });
  const known: OfCallers[] = [];
  for (const callers of CALLERS) {
    known.push({ callers, series: await answerOf<readonly Series[]>({ ask: "known tokens", callers, extent: extentOf(16_384) }) });
  }
  const sessions = await answerOf<readonly Series[]>({ ask: "sessions", extent: extentOf(1_000) });
  const footprint = await answerOf<Footprint>({ ask: "footprint", count: FOOTPRINT_OF });
  const latencies: Latency[] = [];
  for (const logins of [0, BAR_LOGINS]) latencies.push(await measureLatency(server, { logins, seconds: AMOUNT.seconds }));
  return { unknown, known, sessions, footprint, latencies };
}

function answerOf<Answer>(question: Question): Promise<Answer> {
  return askProcess<Answer>(worker, question);
}
