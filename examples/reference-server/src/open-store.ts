import { createMemoryStore, type Clock, type Ports, type StoreLifecycle } from "@portcullis/core";
import { openRedisStore } from "@portcullis/store-redis";
import { openSqlStore } from "@portcullis/store-sql";
import { Redis } from "ioredis";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Config } from "./config.js";

/** Every port the service needs, wherever it lives. */
export type ServiceStore = Ports & StoreLifecycle;

const STATE_DEADLINE_MS = 2000;
const LIMITS_DEADLINE_MS = 100;

/** What tests set. */
export interface StoreSettings {
  readonly clock?: Clock | undefined;
  /** How long Redis may take to answer about limits before the limiter goes on without it; default 100 ms. */
  readonly limitsDeadlineMs?: number;
}

/**
 * Opens the stores of the configuration. What every request touches and may be lost with the process (rate limits) stays in
 * memory unless there is a Redis; everything else is in the database.
 */
export async function openStore(
  config: Pick<Config, "databaseUrl" | "redisUrl">,
  { clock, limitsDeadlineMs = LIMITS_DEADLINE_MS }: StoreSettings = {},
): Promise<ServiceStore> {
  const timed = clock === undefined ? {} : { clock };
  const memory = createMemoryStore(timed);
  if (config.databaseUrl === "memory:") return memory;
  if (config.databaseUrl.startsWith("file:")) await mkdir(dirname(config.databaseUrl.slice("file:".length)), { recursive: true });
  const sql = await openSqlStore(config.databaseUrl, timed);
  if (config.redisUrl === undefined) return Object.freeze({ ...sql, limits: memory.limits });
  const client = new Redis(config.redisUrl, { maxRetriesPerRequest: 1 });
  // Told through StoreUnavailable where it matters; without a listener ioredis prints.
  client.on("error", () => {});
  const redis = openRedisStore(client, { prefix: "portcullis", deadlineMs: STATE_DEADLINE_MS, ...timed });
  return Object.freeze({
    ...sql,
    // The limiter falls back to limits of its own at once; whether a token was revoked has nothing to fall back to.
    limits: openRedisStore(client, { prefix: "portcullis", deadlineMs: limitsDeadlineMs, ...timed }).limits,
    counters: redis.counters,
    tickets: redis.tickets,
    leases: redis.leases,
    async ping() {
      await Promise.all([sql.ping(), redis.ping()]);
    },
    async close() {
      await Promise.all([sql.close(), redis.close()]);
      client.disconnect();
    },
  });
}
