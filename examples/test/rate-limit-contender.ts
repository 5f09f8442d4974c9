// One of several processes that share limits; see rate-limit-redis-processes.test.ts.
//   node --import tsx --conditions=@portcullis/source rate-limit-contender.ts <url> <prefix> <job>
// Says "ready", waits for a line on standard input, does its job, and prints what came of it as JSON; then lives until it is killed or
// its standard input ends.
import { createInterface } from "node:readline";
import { openRedisStore } from "@portcullis/store-redis";
import { Redis } from "ioredis";
import { atOnce, limiterOn } from "./rate-limit-limiter.js";

/** What a process is to do: ask so often, or take places and keep them. */
export interface ContenderJob {
  readonly burst: number;
  readonly checks: number;
  /** At the same time. */
  readonly width: number;
  readonly useBatches: boolean;
  readonly useDenials: boolean;
  readonly places: number;
  readonly maxInFlight: number;
  readonly leaseMs: number;
}

/** What came of it. */
export interface ContenderResult {
  readonly allowed: number;
  /** By who decided. */
  readonly decided: Readonly<Record<string, number>>;
  readonly held: number;
}

const [url = "", prefix = "", text = "{}"] = process.argv.slice(2);
const job = JSON.parse(text) as ContenderJob; // as the test wrote it
const client = new Redis(url);
const store = openRedisStore(client, { prefix, deadlineMs: 10_000 });
const limiter = limiterOn(store, {
  deadlineMs: 10_000,
  tiers: { free: { limit: 1, periodMs: 86_400_000, burst: job.burst } },
  ...(job.useDenials ? {} : { denials: false as const }),
  batches: job.useBatches,
  operations: { chat: { maxInFlight: job.maxInFlight, leaseMs: job.leaseMs } },
});
await store.ping();
process.stdout.write("ready\n");

for await (const line of createInterface({ input: process.stdin })) {
  if (line !== "start") continue;
  const decided: Record<string, number> = {};
  let allowed = 0;
  for (let asked = 0; asked < job.checks; asked += job.width) {
    for (const decision of await atOnce(job.width, () => limiter.check({ phase: "identified", subject: "ada" }))) {
      decided[decision.decidedBy] = (decided[decision.decidedBy] ?? 0) + 1;
      if (decision.allowed) allowed += 1;
    }
  }
  let held = 0;
  for (let place = 0; place < job.places; place += 1) {
    const decision = await limiter.check({ phase: "operation", operation: "chat", by: { subject: "ada" } });
    if (decision.allowed) held += 1;
  }
  process.stdout.write(`${JSON.stringify({ allowed, decided, held } satisfies ContenderResult)}\n`);
}
client.disconnect();
