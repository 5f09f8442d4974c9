import { randomUUID } from "node:crypto";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Bus, StoreUnavailable } from "@portcullis/core";
import { openRedisStore, type RedisClient } from "@portcullis/store-redis";
import { Cluster as Cluster6, Redis as Redis6 } from "ioredis";
import { Cluster as Cluster5, Redis as Redis5 } from "ioredis5";
import { describe, expect, it } from "vitest";
import { describeWith, redisClusterUrls, redisPrefix, redisUrl } from "../../../tools/test-services/connect.js";
import { connect } from "./clients.js";
import { eventually, startOwnRedis } from "./own-redis.js";

const SPEAKER = fileURLToPath(new URL("./bus-speaker.ts", import.meta.url));

/** What came by a channel, gaps included. */
async function listenTo(bus: Bus, channel: string) {
  const heard: string[] = [];
  let wake = (): void => {};
  const hear = (what: string): void => {
    heard.push(what);
    wake();
  };
  const end = await bus.subscribe(channel, { onMessage: hear, onGap: () => hear("gap") });
  return {
    heard,
    end,
    /** Resolves with all that came once so many did. */
    async until(count: number): Promise<readonly string[]> {
      while (heard.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return heard;
    },
  };
}

/** Clients whose connections carry a name, which those that they duplicate carry as well. */
const NAMED: readonly { title: string; service: "redis" | "redis-cluster"; open: (connectionName: string) => Named }[] = [
  { title: "ioredis 6", service: "redis", open: (connectionName) => new Redis6(redisUrl(), { connectionName }) },
  { title: "ioredis 5", service: "redis", open: (connectionName) => new Redis5(redisUrl(), { connectionName }) },
  {
    title: "ioredis 6, Cluster",
    service: "redis-cluster",
    open: (connectionName) => new Cluster6([...redisClusterUrls()], { redisOptions: { connectionName } }),
  },
  {
    title: "ioredis 5, Cluster",
    service: "redis-cluster",
    open: (connectionName) => new Cluster5([...redisClusterUrls()], { redisOptions: { connectionName } }),
  },
];
type Named = RedisClient & { on(event: "error", listener: () => void): unknown; disconnect(): void };

/** Ends the subscriber connections of this name on every node. @returns how many there were. */
async function killSubscribers(urls: readonly string[], name: string): Promise<number> {
  let killed = 0;
  for (const url of urls) {
    const admin = connect(url);
    const list = String(await admin.call("CLIENT", "LIST", "TYPE", "pubsub"));
    for (const line of list.split("\n")) {
      const id = / name=(\S*) /.exec(line)?.[1] === name ? /^id=(\d+) /.exec(line)?.[1] : undefined;
      if (id !== undefined) killed += Number(await admin.call("CLIENT", "KILL", "ID", id));
    }
    admin.disconnect();
  }
  return killed;
}

for (const { title, service, open } of NAMED) {
  describeWith(service, `the bus with ${title}`, () => {
    it("reports a gap when its connection was killed, and messages come again", async () => {
      const name = `bus-${randomUUID()}`;
      const client = open(name);
      client.on("error", () => {});
      const store = openRedisStore(client, { prefix: redisPrefix(), deadlineMs: 10_000 });
      const { heard, until } = await listenTo(store.bus, "a");
      for (let round = 0; round < 3; round += 1) {
        heard.length = 0;
        await store.bus.publish("a", "before");
        await until(1);
        expect(await killSubscribers(service === "redis" ? [redisUrl()] : redisClusterUrls(), name)).toBe(1);
        await until(2);
        await store.bus.publish("a", "after");
        expect(await until(3)).toEqual(["before", "gap", "after"]);
      }
      await store.close();
      expect(client.status).toBe("ready");
      client.disconnect();
    });
  });
}

describeWith("redis", "the bus on one server", () => {
  it("reaches other processes in order, and keeps none of them alive", async () => {
    const prefix = redisPrefix();
    const { bus, close } = openRedisStore(connect(), { prefix, deadlineMs: 10_000 });
    const news = await listenTo(bus, "news");
    const children = ["ada", "bob"].map((name) => {
      const args = ["--import", "tsx", "--conditions=@portcullis/source", SPEAKER, redisUrl(), prefix, name];
      const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      return { child, line: async () => (await lines.next()).value as string | undefined }; // what readline gives, nothing at the end
    });
    for (const { line } of children) expect(await line()).toBe("ready");
    await bus.publish("questions", "who is there?");
    const answers = new Set(["ada answers who is there?", "bob answers who is there?"]);
    expect(new Set(await news.until(2))).toEqual(answers);
    for (const { line } of children) expect(new Set([await line(), await line()])).toEqual(answers);
    for (let index = 0; index < 100; index += 1) await bus.publish("news", `${index}`);
    for (const { child, line } of children) {
      for (let index = 0; index < 100; index += 1) expect(await line()).toBe(`${index}`);
      child.stdin.write("end\n");
      expect(await line()).toBeUndefined();
    }
    await close();
  }, 30_000);

  it("keeps stores of another prefix apart, and clients of another key prefix", async () => {
    const prefix = redisPrefix();
    const buses = [
      openRedisStore(connect(), { prefix, deadlineMs: 10_000 }).bus,
      openRedisStore(connect(), { prefix: redisPrefix(), deadlineMs: 10_000 }).bus,
      openRedisStore(connect(redisUrl(), { keyPrefix: "app:" }), { prefix, deadlineMs: 10_000 }).bus,
    ];
    const inboxes = await Promise.all(buses.map(async (bus) => listenTo(bus, "a")));
    for (const [index, bus] of buses.entries()) await bus.publish("a", `to ${index}`);
    for (const [index, { until }] of inboxes.entries()) expect(await until(1)).toEqual([`to ${index}`]);
    for (const { end } of inboxes) await end();
  });

  it("takes no connection until somebody subscribes, and none after the last has gone", async () => {
    const name = `bus-${randomUUID()}`;
    const { bus } = openRedisStore(connect(redisUrl(), { connectionName: name }), { prefix: redisPrefix(), deadlineMs: 10_000 });
    const admin = connect();
    const count = async (): Promise<number> => String(await admin.call("CLIENT", "LIST")).split(` name=${name} `).length - 1;
    await bus.publish("a", "to nobody");
    expect(await count()).toBe(1);
    const ends = [await bus.subscribe("a", { onMessage: () => {} }), await bus.subscribe("b", { onMessage: () => {} })];
    expect(await count()).toBe(2);
    for (const end of ends) await end();
    await eventually(async () => (await count()) === 1);
  });

  it("is StoreUnavailable while Redis is away; a subscription that stands hears again when it is back", async () => {
    const server = await startOwnRedis();
    const client = connect(server.url, { retryStrategy: () => 20 });
    const store = openRedisStore(client, { deadlineMs: 500 });
    const { until } = await listenTo(store.bus, "a");
    await server.stop();
    await eventually(async () => client.status === "reconnecting");
    await expect(store.bus.publish("a", "lost")).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(store.bus.subscribe("a", { onMessage: () => {} })).rejects.toBeInstanceOf(StoreUnavailable);
    const again = await startOwnRedis(server.port);
    expect(await until(1)).toEqual(["gap"]);
    await eventually(async () => (await store.bus.publish("a", "back"), true));
    expect(await until(2)).toEqual(["gap", "back"]);
    await store.close();
    await again.stop();
  });
});

describe("the bus on a client of another make", () => {
  it("is StoreUnavailable to subscribers where the client cannot be duplicated", async () => {
    const client: RedisClient = { status: "ready", evalsha: async () => "name", eval: async () => 1, ping: async () => "PONG" };
    const { bus } = openRedisStore(client);
    await expect(bus.subscribe("a", { onMessage: () => {} })).rejects.toMatchObject({
      code: "store_unavailable",
      cause: { message: expect.stringContaining("duplicated") },
    });
    await bus.publish("a", "b");
  });
});
