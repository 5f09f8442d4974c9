// The parent's side of a server process whose CPU time is measured.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** A server process. */
export interface MeasuredServer<Ready> {
  /** What the server said when it was ready. */
  readonly ready: Ready;
  /** CPU time the process has used so far, all its threads, user and system. */
  cpuMicros(): Promise<number>;
  close(): Promise<void>;
}

/** Starts a built server; resolves when it calls `reportCpu`. */
export async function startServer<Ready>(
  file: string,
  args: readonly string[],
  execArgv: readonly string[] = [],
): Promise<MeasuredServer<Ready>> {
  // The parent's own flags (its loader) are not the server's.
  const child = fork(file, args, { execArgv: [...execArgv] });
  const ready = (await answerOf(child)) as Ready; // the server was started for what it says
  return {
    ready,
    async cpuMicros() {
      const answer = answerOf(child);
      child.send("cpu");
      return Number(await answer);
    },
    async close() {
      const exit = once(child, "exit");
      child.send("exit");
      await exit;
    },
  };
}

function answerOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`The server ended with ${code}.`));
    child.once("exit", onExit);
    child.once("message", (message) => {
      child.off("exit", onExit);
      resolve(message);
    });
  });
}
