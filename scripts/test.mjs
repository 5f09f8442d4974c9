#!/usr/bin/env node
// Everything this repository asks of a change, from a fresh clone with nothing but Node:
//   npm test                      install, then every step
//   npm run check                 every step, without installing
//   npm run check -- typecheck    the steps whose name starts so
// A failing step does not hide the next. The last line of the output is `N passed, N failed, N skipped`: vitest's tests, and
// each other step as one. Exits non-zero when anything failed, and under CI=true also when anything was skipped.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "portcullis-check-"));
const packages = foldersWith("packages", "package.json");
const path = [join(root, "node_modules/.bin"), process.env.PATH].join(delimiter);
const env = { ...process.env, PATH: path, NO_UPDATE_NOTIFIER: "1" };
const STEP_TIMEOUT_MS = 10 * 60_000;
// Type checks and builds use about one core each.
const PARALLEL = 2;

/** What each step runs: one command, or one per folder. Rejects with what was printed, when any of them failed. */
const STEPS = {
  format: () => run(["oxfmt", "--check"]),
  lint: () => run(["oxlint", "--type-aware"]),
  ...Object.fromEntries(repositoryChecks().map((name) => [name, () => run(["tsx", `tools/${name}.ts`])])),
  typecheck: () =>
    inEach(["", ...packages, ...withSources("examples", "examples/reference-server", "bench")], ["tsc", "-p", "tsconfig.json"]),
  vitest: () => vitest(),
  build: () => inEach(packages, ["tsup", "--config", "../../tsup.config.ts", "--silent"]),
  publint: () => forEachTarball((tarball) => ["publint", "run", tarball, "--strict"]),
  attw: () => forEachTarball((tarball) => ["attw", tarball, "--profile", "esm-only", "--no-definitely-typed", "--no-color", "--no-emoji"]),
  "size-limit": () => run(["size-limit"]),
  knip: () => run(["knip", "--no-progress"]),
  typedoc: () => run(["typedoc", "--emit", "none", "--logLevel", "Warn"]),
};

const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
const skips = [];
/** Of the packages into tarballs; once, for the steps that look at them. */
let packing;

const options = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const names = Object.keys(STEPS).filter((name) => wanted.length === 0 || wanted.some((prefix) => name.startsWith(prefix)));

process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

console.log(`Node ${process.version} on ${process.platform}`);
const installed = options.includes("--no-install") || (await step("install", install));
if (installed) for (const name of names) await step(name, STEPS[name]);

if (skips.length > 0) console.log(`\nSkipped:\n${skips.map((name) => `  ${name}`).join("\n")}`);
if (failures.length > 0) console.log(`\nFailed:\n${failures.map((name) => `  ${name}`).join("\n")}`);
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 || (total.skipped > 0 && process.env.CI === "true") ? 1 : 0;

/** Runs a step and counts it as one test, unless it counts its own. */
async function step(name, work) {
  const started = Date.now();
  let failure;
  try {
    const counts = (await work()) ?? { passed: 1, failed: 0, skipped: 0 };
    for (const key of Object.keys(total)) total[key] += counts[key];
    if (counts.failed > 0) failure = "";
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
    total.failed++;
    failures.push(name);
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1).padStart(6);
  console.log(`${failure === undefined ? "ok    " : "FAILED"} ${seconds} s  ${name}${failure ? `\n${failure.trimEnd()}\n` : ""}`);
  return failure === undefined;
}

function install() {
  return run([process.execPath, "scripts/pnpm.mjs", "install", "--frozen-lockfile"]);
}

/** @returns The tests' own counts. A file that did not load, or an error outside all tests, is one failure more. */
async function vitest() {
  const report = join(scratch, "vitest.json");
  const command = ["vitest", "run", "--allowOnly=false", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const exit = await run(command, { live: true }).then(
    () => undefined,
    (error) => error,
  );
  if (!existsSync(report)) throw new Error(exit?.message ?? "vitest wrote no report");
  const { testResults, numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, "utf8"));
  const tests = testResults.flatMap((file) => file.assertionResults.map((test) => ({ ...test, file: file.name.slice(root.length) })));
  const described = (status) => tests.filter((test) => status.includes(test.status)).map((test) => `${test.file}: ${test.fullName}`);
  const brokenFiles = testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  );
  failures.push(
    ...described(["failed"]),
    ...brokenFiles.map((file) => `${file.name.slice(root.length)} could not run: ${firstLine(file.message)}`),
  );
  skips.push(...described(["pending", "skipped", "todo", "disabled"]));
  const counts = { passed: numPassedTests, failed: numFailedTests + brokenFiles.length, skipped: numPendingTests + numTodoTests };
  if (exit && counts.failed === 0) throw new Error(exit.message || "vitest failed outside its tests; see above");
  return counts;
}

/** What would be published: publint and attw look at the tarballs, after pnpm has rewritten the manifests. */
async function forEachTarball(command) {
  packing ??= run([process.execPath, "scripts/pnpm.mjs", "--recursive", "--filter", "./packages/*", "pack", "--pack-destination", scratch]);
  await packing;
  const tarballs = readdirSync(scratch).filter((file) => file.endsWith(".tgz"));
  if (tarballs.length !== packages.length) throw new Error(`packed ${tarballs.length} of ${packages.length} packages`);
  await all(tarballs, (tarball) => run(command(join(scratch, tarball))));
}

function inEach(folders, command) {
  return all(folders, (folder) => run(command, { folder }));
}

/** Runs the work for every item, a few at a time, and rejects with the messages of all that failed. */
async function all(items, work) {
  const messages = [];
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      await work(item).catch((error) => messages.push(`${item || "."}\n${error.message}`));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  if (messages.length > 0) throw new Error(messages.join("\n"));
}

/** Rejects with what the command printed, or with nothing to add where it printed `live`. */
function run([command, ...args], { folder = "", live = false } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = ["ignore", live ? "inherit" : "pipe", live ? "inherit" : "pipe"];
    const child = spawn(command, args, { cwd: join(root, folder), env, stdio, shell: process.platform === "win32" });
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text) => (printed += text));
    const timer = setTimeout(() => {
      printed += `\nstopped after ${STEP_TIMEOUT_MS / 60_000} minutes`;
      child.kill();
    }, STEP_TIMEOUT_MS);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else reject(new Error(printed));
    });
  });
}

function repositoryChecks() {
  return readdirSync(join(root, "tools")).flatMap((file) => /^(check-.*)\.ts$/.exec(file)?.[1] ?? []);
}

function foldersWith(parent, file) {
  return readdirSync(join(root, parent))
    .map((name) => join(parent, name))
    .filter((folder) => existsSync(join(root, folder, file)));
}

/** A folder without a TypeScript file is an error to tsc. */
function withSources(...folders) {
  const ownFiles = (folder) =>
    ["", "src", "test"].flatMap((part) => (existsSync(join(root, folder, part)) ? readdirSync(join(root, folder, part)) : []));
  return folders.filter((folder) => ownFiles(folder).some((file) => file.endsWith(".ts")));
}

function firstLine(text) {
  return String(text ?? "").split("\n", 1)[0];
}
