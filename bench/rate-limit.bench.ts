// Question: what does a decision about a limit cost, in memory and on Redis, against the libraries that people use instead and
// against the least that anything could cost; what do a million subjects hold; and do the limits hold?
// Stated bars: those of the table "Verdicts".
//
//   npm run bench -- rate-limit [quick]
//
// Every question has a process of its own; within it all that are compared take short turns in CPU time of the process.
import { startRedis } from "../tools/test-services/redis.js";
import { askProcess } from "./harness/ask-process.js";
import { buildServer } from "./harness/build-server.js";
import { circumstances, writeResults } from "./harness/results.js";
import type { Admission } from "./rate-limit/admitted.js";
import { HOLDERS } from "./rate-limit/footprint.js";
import type { GuardFigure } from "./rate-limit/guards.js";
import { figureOf, type Series } from "./harness/measure.js";
import type { RedisFigure } from "./rate-limit/redis-speed.js";
import { BAR_SUBJECTS, type Findings, type OfSubjects, reportOf, verdictsOf } from "./rate-limit/report.js";
import { VISITS } from "./rate-limit/subjects.js";
import type { Question } from "./rate-limit/worker.js";

const isQuick = process.argv.includes("quick");
const AMOUNT = isQuick
  ? { rounds: 5, redisRounds: 5, redisDecisions: 1_000, redisSubjects: 20_000, guardRounds: 7 }
  : { rounds: 41, redisRounds: 41, redisDecisions: 1_000, redisSubjects: 200_000, guardRounds: 21 };
// As many as there are visits in a row: everybody meets every subject in every turn.
const EXTENT = { rounds: AMOUNT.rounds, decisions: VISITS, warmUpMs: isQuick ? 300 : 1_000 };

const where = circumstances();
const file = await buildServer(new URL("rate-limit/worker.ts", import.meta.url));
const { url, stop } = await startRedis();
try {
  const findings = await findAll();
  const { rounds, redisRounds, redisDecisions } = AMOUNT;
  const verdicts = verdictsOf(findings);
  const figures = {
    ...findings,
    oneLimit: findings.oneLimit.map(figuresOf),
    threeHolders: findings.threeHolders.map(figuresOf),
    threeLimits: findings.threeLimits.map(figuresOf),
    denials: findings.denials.map(figureOf),
  };
  writeResults("rate-limit", { ...where, rounds, redisRounds, redisDecisions, verdicts, figures }, reportOf(where, AMOUNT, findings));
} finally {
  await stop();
}

async function findAll(): Promise<Findings> {
  const oneLimit = await bySubjects("one limit");
  const threeHolders = await bySubjects("three holders");
  const threeLimits = await bySubjects("three limits");
  const redis = await answerOf<readonly RedisFigure[]>({ ask: "redis", url, rounds: AMOUNT.redisRounds, decisions: AMOUNT.redisDecisions });
  const denials = await answerOf<readonly Series[]>({ ask: "denials", url, extent: { ...EXTENT, decisions: 20_000 } });
  const footprints: { name: string; megabytes: number }[] = [];
  for (const name of Object.keys(HOLDERS)) footprints.push({ name, megabytes: await answerOf<number>({ ask: "footprint", name }) });
  const redisFootprints = await answerOf<Findings["redisFootprints"]>({ ask: "redis footprint", url, subjects: AMOUNT.redisSubjects });
  const admissions = await answerOf<readonly Admission[]>({ ask: "admitted", url });
  const guards = await answerOf<readonly GuardFigure[]>({ ask: "guards", rounds: AMOUNT.guardRounds, calls: 2_000 });
  return {
    oneLimit,
    threeHolders,
    threeLimits,
    redis,
    denials,
    footprints,
    redisFootprints,
    redisFootprintSubjects: AMOUNT.redisSubjects,
    admissions,
    guards,
  };
}

function figuresOf({ subjects, series }: OfSubjects): object {
  return { subjects, figures: series.map(figureOf) };
}

async function bySubjects(ask: "one limit" | "three holders" | "three limits"): Promise<readonly OfSubjects[]> {
  const measured: OfSubjects[] = [];
  for (const subjects of [1, 1_000, BAR_SUBJECTS]) {
    measured.push({ subjects, series: await answerOf<readonly Series[]>({ ask, subjects, extent: EXTENT }) });
  }
  return measured;
}

function answerOf<Answer>(question: Question): Promise<Answer> {
  return askProcess<Answer>(file, question);
}
