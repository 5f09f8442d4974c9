import { type Clock, invalidOption, type Ports, type StoreLifecycle } from "@portcullis/core";
import { createRedisApiKeys } from "./api-keys.js";
import { createBoundedCall } from "./bounded-call.js";
import { createRedisBus } from "./bus.js";
import { createRedisCounters } from "./counters.js";
import { createRedisLeases } from "./leases.js";
import { createRedisLimits } from "./limits.js";
import { createRedisRecords } from "./records.js";
import type { RedisClient } from "./redis-client.js";
import { createRunScript } from "./redis-script.js";
import { createRedisSessions } from "./sessions.js";
import { createRedisSubjects } from "./subjects.js";
import { createRedisTickets } from "./tickets.js";

/** The ports that Redis offers. Asking for another one does not compile: approvals, the log and the outbox want a durable store. */
export type RedisPorts = Pick<
  Ports,
  "tickets" | "counters" | "limits" | "subjects" | "sessions" | "apiKeys" | "leases" | "records" | "bus"
>;

/** A store on Redis or Redis Cluster. */
export type RedisStore = RedisPorts & StoreLifecycle;

/** How the store uses its client. */
export interface RedisStoreOptions {
  /** Begins every key; what the client's own `keyPrefix` says comes before it. Up to 64 of letters, digits and `_.:@/-`. Default `portcullis:`. */
  readonly prefix?: string;
  /** Until a call without an answer fails with `StoreUnavailable`. 1 to 60,000 ms; default 100. */
  readonly deadlineMs?: number;
  /** Calls that may wait for the server at once; beyond it they fail immediately. 1 to 1,000,000; default 10,000. */
  readonly maxPending?: number;
  /** Only for tests: replaces the server's time. Default: the server's, so that nodes with skewed clocks agree. */
  readonly clock?: Pick<Clock, "now">;
}

const DEFAULTS = Object.freeze({ prefix: "portcullis:", deadlineMs: 100, maxPending: 10_000 });

/**
 * Keeps state in Redis 6.2 or later, or a Redis Cluster, through a client that the application made.
 *
 * Every operation is one Lua script on one slot: of any number of callers in any number of processes exactly one wins. What
 * expires carries a lifetime in Redis too. Redis replicates asynchronously: a failover may lose the last acknowledged writes.
 * Run it with `maxmemory-policy noeviction` or `volatile-ttl`; what Redis evicts is forgotten.
 *
 * Opening sends nothing; `ping()` says whether Redis answers. `close()` ends the subscriptions and leaves
 * the client open: it is yours.
 *
 * @param client An ioredis 5 or 6 `Redis` or `Cluster`.
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts no-run
 * import { openRedisStore } from "@portcullis/store-redis";
 * import { Redis } from "ioredis";
 *
 * const store = openRedisStore(new Redis("redis://localhost:6379"), { prefix: "shop:" });
 * await store.ping();
 * console.log(await store.tickets.put("reset:ada", "token", 60_000)); // true
 * ```
 */
export function openRedisStore(client: RedisClient, options: RedisStoreOptions = {}): RedisStore {
  const { prefix = DEFAULTS.prefix, deadlineMs = DEFAULTS.deadlineMs, maxPending = DEFAULTS.maxPending, clock } = options;
  if (typeof client?.evalsha !== "function" || typeof client.eval !== "function") {
    throw invalidOption("client", client, "an ioredis Redis or Cluster");
  }
  // Braces would move the hash tag, and with it every key of the store, to one slot.
  if (typeof prefix !== "string" || !/^[A-Za-z0-9_.:@/-]{0,64}$/.test(prefix)) {
    throw invalidOption("prefix", prefix, "up to 64 letters, digits and _.:@/-");
  }
  if (!(deadlineMs >= 1 && deadlineMs <= 60_000)) throw invalidOption("deadlineMs", deadlineMs, "1 to 60000 ms");
  if (!Number.isInteger(maxPending) || maxPending < 1 || maxPending > 1_000_000) {
    throw invalidOption("maxPending", maxPending, "an integer of 1 to 1000000");
  }
  const bounded = createBoundedCall({ client, deadlineMs, maxPending });
  const run = createRunScript(client, bounded, clock === undefined ? undefined : () => clock.now());
  const { bus, close } = createRedisBus(client, run, prefix);
  return Object.freeze({
    tickets: createRedisTickets(run, prefix),
    counters: createRedisCounters(run, prefix),
    limits: createRedisLimits(run, prefix),
    subjects: createRedisSubjects(run, prefix),
    sessions: createRedisSessions(run, prefix),
    apiKeys: createRedisApiKeys(run, prefix),
    leases: createRedisLeases(run, prefix),
    records: createRedisRecords(run, prefix),
    bus,
    ping: async () => void (await bounded("ping", () => client.ping())),
    close: async () => close(),
  });
}
