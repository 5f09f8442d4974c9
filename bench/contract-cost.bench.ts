// Question: what does the guard contract itself cost per request, over the bare framework, when guards answer at once?
// Stated bar: at most 3 µs of CPU for a synchronous allow.
//
//   npm run build && cd bench && npx tsx contract-cost.bench.ts [generations] [frameworks]
//
// CPU time of the server process, not wall time: other work on the machine must not count. Each variant has a process of
// its own, running the built packages (tsx would add its own cost to every closure made from source). Every round drives
// all variants of a framework in turn, in a new order.
import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { openClient } from "./contract-cost/keep-alive-client.js";

// A process keeps what its compiler happened to decide, which is worth more than the figure asked for: several of each.
const GENERATIONS = Number(process.argv[2] ?? 7);
const ROUNDS = 20;
const REQUESTS = 600;
const CONNECTIONS = 8;
const WARMUP_ROUNDS = 15;
const BAR_MICROS = 3;
const VARIANTS = ["bare", "native", "one", "five", "headers", "settle"];
const FRAMEWORKS = process.argv[3]?.split(",") ?? ["express", "fastify", "hono"];

interface Figure {
  readonly framework: string;
  readonly variant: string;
  /** CPU µs per request in the quiet rounds of a process, the median of the generations. */
  readonly micros: number;
  /** Over `bare` of the same generation: the median of the generations, the least and the most. */
  readonly overBare: Spread;
  /** Over `native` of the same generation. */
  readonly overNative: Spread;
}

interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** One figure for each variant, from processes that were started together. */
type Generation = Readonly<Record<string, number>>;

const figures: Figure[] = [];
for (const framework of FRAMEWORKS) {
  const generations: Generation[] = [];
  for (let count = 0; count < GENERATIONS; count += 1) generations.push(await measure(framework));
  for (const variant of VARIANTS) figures.push(figureOf(framework, variant, generations));
}
report(figures);

async function measure(framework: string): Promise<Generation> {
  const servers = await Promise.all(VARIANTS.map((variant) => startServer(framework, variant)));
  const samples = new Map<string, number[]>(VARIANTS.map((variant) => [variant, []]));
  for (let round = -WARMUP_ROUNDS; round < ROUNDS; round += 1) {
    for (const { variant, process, port } of rotate(servers, round + WARMUP_ROUNDS)) {
      // New connections for each turn: idle ones would be closed by the server while the others have theirs.
      const client = await openClient(port, CONNECTIONS);
      const before = await cpuMicros(process);
      await client.send(REQUESTS);
      const spent = (await cpuMicros(process)) - before;
      client.close();
      if (round >= 0) samples.get(variant)?.push(spent / REQUESTS);
    }
  }
  for (const { process } of servers) process.kill();
  // What other work on the machine adds is never negative: the quiet rounds say what the process itself needs.
  return Object.fromEntries([...samples].map(([variant, micros]) => [variant, quantile(micros, 0.1)]));
}

function figureOf(framework: string, variant: string, generations: readonly Generation[]): Figure {
  const of = (generation: Generation, name: string): number => generation[name] ?? Number.NaN;
  const over = (baseline: string): Spread => {
    const differences = generations.map((generation) => of(generation, variant) - of(generation, baseline));
    return {
      median: rounded(quantile(differences, 0.5)),
      least: rounded(Math.min(...differences)),
      most: rounded(Math.max(...differences)),
    };
  };
  const micros = quantile(
    generations.map((generation) => of(generation, variant)),
    0.5,
  );
  return { framework, variant, micros: rounded(micros), overBare: over("bare"), overNative: over("native") };
}

interface Server {
  readonly variant: string;
  readonly process: ChildProcess;
  readonly port: number;
}

async function startServer(framework: string, variant: string): Promise<Server> {
  const path = fileURLToPath(new URL("contract-cost/server.ts", import.meta.url));
  const server = fork(path, [framework, variant], { execArgv: ["--import", "tsx"] });
  const { port } = await message(server);
  if (port === undefined) throw new Error(`Unknown framework "${framework}".`);
  return { variant, process: server, port };
}

function message(server: ChildProcess): Promise<{ readonly port?: number; readonly cpuMicros?: number }> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`A server ended with ${code}. Are the packages built?`));
    server.once("exit", onExit);
    server.once("message", (value) => {
      server.off("exit", onExit);
      resolve(Object(value));
    });
  });
}

async function cpuMicros(server: ChildProcess): Promise<number> {
  const answer = message(server);
  server.send("cpu");
  return (await answer).cpuMicros ?? Number.NaN;
}

function rotate<T>(list: readonly T[], by: number): readonly T[] {
  const start = by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

function rounded(micros: number): number {
  return Math.round(micros * 100) / 100;
}

function report(list: readonly Figure[]): void {
  const machine = { node: process.version, cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length };
  const date = new Date().toISOString().slice(0, 10);
  const spread = ({ median, least, most }: Spread): string => `${median.toFixed(1)} (${least.toFixed(1)} to ${most.toFixed(1)})`;
  const rows = list.map(({ framework, variant, micros, overBare, overNative }) => {
    const guarded = variant !== "bare" && variant !== "native";
    return `| ${framework} | ${variant} | ${micros.toFixed(1)} | ${variant === "bare" ? "" : spread(overBare)} | ${guarded ? spread(overNative) : ""} |`;
  });
  const text = [
    "# What the guard contract costs",
    "",
    `CPU µs per GET of the server process: ${GENERATIONS} generations of processes, in each ${ROUNDS} interleaved rounds of ${REQUESTS} requests`,
    `over ${CONNECTIONS} keep-alive connections, of which the quietest tenth counts. Differences: median of the generations (least to most).`,
    `${date}, Node ${machine.node}, ${machine.cores} × ${machine.cpu}. Bar: at most ${BAR_MICROS} µs for one synchronous allow.`,
    "",
    "| framework | mounted | CPU µs | over bare | over an empty middleware |",
    "| --- | --- | ---: | ---: | ---: |",
    ...rows,
    "",
    "`native`: an empty middleware of the framework's own. `one`, `five`: guards that allow and add nothing. `headers`: one guard, two response headers. `settle`: one guard, one after-response hook.",
    "",
  ].join("\n");
  const results = new URL("results/", import.meta.url);
  mkdirSync(results, { recursive: true });
  writeFileSync(new URL("contract-cost.md", results), text);
  writeFileSync(
    new URL("contract-cost.json", results),
    `${JSON.stringify({ date, machine, generations: GENERATIONS, rounds: ROUNDS, requests: REQUESTS, barMicros: BAR_MICROS, figures: list }, null, 2)}\n`,
  );
  process.stdout.write(text);
}
