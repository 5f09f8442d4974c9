import { Cluster as Cluster6, Redis as Redis6, type RedisOptions } from "ioredis";
import { Cluster as Cluster5, Redis as Redis5 } from "ioredis5";
import { afterAll } from "vitest";
import type { RedisClient } from "@portcullis/store-redis";
import { redisClusterUrls, redisUrl } from "../../../tools/test-services/connect.js";

const opened: (Redis6 | Redis5 | Cluster6 | Cluster5)[] = [];

// Registered after connect.js registered its own: hooks run in reverse order, so keys are deleted when nobody writes any more.
afterAll(() => {
  for (const client of opened) client.disconnect();
});

/** @param listen Without a listener ioredis prints connection errors; the tests look at what the store makes of them. */
function track<T extends (typeof opened)[number]>(client: T, listen: (client: T) => void): T {
  listen(client);
  opened.push(client);
  return client;
}

/** One connection to a single Redis. */
export function connect(url: string = redisUrl(), options: RedisOptions & { replyMapping?: "legacy" } = {}): Redis6 {
  return track(new Redis6(url, options), (client) => client.on("error", () => {}));
}

/** One client of a Cluster. */
export function connectCluster(urls: readonly string[] = redisClusterUrls()): Cluster6 {
  return track(new Cluster6([...urls], { slotsRefreshTimeout: 5_000 }), (client) => client.on("error", () => {}));
}

/** Every client that the store supports, by service. */
export const CLIENTS: readonly { name: string; service: "redis" | "redis-cluster"; open: () => RedisClient }[] = [
  { name: "ioredis 6, one server", service: "redis", open: () => connect() },
  { name: "ioredis 5, one server", service: "redis", open: () => track(new Redis5(redisUrl()), (client) => client.on("error", () => {})) },
  { name: "ioredis 6, RESP2 and a key prefix", service: "redis", open: () => connect(redisUrl(), { protocol: 2, keyPrefix: "app:" }) },
  { name: "ioredis 6, Cluster", service: "redis-cluster", open: () => connectCluster() },
  {
    name: "ioredis 5, Cluster",
    service: "redis-cluster",
    open: () => track(new Cluster5([...redisClusterUrls()]), (client) => client.on("error", () => {})),
  },
];
