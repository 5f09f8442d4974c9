// Starts a server of the run's own: a free port, a temporary folder, and an end that is never later than the run's.
import { spawn } from "node:child_process";
import { chownSync, mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const KEEPER = fileURLToPath(new URL("./keep-while-parent-lives.mjs", import.meta.url));
const START_TIMEOUT_MS = 30_000;

/** The user a server runs as, where that is not the current one. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

export interface OwnServerOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** From `temporaryFolder`; removed when the server has ended. */
  readonly folder: string;
  /** What makes the server end at once; its data is worth nothing. */
  readonly signal: NodeJS.Signals;
  readonly account?: Account | undefined;
  /** Resolves when the server answers; asked again while it rejects. */
  readonly ping: () => Promise<unknown>;
}

/** A server that runs until `stop()`, or until this process ends in whatever way. */
export interface OwnServer {
  stop(): Promise<void>;
}

/** @returns The server, once it answers. @throws What it last wrote, if it ended or did not answer within 30 s. */
export async function startOwnServer(options: OwnServerOptions): Promise<OwnServer> {
  const { ping, account, ...rest } = options;
  const keeper = spawn(process.execPath, [KEEPER, JSON.stringify({ ...rest, ...account })], {
    stdio: ["pipe", "ignore", "pipe"],
    detached: true,
  });
  let written = "";
  keeper.stderr.setEncoding("utf8").on("data", (text: string) => (written = (written + text).slice(-2_000)));
  let ended = false;
  const end = new Promise<void>((resolve) => keeper.on("exit", () => resolve(void (ended = true))));
  const stop = async (): Promise<void> => {
    keeper.stdin.end();
    await end;
  };

  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      await ping();
      if (!ended) return { stop };
    } catch (error) {
      if (!ended && Date.now() > deadline) {
        await stop();
        throw new Error(`${options.command} did not answer: ${String(error)}\n${written}`, { cause: error });
      }
    }
    if (ended) throw new Error(`${options.command} did not start:\n${written}`);
    await sleep(25);
  }
}

/** A fresh folder for a server's data, owned by the account the server runs as. */
export function temporaryFolder(account?: Account): string {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-test-"));
  if (account) chownSync(folder, account.uid, account.gid);
  return folder;
}

/** A port nobody listens on now. Somebody may before the server does, so callers try again. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => probe.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("a TCP server has no port");
  return address.port;
}

/** Runs `start` up to three times: the port it took may have been taken by another in between. */
export async function withRetry<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}
