// What a million subjects hold, in a process and in Redis.
import { Redis } from "ioredis";
import { createMemoryStore } from "@portcullis/core";
import { heldBytes } from "../harness/held-bytes.js";
import { oneLimit, OPERATION, threeLimits, WIDE } from "./limiters.js";
import { expressStore, flexibleMemory, honoStore, type Peer } from "./memory-peers.js";
import { flexibleRedisUnion } from "./redis-peers.js";
import { storeOn } from "./redis-speed.js";
import { subjectAt } from "./subjects.js";

const DAY_MS = 86_400_000;
const MILLION = 1_000_000;
const AT_ONCE = 200;
// A unit comes back every 24 minutes: nothing is empty again, and so forgotten, before all are counted.
const SLOW = { periodMs: DAY_MS, burst: 100_000 };

/** Each holds a million subjects in a process of its own. */
export const HOLDERS: Readonly<Record<string, () => Peer>> = {
  "bare Map": () => {
    const counts = new Map<string, number>();
    return { name: "bare Map", ask: (subject) => counts.set(subject, (counts.get(subject) ?? 0) + 1).size > 0 };
  },
  portcullis: () => {
    const limiter = oneLimit(createMemoryStore({ maxLimitCells: 2 ** 20 }), SLOW);
    return { name: "portcullis", ask: async (subject) => (await limiter.check({ phase: "identified", subject })).allowed };
  },
  "rate-limiter-flexible": () => flexibleMemory({ limit: WIDE, windowMs: DAY_MS }),
  "express-rate-limit": () => expressStore({ limit: WIDE, windowMs: DAY_MS }),
  "hono-rate-limiter": () => honoStore({ limit: WIDE, windowMs: DAY_MS }),
};

/** Megabytes that a million subjects hold in this process, their ids included. Run it with `--expose-gc`. */
export async function processFootprint(name: string): Promise<number> {
  const peer = HOLDERS[name]?.();
  if (peer === undefined) throw new RangeError(`Nobody is called "${name}".`);
  const before = heldBytes();
  for (let index = 0; index < MILLION; index += 1) {
    if (!(await peer.ask(subjectAt(index)))) throw new Error(`${name} refused.`);
  }
  const megabytes = (heldBytes() - before) / 1e6;
  // Used after the measurement, so that it was held during it; and it knows everybody still.
  await peer.ask(subjectAt(0));
  return megabytes;
}

/** Megabytes of Redis for a million subjects with three limits each, measured on fewer. */
export async function redisFootprints(
  url: string,
  subjects: number,
): Promise<readonly { readonly name: string; readonly megabytes: number }[]> {
  const client = new Redis(url);
  // The default prefix: keys are a good part of what is held.
  const limiter = threeLimits(storeOn(client, "portcullis:"), SLOW, { onOutage: "closed" });
  const ours: Peer = {
    name: "portcullis",
    ask: async (subject) => (await limiter.check({ phase: "identified", subject, operation: OPERATION })).allowed,
  };
  const found: { name: string; megabytes: number }[] = [];
  for (const peer of [ours, flexibleRedisUnion(client, { limit: WIDE, windowMs: DAY_MS })]) {
    await client.flushall();
    const before = await usedBytes(client);
    for (let index = 0; index < subjects; index += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, async (_, offset) => peer.ask(subjectAt(index + offset))));
    }
    found.push({ name: peer.name, megabytes: (((await usedBytes(client)) - before) / 1e6) * (MILLION / subjects) });
  }
  client.disconnect();
  return found;
}

async function usedBytes(client: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await client.info("memory"))?.[1]);
}
