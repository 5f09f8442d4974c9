// Question: what do security headers, CORS, correlation id, client address, rate limits, token verification and permissions
// cost per request, by our guards and by what people use instead?
// Stated bar: on memory stores, the whole chain adds at most half of what the best popular composition adds.
//
//   npm run bench -- full-chain [express,fastify,hono] [rounds]
//
// Each configuration is a process of its own, as it would be in production, and is asked in turns of a few hundred requests:
// every round asks all that are compared, beginning with another one. CPU time of the process counts, not wall time.
import { buildServer } from "./harness/build-server.js";
import { openLoad } from "./harness/http-load.js";
import { type MeasuredServer, startServer } from "./harness/measured-server.js";
import { circumstances, writeResults } from "./harness/results.js";
import { rotate } from "./harness/statistics.js";
import { type Configuration, configurationsOf, FRAMEWORK_NAMES } from "./full-chain/configurations.js";
import { comparisonsOf, figuresOf, type Series } from "./full-chain/figures.js";
import { reportOf } from "./full-chain/report.js";
import type { Ready } from "./full-chain/server.js";
import { verify } from "./full-chain/verify.js";
import { callersOf, type Phase, PHASES, requestsOf, type Workload } from "./full-chain/workloads.js";

const ROUNDS = Number(process.argv[3] ?? 15);
const REQUESTS = 500;
// Of each process, before its first turn: V8 takes so long until the hot paths are compiled for good.
const WARM_UP_REQUESTS = 30_000;
const CONNECTIONS = 30;

/** A configuration's process under one workload. */
interface Lane {
  readonly workload: Workload;
  readonly configuration: Configuration;
  readonly server: MeasuredServer<Ready>;
  readonly take: (count: number) => readonly Buffer[];
}

const where = circumstances();
const frameworks = process.argv[2]?.split(",") ?? FRAMEWORK_NAMES;
const file = await buildServer(new URL("full-chain/server.ts", import.meta.url));
const series: Series[] = [];
for (const framework of frameworks) {
  for (const phase of PHASES) await measure(framework, phase);
}

const figures = figuresOf(series);
const comparisons = comparisonsOf(figures);
const extent = { rounds: ROUNDS, requests: REQUESTS, connections: CONNECTIONS, warmUpRequests: WARM_UP_REQUESTS };
writeResults("full-chain", { ...where, ...extent, comparisons, figures }, reportOf(where, extent, figures, comparisons));

// Few processes at a time: one that idles for seconds gives its memory back and starts its next turn slower.
async function measure(framework: string, phase: Phase): Promise<void> {
  const { kinds, workloads } = phase;
  const servers = new Map<Configuration, MeasuredServer<Ready>>();
  for (const configuration of configurationsOf(framework)) {
    if (kinds.includes(configuration.kind)) servers.set(configuration, await start(framework, configuration, callersOf(phase)));
  }
  const lanesOf = (workload: Workload): readonly Lane[] =>
    [...servers].map(([configuration, server]) => ({
      workload,
      configuration,
      server,
      take: requestsOf(workload, server.ready.tokens, server.ready.port),
    }));
  const lanes = workloads.map(lanesOf);
  for (const lane of lanes.flat())
    if (!lane.workload.isFirstSight) await send(lane, Math.max(lane.workload.callers, WARM_UP_REQUESTS / workloads.length));
  for (const side of lanes) {
    for (let round = 0; round < ROUNDS; round += 1) for (const lane of rotate(side, round)) await sample(framework, lane);
  }
  for (const server of servers.values()) await server.close();
}

async function start(framework: string, configuration: Configuration, callers: number): Promise<MeasuredServer<Ready>> {
  const server = await startServer<Ready>(file, [framework, configuration.name, String(callers)]);
  const { port, tokens } = server.ready;
  await verify(configuration, { listening: { port }, tokens });
  return server;
}

async function sample(framework: string, lane: Lane): Promise<void> {
  const { workload, configuration, server } = lane;
  const before = await server.cpuMicros();
  await send(lane, REQUESTS);
  const spent = (await server.cpuMicros()) - before;
  let own = series.find(
    (each) => each.framework === framework && each.workload === workload && each.configuration.name === configuration.name,
  );
  if (own === undefined) series.push((own = { framework, workload, configuration, micros: [] }));
  own.micros.push(spent / REQUESTS);
}

// New connections for each turn: idle ones would be closed by the server while the others have theirs.
async function send({ server, take }: Lane, count: number): Promise<void> {
  const requests = take(count);
  const load = await openLoad(server.ready.port, CONNECTIONS);
  await load.send(requests);
  load.close();
}
