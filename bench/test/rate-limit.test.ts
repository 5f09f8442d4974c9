// The comparison is fair only if everybody limits: no times here, only answers.
import { createMemoryStore } from "@portcullis/core";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeWith, redisPrefix, redisUrl } from "../../tools/test-services/connect.js";
import { ARRIVALS, ours } from "../rate-limit/admitted.js";
import { oneLimit, OPERATION, ORGANIZATION, threeHolders, threeLimits } from "../rate-limit/limiters.js";
import { expressStore, flexibleMemory, flexibleUnion, honoStore, type Peer } from "../rate-limit/memory-peers.js";
import { bareIncrement, bareScript, flexibleRedis, flexibleRedisUnion, upstashSlidingWindow } from "../rate-limit/redis-peers.js";
import { storeOn } from "../rate-limit/redis-speed.js";
import { simulateTime } from "../rate-limit/simulated-time.js";
import { subjectAt, subjectsOf, VISITS, visitsOf } from "../rate-limit/subjects.js";

const LIMIT = { limit: 3 };
const SETTING = { burst: 3, periodMs: 86_400_000 };

async function answersOf({ ask }: Peer, subject: string): Promise<readonly boolean[]> {
  const answers: boolean[] = [];
  for (let time = 0; time < 4; time += 1) answers.push(await ask(subject));
  return answers;
}

function limitsEachSubject(peerOf: () => Peer): () => Promise<void> {
  return async () => {
    const peer = peerOf();
    expect(await answersOf(peer, "ada")).toEqual([true, true, true, false]);
    expect(await peer.ask("grace")).toBe(true);
  };
}

describe("in memory, three fit and the fourth is refused", () => {
  const peers = { flexibleMemory, flexibleUnion, expressStore, honoStore };
  for (const [name, create] of Object.entries(peers))
    test(
      name,
      limitsEachSubject(() => create(LIMIT)),
    );

  test(
    "one limit of ours",
    limitsEachSubject(() => {
      const limiter = oneLimit(createMemoryStore(), SETTING);
      return { name: "ours", ask: async (subject) => (await limiter.check({ phase: "identified", subject })).allowed };
    }),
  );

  test(
    "three holders of ours, each asked",
    limitsEachSubject(() => {
      const limiter = threeHolders(createMemoryStore(), SETTING);
      return {
        name: "ours",
        async ask(subject) {
          const { allowed, limits } = await limiter.check({ phase: "identified", subject, organization: ORGANIZATION });
          if (allowed) expect(limits.map(({ name }) => name)).toEqual(["authenticated", "organization", "service"]);
          return allowed;
        },
      };
    }),
  );

  test(
    "three limits of one holder of ours",
    limitsEachSubject(() => {
      const limiter = threeLimits(createMemoryStore(), SETTING);
      return {
        name: "ours",
        async ask(subject) {
          const { allowed, limits } = await limiter.check({ phase: "identified", subject, operation: OPERATION });
          expect(limits.map(({ name }) => name)).toEqual(["authenticated", OPERATION, `${OPERATION}.ceiling`]);
          return allowed;
        },
      };
    }),
  );
});

describeWith("redis", "on Redis, three fit and the fourth is refused", () => {
  let client: Redis;
  beforeAll(() => {
    client = new Redis(redisUrl(), { keyPrefix: redisPrefix() });
  });
  afterAll(() => client.disconnect());

  const peers = { flexibleRedis, flexibleRedisUnion, upstashSlidingWindow };
  for (const [name, create] of Object.entries(peers))
    test(
      name,
      limitsEachSubject(() => create(client, LIMIT)),
    );

  test(
    "flexibleRedis with its in-memory block",
    limitsEachSubject(() => flexibleRedis(client, { limit: 3 }, true)),
  );

  test(
    "three limits and a lease of ours",
    limitsEachSubject(() => {
      const limiter = threeLimits(storeOn(client, "lease:"), SETTING, { lease: true });
      return {
        name: "ours",
        async ask(subject) {
          const decision = await limiter.check({ phase: "identified", subject, operation: OPERATION });
          expect(decision.decidedBy).toBe("store");
          expect(decision.concurrency?.name).toBe(`${OPERATION}.inflight`);
          await decision.release();
          return decision.allowed;
        },
      };
    }),
  );

  test("a refusal of ours is remembered", async () => {
    const limiter = oneLimit(storeOn(client, "denied:"), { ...SETTING, burst: 1 });
    const check = async (): Promise<string> => {
      const { allowed, decidedBy } = await limiter.check({ phase: "identified", subject: "ada" });
      return `${allowed} by ${decidedBy}`;
    };
    expect([await check(), await check(), await check()]).toEqual(["true by store", "false by store", "false by denials"]);
  });

  test("the floors refuse nobody", async () => {
    expect(await answersOf(bareIncrement(client), "ada")).toEqual([true, true, true, true]);
    expect(await answersOf(await bareScript(client), "ada")).toEqual([true, true, true, true]);
  });
});

describe("simulated time", () => {
  test("peers and ours follow it: after the window, what was refused is admitted", async () => {
    const time = simulateTime();
    const limited = { kind: "window", limit: 3, periodMs: 1_000 } as const;
    await time.during(async () => {
      const peers = [flexibleMemory, expressStore, honoStore].map((create) => create({ limit: 3, windowMs: 1_000 }));
      for (const peer of [...peers, ours(time, limited)]) {
        time.at = 0;
        expect([peer.name, ...(await answersOf(peer, "ada"))]).toEqual([peer.name, true, true, true, false]);
        time.at = 2_000;
        expect([peer.name, await peer.ask("ada")]).toEqual([peer.name, true]);
      }
    });
    expect(Math.abs(Date.now() - performance.timeOrigin - performance.now())).toBeLessThan(60_000);
  });

  test("arrivals are in order", () => {
    for (const instants of Object.values(ARRIVALS).map((arrivals) => arrivals())) {
      expect(instants).toEqual([...instants].sort((a, b) => a - b));
    }
  });
});

test("subjects differ, and all of them are visited", () => {
  expect(subjectsOf(3)).toEqual(["user-000000", "user-000001", "user-000002"]);
  expect(subjectAt(999_999)).toBe("user-999999");
  const visits = visitsOf(subjectsOf(1_000));
  expect(visits.length).toBe(VISITS);
  expect(new Set(visits).size).toBe(1_000);
});
