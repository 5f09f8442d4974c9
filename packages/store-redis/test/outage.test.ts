import { setImmediate } from "node:timers/promises";
import { inspect } from "node:util";
import { type LimitAsk, StoreUnavailable } from "@portcullis/core";
import { openRedisStore, type RedisClient } from "@portcullis/store-redis";
import { describe, expect, it } from "vitest";
import { describeWith } from "../../../tools/test-services/connect.js";
import { connect } from "./clients.js";
import { eventually, startOwnRedis } from "./own-redis.js";

const ASK: LimitAsk = {
  kind: "user",
  id: "ada",
  cells: [{ id: "tier", kind: "bucket", capacity: 1_000, intervalMs: 60_000, cost: 1 }],
};

/** A client whose commands are answered when the test says so. */
function heldClient(): RedisClient & { sent: number; answer(): void } {
  const waiting: ((reply: unknown) => void)[] = [];
  const client = {
    status: "ready",
    sent: 0,
    evalsha: () => ((client.sent += 1), new Promise<unknown>((resolve) => waiting.push(resolve))),
    eval: () => Promise.reject(new Error("not asked")),
    ping: async () => "PONG",
    answer: () => waiting.splice(0).forEach((resolve) => resolve(1)),
  };
  return client;
}

describe("a client without an answer", () => {
  it("fails calls at once while too many are unanswered, and serves again when they are answered", async () => {
    const client = heldClient();
    const { tickets } = openRedisStore(client, { maxPending: 3, deadlineMs: 20 });
    const put = () => tickets.put("a", "b", 1_000);
    const late = await Promise.allSettled([put(), put(), put(), put(), put()]);
    expect([late.map(({ status }) => status), client.sent]).toEqual([Array.from({ length: 5 }, () => "rejected"), 3]);
    client.answer();
    await setImmediate();
    const served = put();
    client.answer();
    expect(await served).toBe(true);
  });

  it("counts a command as lost when no answer came for long: a client that forgets commands does not block the store", async () => {
    const client = heldClient();
    const { tickets } = openRedisStore(client, { maxPending: 2, deadlineMs: 1 });
    const put = async () => tickets.put("a", "b", 1_000);
    await Promise.allSettled([put(), put(), put()]);
    expect(client.sent).toBe(2);
    await eventually(async () => (await Promise.allSettled([put()]), client.sent > 2));
  });

  it.each(["reconnecting", "close", "disconnecting", "end"])("fails at once and sends nothing while the client is %s", async (status) => {
    const client = { ...heldClient(), status };
    const { tickets } = openRedisStore(client);
    await expect(tickets.put("a", "b", 1_000)).rejects.toThrow(StoreUnavailable);
    await expect(tickets.put("a", "b", 1_000)).rejects.toMatchObject({ cause: { message: `The Redis client is ${status}.` } });
    expect(client.sent).toBe(0);
  });

  it("makes StoreUnavailable of every error, with its cause and without keys or values", async () => {
    const failure = new Error("READONLY You can't write against a read only replica.");
    const client: RedisClient = { ...heldClient(), evalsha: () => Promise.reject(failure) };
    const { tickets } = openRedisStore(client);
    const [result] = await Promise.allSettled([tickets.put("secret-key", "secret-value", 1_000)]);
    const error: unknown = result?.status === "rejected" ? result.reason : undefined;
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect(error).toMatchObject({ cause: { message: failure.message }, message: expect.stringContaining('"tickets.put"') });
    expect(inspect(error)).not.toContain("secret");
  });

  it("keeps what was sent out of the cause, where ioredis puts the command and Redis its first arguments", async () => {
    const failures: unknown[] = [
      Object.assign(new Error("OOM command not allowed"), { name: "ReplyError", command: { name: "evalsha", args: ["secret-value"] } }),
      new Error("ERR unknown command 'evalsha', with args beginning with: 'sha' '1' 'key' '' 'put' 'secret-value' "),
      { args: ["secret-value"] },
    ];
    for (const failure of failures) {
      const client: RedisClient = { ...heldClient(), evalsha: () => Promise.reject(failure) };
      const [result] = await Promise.allSettled([openRedisStore(client).tickets.put("secret-key", "secret-value", 1_000)]);
      expect(result).toMatchObject({ reason: { code: "store_unavailable", cause: expect.any(Error) } });
      expect(inspect(result, { depth: null, showHidden: true })).not.toContain("secret");
    }
  });

  it("does not send a script again for a caller who gave up", async () => {
    let answer = (_failure: Error): void => {};
    let evaluated = 0;
    const client: RedisClient = {
      ...heldClient(),
      evalsha: () => new Promise((_, reject) => (answer = reject)),
      eval: async () => (evaluated += 1),
    };
    const { tickets } = openRedisStore(client, { deadlineMs: 1 });
    await expect(tickets.put("a", "b", 1_000)).rejects.toThrow(StoreUnavailable);
    answer(new Error("NOSCRIPT No matching script."));
    await setImmediate();
    expect(evaluated).toBe(0);
  });

  it("makes StoreUnavailable of a client that throws at once, too", async () => {
    const client: RedisClient = {
      ...heldClient(),
      ping: () => {
        throw new Error("broken");
      },
    };
    await expect(openRedisStore(client).ping()).rejects.toThrow(StoreUnavailable);
  });
});

describeWith("redis", "a Redis that refuses", () => {
  it("fails with its reason and without what was sent", async () => {
    const server = await startOwnRedis();
    const store = openRedisStore(connect(server.url), { deadlineMs: 1_000 });
    await store.ping();
    await connect(server.url).call("CONFIG", "SET", "maxmemory", "1");
    const [result] = await Promise.allSettled([store.tickets.put("secret-key", "secret-value", 60_000)]);
    expect(result).toMatchObject({ reason: { code: "store_unavailable", cause: { message: expect.stringContaining("OOM") } } });
    expect(inspect(result, { depth: null, showHidden: true })).not.toContain("secret");
    await server.stop();
  });
});

describeWith("redis", "a Redis that stops", () => {
  it("RL-50 each call ends within the deadline and 20 ms while Redis hangs, and it recovers alone", async () => {
    const server = await startOwnRedis();
    const store = openRedisStore(connect(server.url), { deadlineMs: 100 });
    await store.limits.consume(ASK);
    process.kill(server.pid, "SIGSTOP");
    const waits: number[] = [];
    try {
      for (let call = 0; call < 9; call += 1) {
        const start = performance.now();
        await expect(store.limits.consume(ASK)).rejects.toThrow(StoreUnavailable);
        waits.push(performance.now() - start);
      }
    } finally {
      process.kill(server.pid, "SIGCONT");
    }
    // The median: a busy machine may hold up one call, not most.
    expect(waits.sort((a, b) => a - b)[4]).toBeLessThanOrEqual(120);
    await eventually(async () => (await store.limits.consume(ASK)).allowed);
    await server.stop();
  });

  it("RL-53 a Redis that is killed and started again is used again without help", async () => {
    const server = await startOwnRedis();
    const client = connect(server.url, { retryStrategy: () => 20 });
    const store = openRedisStore(client, { deadlineMs: 100 });
    await store.ping();
    await server.stop();
    await eventually(async () => client.status === "reconnecting");
    const attempts = await Promise.allSettled(Array.from({ length: 100 }, async () => store.tickets.put("a", "b", 60_000)));
    expect(attempts.every(({ status }) => status === "rejected")).toBe(true);
    const again = await startOwnRedis(server.port);
    await eventually(async () => store.tickets.put("after", "b", 60_000));
    // Nothing that failed while it was down was queued and carried out later.
    expect(await store.tickets.peek("a")).toBeUndefined();
    await again.stop();
  });

  it("a connection that is cut fails the calls on it within the deadline, and the next ones succeed", async () => {
    const server = await startOwnRedis();
    const client = connect(server.url, { retryStrategy: () => 10, autoResendUnfulfilledCommands: false });
    const store = openRedisStore(client, { deadlineMs: 100 });
    const admin = connect(server.url);
    for (let round = 0; round < 3; round += 1) {
      await eventually(async () => store.tickets.put(`ready-${round}`, "v", 60_000));
      // Held on the server, so that they are under way when the connection breaks.
      await admin.call("CLIENT", "PAUSE", "60000", "WRITE");
      const calls = Array.from({ length: 50 }, async (_, call) => store.tickets.put(`${round}-${call}`, "v", 60_000));
      await setImmediate();
      await admin.call("CLIENT", "KILL", "TYPE", "normal");
      for (const result of await Promise.allSettled(calls)) expect(result).toMatchObject({ reason: { code: "store_unavailable" } });
      await admin.call("CLIENT", "UNPAUSE");
    }
    await server.stop();
  });

  it("starts with a Redis that is not there yet", async () => {
    const first = await startOwnRedis();
    await first.stop();
    const store = openRedisStore(connect(first.url, { retryStrategy: () => 20 }));
    await expect(store.ping()).rejects.toThrow(StoreUnavailable);
    const second = await startOwnRedis(first.port);
    await eventually(async () => (await store.ping(), true));
    await second.stop();
  });
});
