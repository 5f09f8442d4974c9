// Turns a check into a command: prints each finding on a line of its own, and fails when there is any.
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openRepository, type Repository } from "./repository.js";

/** Broken rules, each as `where: what is wrong and what to do`. */
export type Findings = readonly string[];

/** Does nothing where the module was imported, by a test, rather than started. */
export async function runCheck(moduleUrl: string, check: (repository: Repository) => Findings | Promise<Findings>): Promise<void> {
  if (realpathSync(process.argv[1] ?? "") !== fileURLToPath(moduleUrl)) return;
  const findings = await check(openRepository(fileURLToPath(new URL("..", moduleUrl))));
  for (const finding of findings) console.log(finding);
  if (findings.length > 0) process.exitCode = 1;
}
