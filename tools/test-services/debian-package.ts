// Installs a missing binary from the distribution, so that a fresh Debian machine tests against real servers too.
// Never starts a daemon, and never runs where we may not install: there the tests that need the binary say what is missing.
import { execFile } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const APT_TIMEOUT_MS = 240_000;
const POLICY = "/usr/sbin/policy-rc.d";

/** The first of these commands that is on the search path. */
export function findCommand(...names: readonly string[]): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/bin", "/usr/local/bin", "/usr/sbin"];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
}

/**
 * What `find` finds, after installing `packageName` if it found nothing.
 *
 * @throws Why it cannot be had: not root, no apt-get, or what apt-get said.
 */
export async function findOrInstall(find: () => string | undefined, packageName: string): Promise<string> {
  const already = find();
  if (already !== undefined) return already;
  if (process.platform !== "linux" || process.getuid?.() !== 0 || findCommand("apt-get") === undefined) {
    throw new Error(`not on this machine; install ${packageName}, or set the variable that names a running one`);
  }
  console.error(`test services: installing ${packageName} …`);
  await oneAtATime(() => install(packageName));
  const installed = find();
  if (installed === undefined) throw new Error(`the Debian package ${packageName} does not contain it`);
  return installed;
}

async function install(packageName: string): Promise<void> {
  const removePolicy = forbidDaemons();
  try {
    const lock = join(tmpdir(), "portcullis-apt.lock");
    // Two test runs on one machine: the second waits, and then finds the package there.
    const script = `apt-get update -qq && apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 ${packageName}`;
    await run("flock", [lock, "sh", "-c", script], {
      timeout: APT_TIMEOUT_MS,
      maxBuffer: 16 * 1024 * 1024,
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim().split("\n").at(-1) : String(error);
    throw new Error(`apt-get could not install ${packageName}: ${said}`, { cause: error });
  } finally {
    removePolicy();
  }
}

/** Debian starts a server's daemon when it is installed, unless this file says no. @returns How to undo it. */
function forbidDaemons(): () => void {
  if (existsSync(POLICY)) return () => {};
  writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  return () => rmSync(POLICY, { force: true });
}

let last: Promise<unknown> = Promise.resolve();

function oneAtATime(task: () => Promise<void>): Promise<void> {
  const result = last.then(task, task);
  last = result;
  return result;
}
