// Why: which store supports which port is what a user chooses a store by, and the table in the README would be the first
// thing to grow stale. The folders are the truth: a store supports a port if it has a file of the port's name.
//   tsx tools/check-support-matrix.ts --write     rewrites the table
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Repository } from "./repository.js";
import { type Findings, runCheck } from "./run-check.js";

const START = "<!-- support-matrix:start -->";
const END = "<!-- support-matrix:end -->";
const PORTS = "packages/core/src/ports";
/** The type that all ports make together. */
const NOT_A_PORT = "store";

export function checkSupportMatrix(repository: Repository): Findings {
  if (!repository.has("README.md")) return ["README.md: does not exist; it must hold the support matrix"];
  const readme = repository.read("README.md");
  const table = supportMatrix(repository);
  const [before, rest] = split(readme, START);
  const [current, after] = split(rest ?? "", END);
  if (current === undefined || after === undefined) return [`README.md: has no support matrix between ${START} and ${END}`];
  if (current.trim() === table) return [];
  if (!process.argv.includes("--write")) return ["README.md: the support matrix is stale; run tsx tools/check-support-matrix.ts --write"];
  writeFileSync(join(repository.root, "README.md"), `${before}${START}\n${table}\n${END}${after}`);
  return [];
}

/** One row per port, one column per store. */
export function supportMatrix(repository: Repository): string {
  const stores = [
    { title: "memory", folder: "packages/core/src/memory" },
    ...repository.packages
      .filter(({ name }) => name.startsWith("store-"))
      .map(({ manifest, folder }) => ({ title: `[\`${manifest.name}\`](${folder})`, folder: `${folder}/src` })),
  ];
  const ports = repository.files(PORTS, /\.ts$/).map((path) => path.slice(PORTS.length + 1, -".ts".length));
  const rows = ports
    .filter((port) => port !== NOT_A_PORT)
    .map((port) => [`\`${port}\``, ...stores.map(({ folder }) => (repository.has(`${folder}/${port}.ts`) ? "yes" : "–"))]);
  const header = ["port", ...stores.map(({ title }) => title)];
  return [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function split(text: string, marker: string): readonly [string, string | undefined] {
  const at = text.indexOf(marker);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + marker.length)];
}

await runCheck(import.meta.url, checkSupportMatrix);
