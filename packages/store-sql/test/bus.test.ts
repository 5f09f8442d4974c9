import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bus, StoreUnavailable } from "@portcullis/core";
import { openSqlStore, type PostgresClient, type PostgresPool, type SqliteDatabase } from "@portcullis/store-sql";
import { createManualClock } from "@portcullis/testkit";
import { Pool } from "pg";
import { afterAll, describe, expect, it } from "vitest";
import { describeWith, postgresUrl } from "../../../tools/test-services/connect.js";
import { openSqliteDatabase } from "../src/driver/sqlite-database.js";
import { startChild } from "./child.js";

const folder = mkdtempSync(join(tmpdir(), "portcullis-sql-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const freshPath = (): string => join(folder, `${(files += 1)}.db`);

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
    /** Resolves with all that came once this did. */
    async until(isThere: (heard: readonly string[]) => boolean): Promise<readonly string[]> {
      while (!isThere(heard)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return heard;
    },
  };
}

/** Two other processes answer, are heard by each other, and end by themselves. */
async function converse(target: string): Promise<void> {
  const store = await openSqlStore(target, { deadlineMs: 30_000 });
  const news = await listenTo(store.bus, "news");
  const children = ["ada", "bob"].map((name) => startChild("./bus-speaker.ts", target, name));
  for (const child of children) expect(await child.line()).toBe("ready");
  await store.bus.publish("questions", "who is there?");
  const answers = ["ada answers who is there?", "bob answers who is there?"];
  expect((await news.until(({ length }) => length === 2)).toSorted()).toEqual(answers);
  for (const child of children) expect(new Set([await child.line(), await child.line()])).toEqual(new Set(answers));
  for (let index = 0; index < 100; index += 1) await store.bus.publish("news", `${index}`);
  for (const child of children) {
    for (let index = 0; index < 100; index += 1) expect(await child.line()).toBe(`${index}`);
    child.tell("end");
    expect(await child.line()).toBeUndefined();
  }
  await store.close();
}

describe("the bus on a SQLite file", () => {
  it("reaches other processes in order, and keeps none of them alive", () => converse(`file:${freshPath()}`), 60_000);

  it("reaches the publishing process at once, and another store on the same connection", async () => {
    const database = await openSqliteDatabase(":memory:");
    const [one, other] = [await openSqlStore(database), await openSqlStore(database)];
    const [near, far] = [await listenTo(one.bus, "a"), await listenTo(other.bus, "a")];
    await one.bus.publish("a", "hello");
    expect(near.heard).toEqual(["hello"]);
    expect(await far.until(({ length }) => length > 0)).toEqual(["hello"]);
    expect(near.heard).toEqual(["hello"]);
    await one.close();
    await other.close();
    database.close();
  });

  it("reports a gap where messages were removed before they were seen, and where the table was made anew", async () => {
    const path = freshPath();
    const store = await openSqlStore(`file:${path}`);
    await store.bus.publish("a", "before");
    const { heard, until } = await listenTo(store.bus, "a");
    const other = await openSqliteDatabase(path);
    const add = (message: string) =>
      `INSERT INTO portcullis_bus (origin, channel, message, at) VALUES ('other', 'a', '${message}', 9000000000000);`;
    other.exec(add("in time"));
    await until(({ length }) => length === 1);
    other.exec(`BEGIN; ${add("lost")} ${add("late")} DELETE FROM portcullis_bus WHERE message <> 'late'; COMMIT`);
    await until(({ length }) => length === 3);
    other.exec("BEGIN; DELETE FROM portcullis_bus; DELETE FROM sqlite_sequence WHERE name = 'portcullis_bus'; COMMIT");
    await until(({ length }) => length === 4);
    other.exec(add("anew"));
    await until(({ length }) => length === 5);
    expect(heard).toEqual(["in time", "gap", "late", "gap", "anew"]);
    other.close();
    await store.close();
  });

  it("keeps a minute of messages, and always the newest", async () => {
    const clock = createManualClock();
    const database = await openSqliteDatabase(":memory:");
    const store = await openSqlStore(database, { clock });
    const count = () => database.prepare("SELECT count(*) AS count, max(seq) AS newest FROM portcullis_bus").all()[0];
    for (let index = 0; index < 100; index += 1) await store.bus.publish("a", "old");
    clock.advance(59_999);
    for (let index = 0; index < 63; index += 1) await store.bus.publish("a", "new");
    expect(count()).toMatchObject({ count: 163 });
    clock.advance(1);
    for (let index = 0; index < 64; index += 1) await store.bus.publish("a", "new");
    expect(count()).toMatchObject({ count: 127, newest: 227 });
    clock.advance(60_000);
    for (let index = 0; index < 64; index += 1) await store.bus.publish("a", "newest");
    expect(count()).toMatchObject({ newest: 291 });
    await store.close();
    database.close();
  });

  it("goes on where a look has failed", async () => {
    const database = await openSqliteDatabase(freshPath());
    let isBroken = false;
    const breaking: SqliteDatabase = {
      exec: (sql) => database.exec(sql),
      prepare: (sql) => {
        const statement = database.prepare(sql);
        return {
          run: (...values) => statement.run(...values),
          all(...values) {
            if (isBroken && sql.includes("seq >=")) {
              isBroken = false;
              throw new Error("disk I/O error");
            }
            return statement.all(...values);
          },
        };
      },
      close: () => database.close(),
    };
    const [one, other] = [await openSqlStore(breaking), await openSqlStore(database)];
    const { until } = await listenTo(one.bus, "a");
    isBroken = true;
    await other.bus.publish("a", "hello");
    expect(await until(({ length }) => length > 0)).toEqual(["hello"]);
    expect(isBroken).toBe(false);
    await one.close();
    await other.close();
    database.close();
  });

  it("closed, it delivers nothing more and takes nothing", async () => {
    const database = await openSqliteDatabase(":memory:");
    const [store, other] = [await openSqlStore(database), await openSqlStore(database)];
    const { heard } = await listenTo(store.bus, "a");
    const witness = await listenTo(other.bus, "a");
    await store.close();
    await expect(store.bus.publish("a", "b")).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(store.bus.subscribe("a", { onMessage: () => {} })).rejects.toBeInstanceOf(StoreUnavailable);
    await other.bus.publish("a", "b");
    expect([await witness.until(({ length }) => length > 0), heard]).toEqual([["b"], []]);
    await other.close();
    database.close();
  });
});

describeWith("postgres", "the bus on PostgreSQL", () => {
  it("reaches other processes in order, and keeps none of them alive", async () => converse(await postgresUrl()), 60_000);

  it("reports a gap when its connection was ended, and messages come again", async () => {
    const url = await postgresUrl();
    const [store, other] = [await openSqlStore(url), await openSqlStore(url)];
    const { heard, until } = await listenTo(store.bus, "a");
    const admin = new Pool({ connectionString: url });
    for (let round = 0; round < 3; round += 1) {
      heard.length = 0;
      await other.bus.publish("a", "before");
      await until(({ length }) => length === 1);
      const { rowCount } = await admin.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'",
      );
      expect(rowCount).toBe(1);
      await until(({ length }) => length === 2);
      await other.bus.publish("a", "after");
      await until(({ length }) => length === 3);
      expect(heard).toEqual(["before", "gap", "after"]);
    }
    await admin.end();
    await store.close();
    await other.close();
  });

  it("holds one connection of a pool that was passed in while somebody subscribes, and no longer", async () => {
    const pool = new Pool({ connectionString: await postgresUrl(), max: 3 });
    const store = await openSqlStore(pool);
    const held = (): number => pool.totalCount - pool.idleCount;
    await store.bus.publish("a", "to nobody");
    expect(held()).toBe(0);
    const ends = [await listenTo(store.bus, "a"), await listenTo(store.bus, "b")];
    expect(held()).toBe(1);
    for (const { end } of ends) await end();
    expect(held()).toBe(0);
    await listenTo(store.bus, "a");
    await store.close();
    expect(held()).toBe(0);
    // Would not come back while a connection is held.
    await pool.end();
  });

  it("is StoreUnavailable where notifications never come: behind a pooler in transaction mode, with a single connection, without events", async () => {
    const pool = new Pool({ connectionString: await postgresUrl() });
    const store = await openSqlStore(pool);
    const through = (change: (client: PostgresClient) => PostgresClient): PostgresPool => ({
      connect: async () => change(await pool.connect()),
      end: async () => {},
    });
    const deaf = through((client) => ({
      query: (text, values) => client.query(text, values),
      release: (destroy) => client.release(destroy),
      on: () => undefined,
    }));
    const mute = through((client) => ({
      query: (text, values) => client.query(text, values),
      release: (destroy) => client.release(destroy),
    }));
    const single = new Pool({ connectionString: await postgresUrl(), max: 1 });
    for (const target of [deaf, mute, single]) {
      const { bus } = await openSqlStore(target, { deadlineMs: 500 });
      await expect(bus.subscribe("a", { onMessage: () => {} })).rejects.toMatchObject({
        code: "store_unavailable",
        cause: expect.any(Error),
      });
      await bus.publish("a", "b");
    }
    await store.close();
    await single.end();
    await pool.end();
  });
});
