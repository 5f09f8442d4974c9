import { inspect } from "node:util";
import { createServer } from "node:net";
import { type Clock, StoreUnavailable } from "@portcullis/core";
import { openSqlStore, type PostgresPool, type SqlStore } from "@portcullis/store-sql";
import { createManualClock } from "@portcullis/testkit";
import { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeWith, postgresUrl } from "../../../tools/test-services/connect.js";
import { startFreezingProxy } from "./freezing-proxy.js";

const HOUR_MS = 3_600_000;
const NO_CAP = { limit: 0, whenFull: "evict-oldest" } as const;

/** What it took, in ms, for this to fail with `StoreUnavailable`. */
async function unavailableAfter(call: () => unknown): Promise<number> {
  const start = performance.now();
  const error: unknown = await Promise.resolve()
    .then(call)
    .then(
      () => "it did not fail",
      (reason: unknown) => reason,
    );
  expect(error).toBeInstanceOf(StoreUnavailable);
  expect((error as Error).cause).toBeInstanceOf(Error);
  return performance.now() - start;
}

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address === null || typeof address === "string" ? 1 : address.port;
}

describeWith("postgres", "PostgreSQL", () => {
  let url = "";
  let pool: Pool;
  let store: SqlStore;
  beforeAll(async () => {
    url = await postgresUrl();
    pool = new Pool({ connectionString: url });
    store = await openSqlStore(pool);
  });
  afterAll(async () => {
    await pool.end();
  });

  it("APR-22 the server's clock decides, whatever the process believes", async () => {
    const { rows } = await pool.query<{ now: Date }>("SELECT now()");
    const { record } = await store.approvals.open({
      ...{ id: "clock", workspaceId: "w", requesterId: "ada", risk: "LOW", operation: "a:b", digest: "d", data: "{}", ttlMs: HOUR_MS },
    });
    expect(Math.abs(record.createdAt - (rows[0]?.now.getTime() ?? 0))).toBeLessThan(20_000);
    expect(record.expiresAt - record.createdAt).toBe(HOUR_MS);
  });

  it("with a clock given, that one decides", async () => {
    const clock = createManualClock(1_000);
    const timed = await openSqlStore(pool, { clock });
    await timed.sessions.create({ id: "timed", subjectId: "ada", refreshHash: "h", ttlMs: 5_000, idleMs: 0, data: "" }, NO_CAP);
    expect(await timed.sessions.find("timed")).toMatchObject({ createdAt: 1_000, expiresAt: 6_000 });
    expect(await store.sessions.find("timed")).toBeUndefined();
  });

  it("a deadline passes on the server's clock too", async () => {
    await store.tickets.put("short", "value", 1);
    while ((await store.tickets.peek("short")) !== undefined);
    expect(await store.tickets.put("short", "again", HOUR_MS)).toBe(true);
  });

  it("a pool that was passed in stays open, and every connection comes back to it", async () => {
    const other = await openSqlStore(pool);
    await Promise.all(Array.from({ length: 50 }, async (_, index) => other.tickets.put(`back ${index}`, "v", HOUR_MS)));
    await expect(
      other.log.append("log", () => {
        throw new Error("the build's own");
      }),
    ).rejects.toThrow("the build's own");
    await other.close();
    expect(pool.idleCount).toBe(pool.totalCount);
    expect(await store.tickets.peek("back 0")).toBe("v");
  });

  it("a server configured for serialisable transactions gives the same answers", async () => {
    const strict = new Pool({ connectionString: url, options: "-c default_transaction_isolation=serializable" });
    const serialisable = await openSqlStore(strict, { deadlineMs: 20_000 });
    const answers = await Promise.all(
      Array.from({ length: 60 }, async () => serialisable.counters.add("strict", 1, { limit: 5, windowMs: HOUR_MS })),
    );
    expect(answers.filter(({ accepted }) => accepted)).toHaveLength(5);
    const heads = await Promise.all(
      Array.from({ length: 30 }, async () => serialisable.log.append("strict", () => ({ entries: [], frontier: new Uint8Array() }))),
    );
    expect(heads).toHaveLength(30);
    await strict.end();
  });

  it("a server that does not listen is StoreUnavailable at once", async () => {
    const gone = `postgres://user:secret@127.0.0.1:${await closedPort()}/db`;
    expect(await unavailableAfter(() => openSqlStore(gone, { deadlineMs: 5_000 }))).toBeLessThan(4_000);
  });

  it("a server that has stopped is StoreUnavailable at the deadline, and is used again when it goes on", async () => {
    const { hostname, port, username, password, pathname } = new URL(url);
    const proxy = await startFreezingProxy({ host: hostname, port: Number(port) });
    const through = await openSqlStore(`postgres://${username}:${password}@127.0.0.1:${proxy.port}${pathname}`, { deadlineMs: 300 });
    expect(await through.tickets.put("before", "value", HOUR_MS)).toBe(true);
    proxy.freeze();
    const entry = { key: "k", bytes: new Uint8Array(), at: 1, category: "", actor: "", action: "", workspaceId: "" };
    const waits = await Promise.all([
      unavailableAfter(() => through.ping()),
      unavailableAfter(() => through.tickets.peek("before")),
      unavailableAfter(() => through.counters.add("c", 1, { limit: 1, windowMs: 1 })),
      unavailableAfter(() => through.log.append("frozen", () => ({ entries: [entry], frontier: new Uint8Array() }))),
      unavailableAfter(() => through.outbox.claim({ limit: 1, perEndpoint: 1, leaseMs: 1_000 })),
    ]);
    for (const waitedMs of waits) {
      expect(waitedMs).toBeGreaterThan(250);
      expect(waitedMs).toBeLessThan(2_500);
    }
    proxy.thaw();
    expect(await through.tickets.peek("before")).toBe("value");
    expect(await through.log.append("frozen", () => ({ entries: [], frontier: new Uint8Array() }))).toBeDefined();
    proxy.freeze();
    await proxy.close();
    await unavailableAfter(() => through.ping());
    await through.close();
    await through.close();
  });

  it("a transaction whose process stopped with the lock in its hand gives it up at the deadline", async () => {
    const { hostname, port, username, password, pathname } = new URL(url);
    const proxy = await startFreezingProxy({ host: hostname, port: Number(port) });
    const stopped = await openSqlStore(`postgres://${username}:${password}@127.0.0.1:${proxy.port}${pathname}`, { deadlineMs: 1_500 });
    await stopped.log.append("held", () => ({ entries: [], frontier: new Uint8Array() }));
    const held = unavailableAfter(() =>
      stopped.log.append("held", () => {
        proxy.freeze();
        return { entries: [], frontier: new Uint8Array() };
      }),
    );
    const patient = await openSqlStore(pool, { deadlineMs: 10_000 });
    expect((await patient.log.append("held", () => ({ entries: [], frontier: new Uint8Array() }))).size).toBe(0);
    await held;
    await proxy.close();
    await stopped.close();
  });

  it("a connection that comes after the deadline goes back to its pool", async () => {
    let released = 0;
    let arrive = (): void => {};
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const slow: PostgresPool = {
      async connect() {
        await arrived;
        return { query: async () => ({ rows: [] }), release: () => void (released += 1) };
      },
      end: async () => {},
    };
    await unavailableAfter(() => openSqlStore(slow, { deadlineMs: 10 }));
    arrive();
    await new Promise((resolve) => setImmediate(resolve));
    expect(released).toBe(1);
  });
});

describe("a pool of another make", () => {
  it("what its driver throws is named in the cause of StoreUnavailable, without the values it quotes, and its connection is not used again", async () => {
    const fault = Object.assign(new Error("duplicate key"), {
      code: "23505",
      detail: "Key (hash)=(hunter2) already exists.",
      where: "hunter2",
    });
    const destroyed: (boolean | undefined)[] = [];
    const pool: PostgresPool = {
      connect: async () => ({ query: () => Promise.reject(fault), release: (destroy) => void destroyed.push(destroy) }),
      end: async () => {},
    };
    const clock: Clock = createManualClock();
    const error: unknown = await openSqlStore(pool, { clock }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "store_unavailable", cause: { message: "duplicate key", code: "23505" } });
    expect(inspect(error, { depth: 9 })).not.toContain("hunter2");
    expect(destroyed).toEqual([true]);
  });
});
