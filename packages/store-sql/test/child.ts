import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A process of a test: it says things by line, and reads from standard input. */
export interface Child {
  /** The next line it says; `undefined` once it has ended. */
  line(): Promise<string | undefined>;
  tell(line: string): void;
  kill(): Promise<void>;
}

/** Runs a file of this folder in a process of its own. */
export function startChild(file: string, ...args: readonly string[]): Child {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", "--conditions=@portcullis/source", path, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async line() {
      const next = await lines.next();
      return next.done === true ? undefined : next.value;
    },
    tell: (line) => void child.stdin.write(`${line}\n`),
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
