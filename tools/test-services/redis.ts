// A Redis, and a Redis Cluster of three masters, of the run's own.
import { Redis } from "ioredis";
import { setTimeout as sleep } from "node:timers/promises";
import { findCommand, findOrInstall } from "./debian-package.js";
import { freePort, type OwnServer, startOwnServer, temporaryFolder, withRetry } from "./own-server.js";

const SLOTS = 16_384;
const MASTERS = 3;
const JOIN_TIMEOUT_MS = 20_000;

export async function startRedis(): Promise<OwnServer & { url: string }> {
  return withRetry(async () => {
    const { stop, port } = await startNode([]);
    return { stop, url: `redis://127.0.0.1:${port}` };
  });
}

export async function startRedisCluster(): Promise<OwnServer & { urls: readonly string[] }> {
  const clustered = async () =>
    startNode(["--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--cluster-port", String(await freePort())]);
  const nodes = await Promise.all(Array.from({ length: MASTERS }, () => withRetry(clustered)));
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    await join(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop, urls: nodes.map(({ port }) => `redis://127.0.0.1:${port}`) };
}

interface Node extends OwnServer {
  readonly port: number;
  readonly busPort: string | undefined;
}

async function startNode(cluster: readonly string[]): Promise<Node> {
  const command = await findOrInstall(() => findCommand("redis-server", "valkey-server"), "redis-server");
  const folder = temporaryFolder();
  const port = await freePort();
  const server = await startOwnServer({
    command,
    args: ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no", ...cluster],
    folder,
    signal: "SIGTERM",
    ping: () => withClient(port, (client) => client.ping()),
  });
  return { ...server, port, busPort: cluster.at(-1) };
}

/** What `redis-cli --cluster create` does, without needing it: slots, introductions, and waiting until all agree. */
async function join(nodes: readonly Node[]): Promise<void> {
  const share = Math.ceil(SLOTS / nodes.length);
  const [first] = nodes;
  for (const [index, { port }] of nodes.entries()) {
    await withClient(port, async (client) => {
      await client.call("CLUSTER", "SET-CONFIG-EPOCH", String(index + 1));
      await client.call("CLUSTER", "ADDSLOTSRANGE", String(index * share), String(Math.min(SLOTS, (index + 1) * share) - 1));
      if (first && index > 0) await client.call("CLUSTER", "MEET", "127.0.0.1", String(first.port), String(first.busPort));
    });
  }
  const deadline = Date.now() + JOIN_TIMEOUT_MS;
  for (const { port } of nodes) {
    while (!(await withClient(port, isJoined))) {
      if (Date.now() > deadline) throw new Error("the Redis Cluster's nodes did not find each other");
      await sleep(50);
    }
  }
}

async function isJoined(client: Redis): Promise<boolean> {
  const info = String(await client.call("CLUSTER", "INFO"));
  return info.includes("cluster_state:ok") && info.includes(`cluster_known_nodes:${MASTERS}`);
}

async function withClient<T>(port: number, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(port, "127.0.0.1", { lazyConnect: true, retryStrategy: () => null });
  client.on("error", () => {});
  try {
    await client.connect();
    return await use(client);
  } finally {
    client.disconnect();
  }
}
