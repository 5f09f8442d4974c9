import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";

const RESULTS = new URL("../results/", import.meta.url);

/** Where and when a result was made. */
export interface Circumstances {
  readonly date: string;
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
  /** Of the last minute, when the run began: above the number of cores, others were at work too. */
  readonly loadAverage: number;
}

export function circumstances(): Circumstances {
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

/** Writes `results/<name>.json` and `results/<name>.md`, and prints the latter. */
export function writeResults(name: string, data: object, markdown: string): void {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(new URL(`${name}.json`, RESULTS), `${JSON.stringify(data, null, 2)}\n`);
  writeFileSync(new URL(`${name}.md`, RESULTS), markdown);
  process.stdout.write(markdown);
}
