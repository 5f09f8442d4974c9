// The limiter on a Redis Cluster of three masters: the holders of one check lie in different slots, so a check is several scripts.
import { openRedisStore } from "@portcullis/store-redis";
import { beforeAll, expect, it } from "vitest";
import { connectCluster } from "../../packages/store-redis/test/clients.js";
import { describeWith, redisPrefix } from "../../tools/test-services/connect.js";
import { allowedOf, atOnce, limiterOn, recording } from "./rate-limit-limiter.js";

const PATIENT = { deadlineMs: 10_000 };
const HOUR = { periodMs: 3_600_000 };

describeWith("redis-cluster", "the limiter on a Cluster", () => {
  let cluster: ReturnType<typeof connectCluster>;
  beforeAll(() => {
    cluster = connectCluster();
  });

  /** One on each master: the service has one key, so the others are looked for. */
  async function holders(): Promise<{ subject: string; organization: string }> {
    const masterOf = async (id: string) => Math.floor((await cluster.cluster("KEYSLOT", `{${id}}`)) / Math.ceil(16_384 / 3));
    const taken = new Set([await masterOf("service")]);
    const found: string[] = [];
    for (let number = 0; found.length < 2; number += 1) {
      const master = await masterOf(`id-${number}`);
      if (taken.has(master)) continue;
      taken.add(master);
      found.push(`id-${number}`);
    }
    const [subject = "", organization = ""] = found;
    return { subject, organization };
  }

  function limiterWith<Operation extends string = never>(options: Parameters<typeof limiterOn<Operation>>[1]) {
    const client = recording(cluster);
    return {
      client,
      limiter: limiterOn<Operation>(openRedisStore(client, { prefix: redisPrefix(), ...PATIENT }), { ...PATIENT, ...options }),
    };
  }

  const WIDE_USER = { tiers: { free: { limit: 100, burst: 100, ...HOUR } } };
  const ONE_EACH = { limit: 1, burst: 1, ...HOUR };
  const TEN = { limit: 1, burst: 10, ...HOUR };

  it("RL-09 twenty calls of a user who has one take one from the organization and the service", async () => {
    const caller = await holders();
    const { limiter } = limiterWith({ tiers: { free: ONE_EACH }, organizations: TEN, service: TEN });
    expect(allowedOf(await atOnce(20, () => limiter.check({ phase: "identified", ...caller })))).toBe(1);
    const { limits } = await limiter.peek({ phase: "identified", subject: "somebody-else", organization: caller.organization });
    expect(limits.map(({ name, remaining }) => [name, remaining])).toEqual([
      ["authenticated", 1],
      ["organization", 9],
      ["service", 9],
    ]);
  });

  it("RL-09 what a wider holder refuses, the narrower ones get back", async () => {
    const caller = await holders();
    const { limiter } = limiterWith({ ...WIDE_USER, organizations: TEN, service: ONE_EACH });
    const decisions = await atOnce(20, () => limiter.check({ phase: "identified", ...caller }));
    expect(allowedOf(decisions)).toBe(1);
    const { limits } = await limiter.peek({ phase: "identified", ...caller });
    expect(limits.map(({ name, remaining }) => [name, remaining])).toEqual([
      ["authenticated", 99],
      ["organization", 9],
      ["service", 0],
    ]);
  });

  it("RL-09 what a cap on requests in flight refuses, costs nobody anything", async () => {
    const caller = await holders();
    const { limiter } = limiterWith({
      ...WIDE_USER,
      service: TEN,
      operations: { export: { limit: 1, burst: 50, ...HOUR, per: "organization", maxInFlight: 1 } },
    });
    const ask = () => limiter.check({ phase: "identified", ...caller, operation: "export" });
    const decisions = await atOnce(20, ask);
    expect(allowedOf(decisions)).toBe(1);
    for (const { allowed, code, violated } of decisions)
      if (!allowed) expect([code, violated]).toEqual(["CONCURRENCY_LIMIT", ["export.inflight"]]);
    const { limits } = await limiter.peek({ phase: "identified", ...caller, operation: "export" });
    expect(limits.map(({ name, remaining }) => [name, remaining])).toEqual([
      ["authenticated", 99],
      ["export", 49],
    ]);
    const service = await limiter.peek({ phase: "identified", subject: "somebody-else" });
    expect(service.limits.map(({ name, remaining }) => [name, remaining])).toEqual([
      ["authenticated", 100],
      ["service", 9],
    ]);
    await Promise.all(decisions.map(async (decision) => decision.release()));
    expect((await ask()).concurrency).toMatchObject({ allowed: true, remaining: 0 });
  });

  it("RL-09 a place that was taken before a wider holder refuses is free again", async () => {
    const caller = await holders();
    const { limiter } = limiterWith({ ...WIDE_USER, service: ONE_EACH, operations: { chat: { maxInFlight: 5 } } });
    const decisions = await atOnce(20, () => limiter.check({ phase: "identified", ...caller, operation: "chat" }));
    expect(allowedOf(decisions)).toBe(1);
    const { concurrency } = await limiter.peek({ phase: "operation", operation: "chat", by: { subject: caller.subject } });
    expect(concurrency?.remaining).toBe(4);
    expect(limiter.status().caps).toEqual([{ name: "chat.inflight", capacity: 5, held: 1 }]);
  });

  it("RL-45 all keys of one script share a tag, whoever the holder is", async () => {
    const { client, limiter } = limiterWith({
      ...WIDE_USER,
      organizations: TEN,
      service: { limit: 1_000, shards: 8 },
      operations: { chat: { limit: 10, maxInFlight: 5 }, export: { limit: 10, maxInFlight: 5, per: "organization" } },
    });
    for (const id of ["ada", "{}", "a}{b", "", "a b", "\0", "{service}", "🙂".repeat(50)]) {
      for (const operation of ["chat", "export"] as const) {
        const decision = await limiter.check({ phase: "identified", subject: id, organization: id, operation });
        expect(decision.degraded).toBeUndefined();
        await decision.refund();
        await decision.release();
      }
      await limiter.reset({ subject: id });
    }
    expect(client.sent.length).toBeGreaterThan(50);
    expect(client.sent.some(({ keys }) => keys.length === 2)).toBe(true);
    for (const { keys } of client.sent) {
      expect(new Set(keys.map((key) => /\{([^{}]+)\}/.exec(key)?.[1])).size).toBe(1);
      expect(keys.every((key) => key.split("{").length === 2)).toBe(true);
    }
  });
});
