// Why: an example is the part of the documentation that is read and copied first, and the first to be wrong after a change.
// Every ```ts fence of the pages and of @example comments is type-checked as a module of its own, as strictly as our code,
// and is run; one that needs a server of somebody else's says ```ts no-run.
//
// The fences are written to examples/.fences/, where everything that an example may import is installed.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { collectFences, type Fence } from "./docs-fences/collect-fences.js";
import type { Repository } from "./repository.js";
import { type Findings, runCheck } from "./run-check.js";

const RUNNER = fileURLToPath(new URL("./docs-fences/run-fences.mjs", import.meta.url));
const TIMEOUT_MS = 300_000;

interface Written extends Fence {
  /** Its file's name in the folder. */
  readonly file: string;
}

/** @param folder Where the fences are written, from the root; the packages installed there are what they may import. */
export function checkDocsFences(repository: Repository, folder = "examples/.fences"): Findings {
  // A folder per process: two checks of one clone do not meet.
  const at = join(repository.root, folder, String(process.pid));
  mkdirSync(at, { recursive: true });
  try {
    const written = collectFences(repository).map((fence) => write(fence, at));
    return written.length === 0 ? [] : problemsOf(at, written);
  } finally {
    rmSync(at, { recursive: true });
  }
}

/** With as many lines before it as in its page: what the compiler and a stack say is where it is. */
function write(fence: Fence, at: string): Written {
  const file = `${fence.path.replaceAll("/", "--")}.${fence.line}.mts`;
  writeFileSync(join(at, file), `${"\n".repeat(fence.line - 1)}${fence.code}\n`);
  return { ...fence, file };
}

function problemsOf(at: string, written: readonly Written[]): Findings {
  const base = fileURLToPath(new URL("../tsconfig.base.json", import.meta.url));
  const typeRoots = [fileURLToPath(new URL("../node_modules/@types", import.meta.url))];
  writeFileSync(join(at, "tsconfig.json"), JSON.stringify({ extends: base, compilerOptions: { typeRoots }, include: ["*.mts"] }));
  const errors = typeErrors(at);
  const sound = written.filter(({ file }) => !errors.some((error) => error.startsWith(file)));
  return [...errors, ...runErrors(at, sound)].map((finding) => inPages(finding, at, written));
}

/** @returns `file:line:column: error …`, each on one line. */
function typeErrors(at: string): Findings {
  const { stdout, status } = spawnSync(command("tsc"), ["-p", at, "--pretty", "false"], { encoding: "utf8", timeout: TIMEOUT_MS });
  if (status === 0) return [];
  const lines = stdout.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line) => line.replace(/^\S*?([^/\s]+)\((\d+),(\d+)\)/, "$1:$2:$3"));
}

function runErrors(at: string, written: readonly Written[]): Findings {
  const running = written.filter(({ runs }) => runs);
  if (running.length === 0) return [];
  const files = running.map(({ file }) => join(at, file));
  const options = { encoding: "utf8", timeout: TIMEOUT_MS } as const;
  const { stdout, stderr, status } = spawnSync(command("tsx"), ["--conditions=@portcullis/source", RUNNER, ...files], options);
  const failures = stdout.split("\n").filter((line) => line.startsWith("{"));
  const findings = failures.map((line) => {
    const { file, failure } = JSON.parse(line) as { file: string; failure: string };
    const fence = running[files.indexOf(file)];
    return `${fence?.path}:${fence?.line}: the example does not run: ${failure}`;
  });
  return status === 0 ? findings : [...findings, `the examples did not all run: ${stderr}`];
}

/** What a tool says of the written files, said of the pages. */
function inPages(text: string, at: string, written: readonly Written[]): string {
  return written.reduce((said, { file, path }) => said.replaceAll(file, path), text.replaceAll(`${at}/`, ""));
}

function command(name: string): string {
  return fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url));
}

await runCheck(import.meta.url, (repository) => checkDocsFences(repository));
