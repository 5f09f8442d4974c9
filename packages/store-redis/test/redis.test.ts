import { type LimitCell, type LimitLease, StoreUnavailable, type StoreWith } from "@portcullis/core";
import { openRedisStore, type RedisClient, type RedisStore } from "@portcullis/store-redis";
import { createManualClock } from "@portcullis/testkit";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import { describeWith, redisPrefix } from "../../../tools/test-services/connect.js";
import { keyPart } from "../src/redis-key.js";
import { connect } from "./clients.js";
import { startOwnRedis } from "./own-redis.js";

const LIMIT: LimitCell = { id: "tier", kind: "bucket", capacity: 2, intervalMs: 1_000, cost: 1 };
const WINDOW: LimitCell = { id: "hour", kind: "window", capacity: 2, windowMs: 1_000, cost: 1 };
const QUOTA: LimitCell = {
  id: "day",
  kind: "calendar",
  capacity: 9,
  boundaries: [0, Date.now() - 1_000, Date.now() + 30_000, 1e14],
  cost: 1,
};
const leaseOf = (key: string): LimitLease => ({ id: "export", capacity: 5, key, ttlMs: 30_000 });
const KEY = {
  name: "ci",
  hash: "h",
  pepperId: "p",
  lastFour: "wxyz",
  expiresAt: undefined,
  revokedAt: undefined,
  lastUsedAt: undefined,
  data: "{}",
};

/** Every operation of every port once, under keys that nobody would choose. */
async function useEverything(store: RedisStore, name: string): Promise<void> {
  const { tickets, counters, limits, subjects, sessions, apiKeys, leases, records, bus } = store;
  await tickets.put(name, "value", 60_000);
  await tickets.replace(name, "value", "other", 60_000);
  await tickets.peek(name);
  await tickets.put(`${name}-taken`, "value", 60_000);
  await tickets.take(`${name}-taken`);
  await counters.add(name, 1, { limit: 5, windowMs: 250 });
  await counters.read(name);
  const holder = { kind: "user", id: name } as const;
  const { at } = await limits.consume({ ...holder, cells: [LIMIT, WINDOW, QUOTA], lease: leaseOf("one") });
  await limits.settle({ ...holder, cells: [{ ...QUOTA, cost: 1 }], lease: leaseOf("one") }, at);
  await limits.consume({ ...holder, cells: [], lease: leaseOf("other") });
  await limits.renew(holder, leaseOf("other"));
  await limits.block({ kind: "ip", id: name }, 30_000);
  await limits.consume({ kind: "org", id: name, cells: [LIMIT] });
  await limits.reset({ kind: "org", id: name });
  await subjects.bump(name, "tokenVersion");
  await subjects.setDisabled(name, true);
  for (const id of ["a", "b", "c"])
    await sessions.create(
      { id: name + id, subjectId: name, refreshHash: "h", ttlMs: 60_000, idleMs: 0, data: "{}" },
      { limit: 2, whenFull: "evict-oldest" },
    );
  await sessions.create(
    { id: name, subjectId: name, refreshHash: "h", ttlMs: 60_000, idleMs: 0, data: "{}" },
    { limit: 2, whenFull: "refuse" },
  );
  await sessions.rotate(`${name}b`, "h", "i");
  await sessions.find(`${name}b`);
  await sessions.find(`${name}b`, 0);
  await sessions.list(name);
  await sessions.revoke(name, { id: `${name}c` });
  await apiKeys.insert({ ...KEY, id: name, ownerId: name, createdAt: 1 });
  await apiKeys.touch(name, 0);
  await apiKeys.list(name);
  await apiKeys.revoke(name, name);
  const end = await bus.subscribe("a", { onMessage: () => {} });
  await bus.publish("a", name);
  await end();
  await leases.acquire(name, "me", 60_000);
  await leases.release(name, "me");
  await leases.acquire(name, "you", 60_000);
  await records.insert(name, { id: name, scope: name, uniqueKey: name, value: "{}" });
  await records.replace(name, name, 1, "{}");
  await records.find(name, { uniqueKey: name });
  await records.list(name, { scope: name, limit: 10 });
  await records.insert(name, { id: "gone", scope: name, value: "{}" });
  await records.remove(name, "gone");
}

async function keysOf(client: Redis, pattern: string): Promise<string[]> {
  const found: string[] = [];
  for await (const keys of client.scanStream({ match: pattern, count: 1_000 })) found.push(...(keys as string[]));
  return found;
}

describe("openRedisStore", () => {
  const client: RedisClient = { status: "ready", evalsha: async () => 1, eval: async () => 1, ping: async () => "PONG" };

  it.each([
    [{ prefix: "a{b}" }, /prefix/],
    [{ prefix: "x".repeat(65) }, /prefix/],
    [{ deadlineMs: 0 }, /deadlineMs/],
    [{ deadlineMs: Number.NaN }, /deadlineMs/],
    [{ maxPending: 0 }, /maxPending/],
    [{ maxPending: 1.5 }, /maxPending/],
  ])("refuses %o", (options, message) => {
    expect(() => openRedisStore(client, options)).toThrow(message);
    expect(() => openRedisStore(client, options)).toThrow(expect.objectContaining({ code: "invalid_option" }));
  });

  it("refuses what is no client", () => {
    for (const wrong of [undefined, null, {}, "redis://localhost"]) {
      // @ts-expect-error Not a client.
      expect(() => openRedisStore(wrong)).toThrow(/client/);
    }
  });

  it("offers no port that Redis does not have: asking for one does not compile", () => {
    const needs = <Store>(store: Store) => Object.keys(store as object); // any object has keys
    expect(needs<StoreWith<"limits" | "tickets">>(openRedisStore(client))).toContain("limits");
    // @ts-expect-error The log wants a durable store.
    expect(needs<StoreWith<"log">>(openRedisStore(client))).not.toContain("log");
  });

  it("sends nothing", () => {
    const silent: RedisClient = {
      ...client,
      evalsha: () => Promise.reject(new Error("sent")),
      ping: () => Promise.reject(new Error("sent")),
    };
    expect(() => openRedisStore(silent)).not.toThrow();
  });
});

describe("keys", () => {
  it("RL-25 are injective, bounded, and without braces", () => {
    const awkward = fc.oneof(
      fc.string({ unit: "binary", maxLength: 80 }),
      fc.constantFrom("", "{}", "}{", "#", "\0", "\ud800", "\ud801", "é", "e\u0301", "x".repeat(10_240)),
    );
    fc.assert(
      fc.property(awkward, awkward, (a, b) => {
        expect(keyPart(a) === keyPart(b)).toBe(a === b);
        expect(keyPart(a)).toMatch(/^[A-Za-z0-9_.:@/+=#-]{1,64}$/);
      }),
      { numRuns: 5_000 },
    );
  });

  it("RL-25 a plain string cannot pass for a digest", () => {
    const digest = keyPart("{}");
    expect(keyPart(digest)).not.toBe(digest);
  });
});

describeWith("redis", "the store on Redis", () => {
  it("RL-42 gives a lifetime to every key whose data expires, and never one much longer than the data", async () => {
    const client = connect();
    const prefix = redisPrefix();
    for (const name of ["plain", "{}", "", "a:b", "\0\n", "🙂"])
      await useEverything(openRedisStore(client, { deadlineMs: 5_000, prefix }), name);
    const keys = await keysOf(client, `${prefix}*`);
    const lifetimes = await Promise.all(
      keys.map(async (key) => ({ kind: key.slice(prefix.length).split(":")[0] ?? "", ms: await client.pttl(key) })),
    );
    const kinds = (held: (ms: number) => boolean) => [...new Set(lifetimes.filter(({ ms }) => held(ms)).map(({ kind }) => kind))].sort();
    expect(kinds((ms) => ms === -1)).toEqual(["api-key", "api-keys", "record-index", "record-keys", "records", "subject"]);
    expect(kinds((ms) => ms > 0)).toEqual(["counter", "lease", "rl", "session-pointer", "sessions", "ticket"]);
    expect(Math.max(...lifetimes.map(({ ms }) => ms))).toBeLessThanOrEqual(61_000);
    expect(Math.max(...lifetimes.filter(({ kind }) => kind === "counter").map(({ ms }) => ms))).toBeLessThanOrEqual(1_250);
  });

  it("RL-44 loads its scripts again after SCRIPT FLUSH", async () => {
    const client = connect();
    const store = openRedisStore(client, { prefix: redisPrefix(), deadlineMs: 1_000 });
    await store.tickets.put("a", "value", 60_000);
    await client.script("FLUSH");
    expect(await store.tickets.take("a")).toBe("value");
    await client.script("FLUSH");
    const results = await Promise.all(
      Array.from({ length: 100 }, async () => store.limits.consume({ kind: "user", id: "ada", cells: [LIMIT] })),
    );
    expect(results.filter(({ allowed }) => allowed)).toHaveLength(2);
  });

  it("RL-46 needs no right beyond its prefix, and none to look at other keys", async () => {
    const server = await startOwnRedis();
    const admin = connect(server.url);
    const commands =
      "+eval +evalsha +ping +time +get +set +del +exists +pexpire +hget +hset +hdel +hexists +hsetnx +hincrby +hmget +hgetall +lrem +lpush +lrange +zadd +zrem +zcount +zscore +zremrangebyscore +pttl +zlexcount +zrangebylex +info +publish +subscribe".split(
        " ",
      );
    await admin.call("ACL", "SETUSER", "app", "on", ">secret", "resetkeys", "~shop:*", "resetchannels", "&shop:*", "-@all", ...commands);
    const client = connect(server.url, { username: "app", password: "secret" });
    await useEverything(openRedisStore(client, { prefix: "shop:", deadlineMs: 1_000 }), "ada");
    await expect(openRedisStore(client, { prefix: "other:", deadlineMs: 1_000 }).tickets.put("a", "b", 1)).rejects.toThrow(
      StoreUnavailable,
    );
    const all = await keysOf(admin, "*");
    expect(all.filter((key) => !key.startsWith("shop:"))).toEqual([]);
    await server.stop();
  });

  it("keeps two prefixes apart", async () => {
    const client = connect();
    const [one, other] = [
      openRedisStore(client, { deadlineMs: 5_000, prefix: redisPrefix() }),
      openRedisStore(client, { prefix: redisPrefix() }),
    ];
    await one.tickets.put("a", "value", 60_000);
    expect(await other.tickets.peek("a")).toBeUndefined();
  });

  it("puts the client's own key prefix before its keys", async () => {
    const prefix = redisPrefix();
    const store = openRedisStore(connect(undefined, { keyPrefix: prefix }), { prefix: "store:" });
    await useEverything(store, "ada");
    const keys = await keysOf(connect(), `${prefix}*`);
    expect(keys.length).toBeGreaterThan(8);
    for (const key of keys) expect(key.startsWith(`${prefix}store:`)).toBe(true);
  });

  it("shows an unusual subject in no key: it is a digest there", async () => {
    const client = connect();
    const prefix = redisPrefix();
    await useEverything(openRedisStore(client, { deadlineMs: 5_000, prefix }), "ada lovelace");
    expect((await keysOf(client, `${prefix}*`)).filter((key) => key.includes("lovelace"))).toEqual([]);
  });

  it("answers ping, and stays usable after close, because the client is not its own", async () => {
    const store = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix() });
    await store.ping();
    await store.close();
    await store.close();
    expect(await store.tickets.put("a", "b", 60_000)).toBe(true);
  });

  it("moves a session whose id is given to another subject: the pointer leads to one only", async () => {
    const { sessions } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix() });
    const login = (id: string, subjectId: string) =>
      sessions.create({ id, subjectId, refreshHash: "h", ttlMs: 60_000, idleMs: 0, data: "" }, { limit: 0, whenFull: "evict-oldest" });
    for (const id of ["a", "b", "c"]) await login(id, "ada");
    await login("b", "bob");
    expect((await sessions.list("ada")).map(({ id }) => id)).toEqual(["c", "a"]);
    expect((await sessions.find("b"))?.subjectId).toBe("bob");
  });

  it("reads a session that an earlier release stored: not rotated that it knows of, never idle, and complete after its next change", async () => {
    const prefix = redisPrefix();
    const [client, clock] = [connect(), createManualClock()];
    const { sessions } = openRedisStore(client, { deadlineMs: 5_000, prefix, clock });
    const start = clock.now();
    const store =
      "redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack({ ARGV[1], 'h', tonumber(ARGV[2]), ARGV[2] + 5, ARGV[2] + 60000, '{}', 1 }))";
    for (const id of ["noted", "rotated"]) {
      await client.eval(store, 1, `${prefix}sessions:{ada-${id}}`, id, start);
      await client.set(`${prefix}session-pointer:{${id}}`, `ada-${id}`);
    }
    clock.advance(10);
    const kept = { previousHash: undefined, createdAt: start, rotatedAt: start + 5, idleMs: 0, expiresAt: start + 60_000 };
    expect(await sessions.find("noted")).toMatchObject({ ...kept, lastUsedAt: start + 5, readAt: start + 10 });
    expect(await sessions.find("noted", 0)).toMatchObject({ ...kept, lastUsedAt: start + 10 });
    expect(await sessions.list("ada-noted")).toMatchObject([{ ...kept, lastUsedAt: start + 10 }]);
    expect(await sessions.rotate("rotated", "h", "i")).toMatchObject({ ...kept, previousHash: "h", rotatedAt: start + 10 });
    expect(await sessions.find("rotated")).toMatchObject({ refreshHash: "i", previousHash: "h", rotatedAt: start + 10 });
  });

  it("obeys a manual clock", async () => {
    const clock = createManualClock();
    const { tickets, leases } = openRedisStore(connect(), { deadlineMs: 5_000, prefix: redisPrefix(), clock });
    await tickets.put("a", "value", 10);
    await leases.acquire("job", "me", 10);
    clock.advance(9);
    expect([await tickets.peek("a"), await leases.acquire("job", "you", 10)]).toEqual(["value", false]);
    clock.advance(1);
    expect([await tickets.peek("a"), await leases.acquire("job", "you", 10)]).toEqual([undefined, true]);
  });
});
