// Several processes with a limiter each on one Redis: the limit is exact, and a process that dies keeps no place.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { openRedisStore } from "@portcullis/store-redis";
import { afterAll, expect, it } from "vitest";
import { connect } from "../../packages/store-redis/test/clients.js";
import { eventually } from "../../packages/store-redis/test/own-redis.js";
import { describeWith, redisPrefix, redisUrl } from "../../tools/test-services/connect.js";
import type { ContenderJob, ContenderResult } from "./rate-limit-contender.js";
import { limiterOn } from "./rate-limit-limiter.js";

const CONTENDER = fileURLToPath(new URL("./rate-limit-contender.ts", import.meta.url));
const IDLE: ContenderJob = {
  burst: 1,
  checks: 0,
  width: 1,
  useBatches: false,
  useDenials: false,
  places: 0,
  maxInFlight: 1,
  leaseMs: 1_000,
};
const children: ChildProcess[] = [];

afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});

/** A process that is ready to start. */
async function contender(prefix: string, job: Partial<ContenderJob>) {
  const args = ["--import", "tsx", "--conditions=@portcullis/source", CONTENDER, redisUrl(), prefix, JSON.stringify({ ...IDLE, ...job })];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("ready");
  return {
    async start(): Promise<ContenderResult> {
      child.stdin.write("start\n");
      return JSON.parse(String((await lines.next()).value)) as ContenderResult; // what rate-limit-contender.ts prints
    },
    async kill(): Promise<void> {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

describeWith("redis", "several processes", () => {
  it.each([
    { title: "each check asks", useDenials: false, useBatches: false, decidedBy: ["store"] },
    { title: "with remembered refusals", useDenials: true, useBatches: false, decidedBy: ["denials", "store"] },
    { title: "with batches and remembered refusals", useDenials: true, useBatches: true, decidedBy: ["batch", "denials", "store"] },
  ])(
    "RL-02 three processes at one limit are allowed the limit, to the unit: $title",
    async ({ useDenials, useBatches, decidedBy }) => {
      const prefix = redisPrefix();
      const burst = 4_000;
      const job = { burst, checks: 3_000, width: 50, useDenials, useBatches };
      const processes = await Promise.all(Array.from({ length: 3 }, async () => contender(prefix, job)));
      const results = await Promise.all(processes.map(async ({ start }) => start()));
      const decided = results.map((result) => result.decided);
      expect([...new Set(decided.flatMap((by) => Object.keys(by)))].sort()).toEqual(decidedBy);
      let allowed = results.reduce((sum, result) => sum + result.allowed, 0);
      if (!useBatches) expect(allowed).toBe(burst);
      expect(allowed).toBeLessThanOrEqual(burst);
      // What they held when they were done comes back; then the last units can be had, and no more.
      const store = openRedisStore(connect(), { prefix, deadlineMs: 10_000 });
      const last = limiterOn(store, { deadlineMs: 10_000, denials: false, tiers: { free: { limit: 1, periodMs: 86_400_000, burst } } });
      const takeOne = async () => (await last.check({ phase: "identified", subject: "ada" })).allowed;
      await eventually(async () => {
        while (await takeOne()) allowed += 1;
        return allowed === burst;
      });
      expect([await takeOne(), allowed]).toEqual([false, burst]);
    },
    40_000,
  );

  it("RL-60 RL-62 places of a process that lives are kept beyond their lease, those of one that was killed are free when it ends", async () => {
    const prefix = redisPrefix();
    const leaseMs = 1_000; // the shortest there is
    const client = connect();
    const store = openRedisStore(client, { prefix, deadlineMs: 10_000 });
    const operations = { chat: { limit: 1, periodMs: 3_600_000, burst: 100, maxInFlight: 3, leaseMs } };
    const limiter = limiterOn(store, { deadlineMs: 10_000, operations });
    const ask = { phase: "operation", operation: "chat", by: { subject: "ada" } } as const;
    // By the server's clock: it is the one that ends leases.
    const serverMs = async () => {
      const [seconds, micros] = await client.time();
      return Number(seconds) * 1_000 + Number(micros) / 1_000;
    };
    const own = await limiter.check(ask);
    expect(own.concurrency).toMatchObject({ allowed: true, remaining: 2 });
    const other = await contender(prefix, { places: 2, maxInFlight: 3, leaseMs });
    expect((await other.start()).held).toBe(2);
    const heldAt = await serverMs();
    await eventually(async () => {
      const refused = await limiter.check(ask);
      expect(refused).toMatchObject({ allowed: false, code: "CONCURRENCY_LIMIT", violated: ["chat.inflight"] });
      return (await serverMs()) - heldAt > 2 * leaseMs;
    });
    // Refusals took nothing from the rate.
    expect((await limiter.peek(ask)).limits[0]?.remaining).toBe(99);

    const killedAt = await serverMs();
    await other.kill();
    await eventually(async () => (await limiter.peek(ask)).concurrency?.remaining === 2);
    const waitedMs = (await serverMs()) - killedAt;
    // Extended for the last time up to a third of the lease before it was killed.
    expect(waitedMs).toBeGreaterThan(leaseMs / 3);
    expect(waitedMs).toBeLessThan(leaseMs + 500);
    const renewedAt = await serverMs();
    await eventually(async () => (await serverMs()) - renewedAt > 1.5 * leaseMs);
    expect((await limiter.peek(ask)).concurrency?.remaining).toBe(2);
    await own.release();
    expect((await limiter.peek(ask)).concurrency?.remaining).toBe(3);
  }, 40_000);
});
