// A Redis that one test may stop, kill and start again.
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { findCommand, findOrInstall } from "../../../tools/test-services/debian-package.js";
import { freePort, type OwnServer, startOwnServer, temporaryFolder } from "../../../tools/test-services/own-server.js";

/** A server that is gone with the test. */
export interface OwnRedis extends OwnServer {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
}

/** @param port Where it was before, to start it again. */
export async function startOwnRedis(port?: number): Promise<OwnRedis> {
  const command = await findOrInstall(() => findCommand("redis-server", "valkey-server"), "redis-server");
  const taken = port ?? (await freePort());
  const folder = temporaryFolder();
  const args = ["--port", String(taken), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"];
  const ask = async (question: (client: Redis) => Promise<string>): Promise<string> => {
    const client = new Redis(taken, "127.0.0.1", { lazyConnect: true, retryStrategy: () => null });
    client.on("error", () => {});
    try {
      await client.connect();
      return await question(client);
    } finally {
      client.disconnect();
    }
  };
  const { stop } = await startOwnServer({ command, args, folder, signal: "SIGKILL", ping: () => ask((client) => client.ping()) });
  const pid = Number(/process_id:(\d+)/.exec(await ask((client) => client.info("server")))?.[1]);
  return { port: taken, url: `redis://127.0.0.1:${taken}`, pid, stop };
}

/** Asks until it holds; an exception counts as no. For what another process does in its own time. */
export async function eventually(holds: () => Promise<boolean>, withinMs = 5_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`did not hold within ${withinMs} ms`);
    await sleep(10);
  }
}
