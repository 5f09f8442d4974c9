// The limiter of @portcullis/rate-limit on a real Redis, through @portcullis/store-redis.
import { createManualClock } from "@portcullis/testkit";
import { openRedisStore } from "@portcullis/store-redis";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect } from "../../packages/store-redis/test/clients.js";
import { eventually, type OwnRedis, startOwnRedis } from "../../packages/store-redis/test/own-redis.js";
import { describeWith, redisPrefix } from "../../tools/test-services/connect.js";
import { allowedOf, atOnce, burstOf, limiterOn, recording, skewedClock } from "./rate-limit-limiter.js";

const HOUR_MS = 3_600_000;
const ADA = { phase: "identified", subject: "ada" } as const;
const PATIENT = { deadlineMs: 5_000 };

function storeAt(prefix: string, client: Parameters<typeof openRedisStore>[0] = connect()) {
  return openRedisStore(client, { prefix, ...PATIENT });
}

async function lifetimesOf(client: Redis, prefix: string): Promise<{ key: string; kind: string; ms: number }[]> {
  const keys: string[] = [];
  for await (const found of client.scanStream({ match: `${prefix}*`, count: 1_000 })) keys.push(...(found as string[]));
  const named = (key: string) => key.slice(prefix.length).replace(/\{.*\}/, "");
  return Promise.all(keys.map(async (key) => ({ key, kind: named(key), ms: await client.pttl(key) })));
}

describeWith("redis", "the limiter on Redis: round trips", () => {
  // Its own: another test may flush the scripts of the one that is shared.
  let server: OwnRedis;
  beforeAll(async () => {
    server = await startOwnRedis();
  });
  afterAll(async () => server.stop());

  it("RL-40 asks once for tier, operation and place in flight, once more for each wider holder", async () => {
    const client = recording(connect(server.url));
    const limiter = limiterOn(storeAt(redisPrefix(), client), {
      ...PATIENT,
      organizations: { limit: 1_000 },
      service: { limit: 10_000 },
      operations: { "chat.create": { limit: 30, ceiling: { kind: "calendar", limit: 1_000, period: "day" }, maxInFlight: 3 } },
    });
    const wide = { ...ADA, organization: "acme", operation: "chat.create" } as const;
    for (let asked = 0; asked < 2; asked += 1) await limiter.check(wide); // each script is loaded once
    client.clear();
    const alone = limiterOn(storeAt(redisPrefix(), client), {
      ...PATIENT,
      operations: { "chat.create": { limit: 30, ceiling: { kind: "calendar", limit: 1_000, period: "day" }, maxInFlight: 3 } },
    });
    const decision = await alone.check({ ...ADA, operation: "chat.create" });
    expect(decision.limits.map(({ name }) => name)).toEqual(["authenticated", "chat.create", "chat.create.ceiling"]);
    expect(decision.concurrency?.remaining).toBe(2);
    expect(client.sent.map(({ operation }) => operation)).toEqual(["consume"]);
    client.clear();
    expect((await limiter.check(wide)).allowed).toBe(true);
    expect(client.sent.map(({ keys }) => keys.length)).toEqual([2, 1, 1]);
  });

  it("RL-40 limits for each of a thousand tenants leave a bounded number of scripts in Redis", async () => {
    const client = connect(server.url);
    const { limits } = storeAt(redisPrefix(), client);
    for (let tenant = 0; tenant < 1_000; tenant += 1) {
      const cells = Object.freeze([{ kind: "bucket", id: "own", capacity: 10 + tenant, intervalMs: 1_000, cost: 1 } as const]);
      for (const remaining of [9, 8, 7]) {
        const { allowed, cells: states } = await limits.consume({ kind: "org", id: `${tenant}`, cells });
        expect([allowed, states[0]?.remaining]).toEqual([true, tenant + remaining]);
      }
    }
    expect(Number(/number_of_cached_scripts:(\d+)/.exec(await client.info("memory"))?.[1])).toBeLessThan(600);
  });

  it("RL-40 gives back in one round trip for each holder, and a remembered refusal takes none", async () => {
    const client = recording(connect(server.url));
    const limiter = limiterOn(storeAt(redisPrefix(), client), { ...PATIENT, ...burstOf(1), operations: { ask: { limit: 5 } } });
    const decision = await limiter.check({ ...ADA, operation: "ask" });
    client.clear();
    await decision.refund();
    expect(client.sent.map(({ operation }) => operation)).toEqual(["settle"]);
    await atOnce(2, () => limiter.check(ADA));
    client.clear();
    expect((await limiter.check(ADA)).decidedBy).toBe("denials");
    expect(client.sent).toEqual([]);
  });
});

describeWith("redis", "the limiter on Redis: time", () => {
  it("RL-41 processes whose clocks differ by an hour enforce one limit of each kind", async () => {
    const store = storeAt(redisPrefix());
    const operations = {
      bucket: { limit: 1, periodMs: HOUR_MS, burst: 6 },
      window: { kind: "window", limit: 6, periodMs: 24 * HOUR_MS },
      month: { kind: "calendar", limit: 6, period: "month" },
    } as const;
    const limiters = [-HOUR_MS, 0, HOUR_MS].map((skew) => limiterOn(store, { ...PATIENT, clock: skewedClock(skew), operations }));
    for (const operation of ["bucket", "window", "month"] as const) {
      const all = await Promise.all(limiters.map((limiter) => atOnce(6, () => limiter.check({ ...ADA, operation }))));
      expect([operation, allowedOf(all.flat())]).toEqual([operation, 6]);
    }
  });

  it.each(["day", "week", "month"] as const)(
    "RL-41 the %s of a quota is the store's, also for processes that are in another one",
    async (period) => {
      // Both midnights: the store is half an hour before or after the edge, one process an hour off and on the other side.
      for (const edge of [Date.UTC(2030, 3, 1), Date.UTC(2029, 0, 1)]) {
        for (const [storeAtMs, skew] of [
          [edge + HOUR_MS / 2, -HOUR_MS],
          [edge - HOUR_MS / 2, HOUR_MS],
        ] as const) {
          const clock = createManualClock(storeAtMs);
          const store = openRedisStore(connect(), { prefix: redisPrefix(), clock, ...PATIENT });
          const limiters = [0, skew].map((by) => {
            const skewed = { ...clock, now: () => clock.now() + by };
            return limiterOn(store, { ...PATIENT, clock: skewed, operations: { export: { kind: "calendar", limit: 4, period } } });
          });
          const ask = async () => Promise.all(limiters.map((limiter) => atOnce(4, () => limiter.check({ ...ADA, operation: "export" }))));
          expect(allowedOf((await ask()).flat())).toBe(4);
          if (skew < 0) continue;
          clock.advance(HOUR_MS); // the period ends
          expect(allowedOf((await ask()).flat())).toBe(4);
        }
      }
    },
  );

  it("RL-42 every key ends by itself, and soon after the limit is full again, whatever was done to it", async () => {
    const client = connect();
    const prefix = redisPrefix();
    const limiter = limiterOn(storeAt(prefix, client), {
      ...PATIENT,
      denials: false,
      organizations: { limit: 600, burst: 60, ceiling: { kind: "calendar", limit: 900, period: "day" } },
      operations: {
        chat: { limit: 600, burst: 60, maxInFlight: 4, leaseMs: 2_000 },
        search: { kind: "window", limit: 50, periodMs: 2_000 },
      },
    });
    let seed = 20_30;
    const upTo = (most: number): number => (seed = (seed * 48_271) % 2_147_483_647) % most;
    const held: Awaited<ReturnType<typeof limiter.check>>[] = [];
    const ipKey = () => `192.0.2.${upTo(4)}`;
    const user = () => ({ phase: "identified", subject: `user-${upTo(6)}`, organization: `org-${upTo(2)}` }) as const;
    const doOne: readonly (() => Promise<unknown>)[] = [
      async () => limiter.check({ phase: "floor", ipKey: ipKey(), cost: upTo(3) }),
      async () => limiter.check({ phase: "anonymous", ipKey: ipKey(), operation: "search" }),
      async () => limiter.check({ ...user(), operation: "search", cost: upTo(5) }),
      async () => held.push(await limiter.check({ ...user(), operation: "chat", cost: upTo(7) })),
      async () => held.push(await limiter.check({ ...user(), operation: "chat" })),
      async () => limiter.peek({ ...user(), operation: "chat" }),
      async () => held[upTo(held.length + 1)]?.refund(),
      async () => held[upTo(held.length + 1)]?.settle(upTo(12)),
      async () => held[upTo(held.length + 1)]?.release(),
      async () => Promise.all(held.splice(0, 8).map(async (decision) => decision.release())),
      async () => limiter.block({ subject: `user-${upTo(6)}` }, upTo(4) * 500),
      async () => (upTo(4) === 0 ? limiter.reset({ subject: `user-${upTo(6)}` }) : limiter.reset({ ipKey: ipKey() })),
    ];
    const most: Record<string, number> = {};
    for (let round = 0; round < 40; round += 1) {
      await Promise.all(Array.from({ length: 100 }, async () => doOne[upTo(doOne.length)]?.()));
      for (const { kind, ms } of await lifetimesOf(client, prefix)) {
        expect(`${kind} ${ms !== -1}`).toBe(`${kind} true`);
        most[kind] = Math.max(most[kind] ?? 0, ms);
      }
    }
    await Promise.all(held.map(async (decision) => decision.release()));
    const [slackMs, dayMs] = [1_000, 24 * HOUR_MS];
    const { "rl:u:": ofUsers = 0, "rl:o:": ofOrganizations = 0, "rl:i:": ofAddresses = 0, ...places } = most;
    expect(ofUsers).toBeLessThanOrEqual(6_000 + slackMs); // the chat's 60 units at 600 a minute
    expect(ofUsers).toBeGreaterThan(slackMs);
    expect(ofOrganizations).toBeLessThanOrEqual(dayMs + slackMs);
    expect(ofAddresses).toBeLessThanOrEqual(4_000 + slackMs); // two windows
    expect(Object.values(places)).toHaveLength(1);
    expect(Object.values(places)[0]).toBeLessThanOrEqual(2 * 2_000 + slackMs);
    // Of an address the floor alone: its key outlives what is used by the slack only.
    await limiter.check({ phase: "floor", ipKey: "198.51.100.1", cost: 40_000 });
    const pttl = await client.pttl(`${prefix}rl:i:{198.51.100.1}`);
    const { resetMs } = await limiter.peek({ phase: "floor", ipKey: "198.51.100.1" });
    expect(Math.abs(pttl - resetMs - slackMs)).toBeLessThan(500);
  }, 30_000);
});

describeWith("redis", "the limiter on Redis: scripts and rights", () => {
  it("RL-44 the limit is exact while the scripts are flushed between calls and under them", async () => {
    const server = await startOwnRedis();
    const client = connect(server.url);
    const limiter = limiterOn(openRedisStore(connect(server.url), PATIENT), { ...PATIENT, ...burstOf(300), denials: false, batches: true });
    let allowed = 0;
    for (let round = 0; round < 10; round += 1) {
      const flushes = Array.from({ length: 10 }, async () => client.script("FLUSH"));
      const decisions = await atOnce(40, () => limiter.check({ ...ADA, cost: 1 }));
      await Promise.all(flushes);
      expect(decisions.every(({ degraded }) => degraded === undefined)).toBe(true);
      allowed += allowedOf(decisions);
    }
    await eventually(async () => ((allowed += allowedOf([await limiter.check(ADA)])), allowed >= 300));
    expect([allowed, (await limiter.peek(ADA)).allowed]).toEqual([300, false]);
    await server.stop();
  });

  it("RL-46 the limits need these rights on their own keys, and each of them", async () => {
    const server = await startOwnRedis();
    const admin = connect(server.url);
    const rights = "eval evalsha time get set del zadd zrem zcount zscore zremrangebyscore pttl pexpire".split(" ");
    const keys = ["resetkeys", "~shop:rl:*", "resetchannels"];
    await admin.call("ACL", "SETUSER", "app", "on", ">secret", ...keys, "-@all", ...rights.map((name) => `+${name}`));
    // The ready check of ioredis wants INFO; the limits do not.
    const client = connect(server.url, { username: "app", password: "secret", enableReadyCheck: false });
    const { limits } = openRedisStore(client, { prefix: "shop:", ...PATIENT });
    const holder = { kind: "user", id: "ada" } as const;
    const lease = { id: "op:chat", capacity: 2, key: "place", ttlMs: 1_000 };
    const cells = [{ id: "tier", kind: "bucket", capacity: 5, intervalMs: 1_000, cost: 1 }] as const;
    const useAll = async () => {
      await admin.script("FLUSH");
      const { at } = await limits.consume({ ...holder, cells, lease });
      if (!(await limits.renew(holder, lease))) throw new Error("no place to renew");
      // A second place, and one too many.
      for (const place of ["second", "third"]) await limits.consume({ ...holder, cells: [], lease: { ...lease, key: place } });
      await limits.settle({ ...holder, cells, lease }, at);
      await limits.block(holder, 1_000);
      await limits.reset(holder);
    };
    await useAll();
    for (const right of rights) {
      await admin.call("ACL", "SETUSER", "app", `-${right}`);
      await expect(useAll(), right).rejects.toMatchObject({ code: "store_unavailable" });
      await admin.call("ACL", "SETUSER", "app", `+${right}`);
      await admin.flushall();
    }
    await useAll();
    await expect(openRedisStore(client, { prefix: "other:", ...PATIENT }).limits.consume({ ...holder, cells })).rejects.toThrow();
    await server.stop();
  });
});

describeWith("redis", "two processes on one Redis", () => {
  it.each(["refund", "reset"] as const)(
    "RL-06 after a %s by one, the other remembers its refusal for denials.maxAgeMs at most",
    async (how) => {
      const store = storeAt(redisPrefix());
      const clock = createManualClock();
      const one = limiterOn(store, { ...PATIENT, ...burstOf(1) });
      const other = limiterOn(store, { ...PATIENT, ...burstOf(1), clock, denials: { maxAgeMs: 2_000 } });
      const charged = await one.check(ADA);
      expect((await other.check(ADA)).allowed).toBe(false);
      await (how === "refund" ? charged.refund() : one.reset({ subject: "ada" }));
      clock.advance(1_999);
      expect(await other.check(ADA)).toMatchObject({ allowed: false, decidedBy: "denials" });
      clock.advance(1);
      expect(await other.check(ADA)).toMatchObject({ allowed: true, decidedBy: "store" });
    },
  );

  it.each(["refund", "reset"] as const)(
    "RL-06 a %s is seen by the next check of its own process, also where a refusal was on its way",
    async (how) => {
      const limiter = limiterOn(storeAt(redisPrefix()), { ...PATIENT, ...burstOf(1) });
      const charged = await limiter.check(ADA);
      const refused = limiter.check(ADA);
      await (how === "refund" ? charged.refund() : limiter.reset({ subject: "ada" }));
      expect((await refused).allowed).toBe(false);
      expect((await limiter.check(ADA)).allowed).toBe(true);
    },
  );

  it("RL-02 a block ends the batch of its own process at once, and that of another one when it has been held for its time", async () => {
    const store = storeAt(redisPrefix());
    const clock = createManualClock();
    const options = { ...PATIENT, ...burstOf(1_000), clock, batches: { fromChecksPerSecond: 1, holdMs: 250 } };
    const [one, other] = [limiterOn(store, options), limiterOn(store, options)];
    for (const limiter of [one, other]) expect((await limiter.check(ADA)).decidedBy).toBe("batch");
    await one.block({ subject: "ada" }, 60_000);
    expect((await one.check(ADA)).code).toBe("BLOCKED");
    expect((await other.check(ADA)).decidedBy).toBe("batch");
    clock.advance(250);
    expect((await other.check(ADA)).code).toBe("BLOCKED");
    await one.block({ subject: "ada" }, 0);
    expect((await one.check(ADA)).allowed).toBe(true);
  });
});

describeWith("redis", "a Redis that becomes a replica", () => {
  it("RL-44 is an outage while it is read-only, by the policy, and over when it is a master again", async () => {
    const server = await startOwnRedis();
    const admin = connect(server.url);
    const store = openRedisStore(connect(server.url), PATIENT);
    const breaker = { failures: 2, probeMs: 10 };
    const closed = limiterOn(store, { ...PATIENT, ...burstOf(10), onOutage: "closed", breaker });
    const local = limiterOn(store, { ...PATIENT, ...burstOf(10), breaker });
    for (const limiter of [closed, local]) expect(await limiter.check(ADA)).toMatchObject({ allowed: true, degraded: undefined });
    await admin.call("REPLICAOF", "127.0.0.1", "1");
    expect(await closed.check(ADA)).toMatchObject({ allowed: false, code: "LIMITER_UNAVAILABLE", degradedReason: "store_failed" });
    // It saw two used.
    expect(await local.check(ADA)).toMatchObject({ allowed: true, degraded: "local", degradedReason: "store_failed", remaining: 7 });
    await admin.call("REPLICAOF", "NO", "ONE");
    for (const limiter of [closed, local]) await eventually(async () => (await limiter.check(ADA)).degraded === undefined);
    await server.stop();
  });
});
