// Where the CPU time of one configuration goes: the functions in which most samples fell.
//
//   npx tsx --conditions=@portcullis/source full-chain/profile.ts <framework> <configuration> [workload] [requests]
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildServer } from "../harness/build-server.js";
import { openLoad } from "../harness/http-load.js";
import { startServer } from "../harness/measured-server.js";
import { configurationsOf } from "./configurations.js";
import type { Ready } from "./server.js";
import { PHASES, requestsOf } from "./workloads.js";

const SHOWN = 400;
const [framework = "express", name = "portcullis", workloadName = "GET, 1 caller", count = "60000"] = process.argv.slice(2);
const configuration = configurationsOf(framework).find((each) => each.name.startsWith(name));
const workload = PHASES.flatMap(({ workloads }) => workloads).find((each) => each.name === workloadName);
if (configuration === undefined || workload === undefined) throw new RangeError("Name a framework, a configuration and a workload.");

const folder = mkdtempSync(join(tmpdir(), "portcullis-profile-"));
const file = await buildServer(new URL("server.ts", import.meta.url));
const flags = ["--cpu-prof", `--cpu-prof-dir=${folder}`, "--cpu-prof-interval=200"];
const server = await startServer<Ready>(file, [framework, configuration.name, String(workload.from + workload.callers)], flags);
const { port, tokens } = server.ready;
const load = await openLoad(port, 8);
const take = requestsOf(workload, tokens, port);
await load.send(take(Number(count) / 3));
const before = await server.cpuMicros();
await load.send(take(Number(count)));
const micros = ((await server.cpuMicros()) - before) / Number(count);
load.close();
await server.close();

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
}
const [profileName = ""] = readdirSync(folder);
const profile = JSON.parse(readFileSync(join(folder, profileName), "utf8")) as CpuProfile; // as V8 writes it
rmSync(folder, { recursive: true });
const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
const byFunction = new Map<string, number>();
const byOrigin = new Map<string, number>();
let total = 0;
// The last part only: by then the code is compiled.
for (const id of profile.samples.slice(-Math.floor(profile.samples.length / 2))) {
  const { functionName = "", url = "", lineNumber = 0 } = frames.get(id) ?? {};
  if (functionName === "(idle)") continue;
  total += 1;
  const origin = originOf(functionName, url);
  tally(byOrigin, origin);
  tally(byFunction, `${functionName.slice(0, 60) || "(anonymous)"}  ${origin}:${lineNumber + 1}`);
}
console.log(`${framework}, ${configuration.name}, ${workload.name}: ${micros.toFixed(1)} µs per request under the profiler`);
print(byOrigin, 12);
print(byFunction, SHOWN);

// Our packages and the bench are one bundle; of a dependency the package counts.
function originOf(functionName: string, url: string): string {
  if (url.startsWith("node:")) return url;
  const dependency = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  return dependency ?? (url.endsWith("server.mjs") ? "portcullis" : functionName.startsWith("(") ? functionName : "native");
}

function tally(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function print(counts: ReadonlyMap<string, number>, most: number): void {
  for (const [key, samples] of [...counts].sort((one, other) => other[1] - one[1]).slice(0, most)) {
    const share = samples / total;
    console.log(`${(share * 100).toFixed(1).padStart(5)} %  ${(share * micros).toFixed(2).padStart(6)} µs  ${key}`);
  }
  console.log("");
}
