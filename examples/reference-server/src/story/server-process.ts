import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A server in a process of its own. */
export interface ServerProcess {
  readonly url: string;
  readonly output: readonly string[];
  /** Ends it without a chance to clean up. */
  kill(): Promise<void>;
  /** Asks it to end. @returns its exit code. */
  terminate(): Promise<number | null>;
}

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const START_TIMEOUT_MS = 30_000;

/** Starts the reference server as `npm start` does, and waits until it listens. */
export async function startServerProcess(environment: Readonly<Record<string, string>>): Promise<ServerProcess> {
  const child = spawn(process.execPath, ["--conditions=@portcullis/source", "--import", "tsx", MAIN], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    env: { PATH: process.env["PATH"], PORT: "0", HOST: "127.0.0.1", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output: string[] = [];
  const url = await listening(child, output);
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return {
    url,
    output,
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
    terminate() {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

function listening(child: ChildProcess, output: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => reject(new Error(`The server did not start: ${reason}\n${output.join("\n")}`));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail("it did not listen in time");
    }, START_TIMEOUT_MS);
    child.once("exit", (code) => fail(`it ended with ${code}`));
    const onLine = (line: string): void => {
      output.push(line);
      const url = /"url":"([^"]+)".*"msg":"listening"/.exec(line)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    };
    if (child.stdout !== null) createInterface(child.stdout).on("line", onLine);
    if (child.stderr !== null) createInterface(child.stderr).on("line", (line) => output.push(line));
  });
}
