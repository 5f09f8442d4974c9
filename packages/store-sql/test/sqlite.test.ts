import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type BucketCell, ConfigurationError, type LimitCell, type LimitHolder, type Limits, StoreUnavailable } from "@portcullis/core";
import { openSqlStore, type SqliteDatabase } from "@portcullis/store-sql";
import { createManualClock } from "@portcullis/testkit";
import { afterAll, describe, expect, it } from "vitest";
import { isBusy, openSqliteDatabase } from "../src/driver/sqlite-database.js";

const HOUR_MS = 3_600_000;
const NO_CAP = { limit: 0, whenFull: "evict-oldest" } as const;
const ada: LimitHolder = { kind: "user", id: "ada" };
const once: BucketCell = { kind: "bucket", id: "tier", capacity: 1, intervalMs: HOUR_MS, cost: 1 };
const folder = mkdtempSync(join(tmpdir(), "portcullis-sql-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const freshPath = (): string => join(folder, `${(files += 1)}.db`);
const empty = () => ({ entries: [], frontier: new Uint8Array() });
const pragma = (database: SqliteDatabase, name: string): unknown => Object.values(database.prepare(`PRAGMA ${name}`).all()[0] ?? {})[0];

describe("a SQLite file", () => {
  it("keeps what was written, in WAL", async () => {
    const path = freshPath();
    const store = await openSqlStore(`file:${path}`);
    await store.records.insert("c", { id: "one", scope: "s", value: "kept" });
    await store.close();
    await store.close();
    const again = await openSqlStore(`file://${path}`);
    expect((await again.records.find("c", { id: "one" }))?.value).toBe("kept");
    await again.close();
    const database = await openSqliteDatabase(path);
    expect(pragma(database, "journal_mode")).toBe("wal");
    database.close();
  });

  it("is StoreUnavailable where it cannot be opened, is no database, or was closed", async () => {
    await expect(openSqlStore(`file:${join(folder, "no", "such", "folder.db")}`)).rejects.toBeInstanceOf(StoreUnavailable);
    const store = await openSqlStore(":memory:");
    await store.close();
    await expect(store.tickets.peek("key")).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(store.log.append("log", empty)).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(store.ping()).rejects.toBeInstanceOf(StoreUnavailable);
  });

  it("while another connection writes, waits without holding up the event loop, and goes on", async () => {
    const path = freshPath();
    const store = await openSqlStore(`file:${path}`);
    const other = await openSqliteDatabase(path);
    other.exec("BEGIN IMMEDIATE");
    const waiting = [
      store.tickets.put("key", "value", HOUR_MS),
      store.log.append("log", empty),
      store.subjects.bump("ada", "tokenVersion"),
    ];
    let turns = 0;
    for (const until = performance.now() + 100; performance.now() < until; turns += 1) await delay(1);
    expect(turns).toBeGreaterThan(5);
    expect(await store.tickets.peek("key"), "readers do not wait").toBeUndefined();
    other.exec("COMMIT");
    expect(await waiting[0]).toBe(true);
    expect(await waiting[1]).toBeDefined();
    expect(await waiting[2]).toMatchObject({ tokenVersion: 2 });
    other.close();
    await store.close();
  });

  it("is StoreUnavailable at the deadline where the other does not end, and nothing was written", async () => {
    const path = freshPath();
    const store = await openSqlStore(`file:${path}`, { deadlineMs: 60 });
    const other = await openSqliteDatabase(path);
    other.exec("BEGIN IMMEDIATE");
    const start = performance.now();
    const results = await Promise.allSettled([
      store.tickets.put("key", "v", HOUR_MS),
      store.log.append("log", empty),
      store.outbox.redrive(["x"]),
    ]);
    for (const result of results) expect(result).toMatchObject({ status: "rejected", reason: { code: "store_unavailable" } });
    expect(performance.now() - start).toBeLessThan(2_000);
    other.exec("ROLLBACK");
    expect(await store.tickets.put("key", "v", HOUR_MS)).toBe(true);
    other.close();
    await store.close();
  });

  it("a loop of awaited calls leaves the event loop its turns", async () => {
    const store = await openSqlStore(":memory:");
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    for (const until = performance.now() + 200; performance.now() < until;) await store.tickets.put("key", "value", HOUR_MS);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
    await store.close();
  });
});

describe("an open database", () => {
  it("stays the caller's: its settings are left, and it is not closed", async () => {
    const database = await openSqliteDatabase(freshPath());
    database.exec("PRAGMA synchronous = NORMAL");
    const store = await openSqlStore(database);
    await store.tickets.put("key", "value", HOUR_MS);
    await store.close();
    expect([pragma(database, "synchronous"), pragma(database, "journal_mode")]).toEqual([1, "delete"]);
    expect(database.prepare("SELECT count(*) AS count FROM portcullis_tickets").all()).toMatchObject([{ count: 1 }]);
    database.close();
  });

  it("the caller's own statements never fall into a transaction of the store", async () => {
    const database = await openSqliteDatabase(":memory:");
    database.exec("CREATE TABLE mine (n INTEGER)");
    const store = await openSqlStore(database);
    const failing = Array.from({ length: 20 }, async () =>
      store.log.append("log", () => {
        throw new Error("rolled back");
      }),
    );
    const settled = Promise.allSettled(failing);
    for (let n = 0; n < 50; n += 1) {
      database.prepare("INSERT INTO mine VALUES (?)").run(n);
      await Promise.resolve();
    }
    await settled;
    expect(database.prepare("SELECT count(*) AS count FROM mine").all()).toMatchObject([{ count: 50 }]);
    database.close();
  });

  it("a failed transaction is rolled back, also where SQLite did so itself", async () => {
    const real = await openSqliteDatabase(":memory:");
    const store = await openSqlStore(real);
    const full = Object.assign(new Error("database or disk is full"), { errcode: 13 });
    const failing: SqliteDatabase = {
      exec: (sql) => {
        if (sql !== "COMMIT") return real.exec(sql);
        real.exec("ROLLBACK");
        throw full;
      },
      prepare: (sql) => real.prepare(sql),
      close: () => real.close(),
    };
    await expect(openSqlStore(failing)).rejects.toMatchObject({ code: "store_unavailable", cause: full });
    expect(await store.tickets.put("key", "value", HOUR_MS)).toBe(true);
    real.close();
  });

  /** A database whose driver gives the value of some columns in another form. */
  const givingOtherwise = async (change: (value: unknown) => unknown): Promise<SqliteDatabase> => {
    const real = await openSqliteDatabase(":memory:");
    const changed = (row: unknown): unknown => Object.fromEntries(Object.entries(row ?? {}).map(([name, value]) => [name, change(value)]));
    return {
      exec: (sql) => real.exec(sql),
      prepare(sql) {
        const statement = real.prepare(sql);
        return { run: (...values) => statement.run(...values), all: (...values) => statement.all(...values).map(changed) };
      },
      close: () => real.close(),
    };
  };

  it("may give bytes as bare memory and integers as bigint", async () => {
    const database = await givingOtherwise((value) => {
      if (value instanceof Uint8Array) return Uint8Array.from(value).buffer;
      return typeof value === "number" && Number.isInteger(value) ? BigInt(value) : value;
    });
    const store = await openSqlStore(database);
    const frontier = new Uint8Array([1, 2, 3]);
    await store.log.append("log", () => ({ entries: [], frontier }));
    expect(await store.log.head("log")).toEqual({ size: 0, frontier });
    expect(await store.subjects.setDisabled("ada", true)).toEqual({
      tokenVersion: 1,
      passwordVersion: 1,
      claimsVersion: 1,
      disabled: true,
    });
    database.close();
  });

  it.each(["text", "number", "bytes"] as const)("with a column that holds something else than %s is refused, not misread", async (kind) => {
    const store = await openSqlStore(
      await givingOtherwise((value) => {
        if (kind === "bytes") return value instanceof Uint8Array ? "text" : value;
        if (kind === "text") return value === "kept" ? 1 : value;
        return value === 4_711 ? null : value;
      }),
    );
    const calls = {
      bytes: async () => (await store.log.append("log", empty), store.log.head("log")),
      text: async () => (await store.tickets.put("key", "kept", HOUR_MS), store.tickets.peek("key")),
      number: async () => store.counters.add("key", 4_711, { limit: 9_999, windowMs: HOUR_MS }),
    };
    await expect(calls[kind]()).rejects.toThrow("not the one of the migrations");
  });

  it("lone surrogates are each their own", async () => {
    const store = await openSqlStore(":memory:");
    for (const key of ["a\uD800", "a\uD801", "a\uFFFD"]) expect(await store.tickets.put(key, key, HOUR_MS)).toBe(true);
    for (const key of ["a\uD800", "a\uD801", "a\uFFFD"]) expect(await store.tickets.take(key)).toBe(key);
    await store.close();
  });

  it("what is over is swept with later writes, and only that", async () => {
    const clock = createManualClock();
    const database = await openSqliteDatabase(":memory:");
    const store = await openSqlStore(database, { clock });
    for (let index = 0; index < 200; index += 1) {
      await store.tickets.put(`short ${index}`, "v", 10);
      await store.counters.add(`short ${index}`, 1, { limit: 1, windowMs: 10 });
      await store.limits.consume({ kind: "user", id: `short ${index}`, cells: [{ ...once, intervalMs: 10 }] });
      const [ttlMs, idleMs] = index % 2 === 0 ? [10, 0] : [HOUR_MS, 10];
      await store.sessions.create({ id: `short ${index}`, subjectId: `ada ${index}`, refreshHash: "h", ttlMs, idleMs, data: "" }, NO_CAP);
    }
    clock.advance(10);
    for (let index = 0; index < 64; index += 1) {
      await store.tickets.put(`long ${index}`, "v", HOUR_MS);
      await store.counters.add(`long ${index}`, 1, { limit: 1, windowMs: HOUR_MS });
      await store.limits.consume({ kind: "user", id: `long ${index}`, cells: [once] });
      await store.sessions.create({ id: `long ${index}`, subjectId: "bob", refreshHash: "h", ttlMs: HOUR_MS, idleMs: 0, data: "" }, NO_CAP);
    }
    for (const table of ["tickets", "counters", "limits", "sessions"]) {
      expect([table, database.prepare(`SELECT count(*) AS count FROM portcullis_${table}`).all()]).toMatchObject([table, [{ count: 64 }]]);
    }
    database.close();
  });

  it.each<[string, (limits: Limits, now: number) => unknown]>([
    ["a bucket", (limits) => limits.consume({ ...ada, cells: [{ ...once, intervalMs: 2_000 }] })],
    ["a window", (limits) => limits.consume({ ...ada, cells: [{ kind: "window", id: "w", capacity: 1, windowMs: 1_000, cost: 1 }] })],
    [
      "a period",
      (limits, now) =>
        limits.consume({ ...ada, cells: [{ kind: "calendar", id: "c", capacity: 1, boundaries: [now - 1, now + 2_000], cost: 1 }] }),
    ],
    ["a place in use", (limits) => limits.consume({ ...ada, cells: [], lease: { id: "job", capacity: 1, key: "k", ttlMs: 2_000 } })],
    ["a block", (limits) => limits.block(ada, 2_000)],
  ])("%s keeps its holder's row for as long as it counts", async (_, charge) => {
    const clock = createManualClock();
    const database = await openSqliteDatabase(":memory:");
    const store = await openSqlStore(database, { clock });
    const rows = async (): Promise<readonly unknown[]> => {
      for (let index = 0; index < 64; index += 1) {
        await store.limits.consume({ kind: "user", id: `${clock.now()} ${index}`, cells: [once] });
      }
      return database.prepare("SELECT holder FROM portcullis_limits WHERE holder = 'user:ada'").all();
    };
    await charge(store.limits, clock.now());
    await store.limits.consume({ ...ada, cells: [{ ...once, id: "brief", intervalMs: 1 }] });
    clock.advance(1_999);
    expect(await rows()).toHaveLength(1);
    clock.advance(1);
    expect(await rows()).toHaveLength(0);
    database.close();
  });

  it("a denial, a look, a dry run and a settlement of nothing write nothing", async () => {
    const database = await openSqliteDatabase(":memory:");
    const { limits } = await openSqlStore(database, { clock: createManualClock() });
    const cells: readonly LimitCell[] = [once, { kind: "window", id: "w", capacity: 1, windowMs: HOUR_MS, cost: 1 }];
    const changes = (): unknown => database.prepare("SELECT total_changes() AS changes").all()[0];
    const costing = (cost: number): readonly LimitCell[] => cells.map((cell) => ({ ...cell, cost }));
    const { at } = await limits.consume({ ...ada, cells });
    const before = changes();
    expect((await limits.consume({ ...ada, cells })).allowed).toBe(false);
    await limits.consume({ ...ada, cells: costing(0) });
    await limits.consume({ ...ada, id: "bob", cells, dryRun: true });
    await limits.settle({ ...ada, id: "bob", cells }, at);
    await limits.settle({ ...ada, cells: costing(-1), lease: { id: "job", capacity: 1, key: "unknown", ttlMs: 1 } }, at);
    expect(await limits.renew(ada, { id: "job", capacity: 1, key: "unknown", ttlMs: 1 })).toBe(false);
    await limits.block(ada, 0);
    await limits.reset({ ...ada, id: "bob" });
    expect(changes()).toEqual(before);
    database.close();
  });

  it("what is over leaves a holder's row with the next write", async () => {
    const clock = createManualClock();
    const database = await openSqliteDatabase(":memory:");
    const { limits } = await openSqlStore(database, { clock });
    for (let index = 0; index < 50; index += 1) {
      await limits.consume({ ...ada, cells: [{ ...once, id: `${index}` }], lease: { id: `${index}`, capacity: 1, key: "k", ttlMs: 10 } });
    }
    clock.advance(HOUR_MS);
    await limits.consume({ ...ada, cells: [{ ...once, id: "now" }] });
    const [row] = database.prepare("SELECT ledger FROM portcullis_limits").all() as { readonly ledger: string }[]; // a fact of the query
    expect(JSON.parse(row?.ledger ?? "")).toMatchObject({ cells: [["bucket:now", {}]], leases: [] });
    database.close();
  });

  it("limits of a fraction of a ms are exact, far from the epoch", async () => {
    const clock = createManualClock(Date.UTC(2090, 0, 1));
    const store = await openSqlStore(":memory:", { clock });
    const cells = [{ ...once, capacity: 10_000, intervalMs: 0.007 }];
    let passed = 0;
    for (let call = 0; call < 10_100; call += 1) if ((await store.limits.consume({ ...ada, cells })).allowed) passed += 1;
    expect(passed).toBe(10_000);
    await store.close();
  });
});

describe("what openSqlStore refuses", () => {
  it.each(["", "data.db", "file:", "file:data.db?mode=ro", "mysql://host/db", "postgres://[bad", "postgres://u:secret@:bad/"])(
    "the target %j",
    async (target) => {
      const error: unknown = await openSqlStore(target).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ConfigurationError);
      expect(String(error)).not.toContain("secret");
    },
  );

  it("objects that are neither a database nor a pool", async () => {
    // @ts-expect-error a caller without types
    await expect(openSqlStore({})).rejects.toBeInstanceOf(ConfigurationError);
  });

  it.each([{ deadlineMs: 0 }, { deadlineMs: 1.5 }, { deadlineMs: 600_001 }, { durability: "some" }, { migrate: "sometimes" }])(
    "the options %j",
    async (options) => {
      // @ts-expect-error a caller without types
      await expect(openSqlStore(":memory:", options)).rejects.toMatchObject({ code: "invalid_option" });
    },
  );
});

it("busy is told from other faults, by each driver's own words", () => {
  const fault = (message: string, members: object): Error => Object.assign(new Error(message), members);
  expect(isBusy(fault("x", { errcode: 5 }))).toBe(true);
  expect(isBusy(fault("x", { errcode: 261 }))).toBe(true);
  expect(isBusy(fault("x", { errcode: 13 }))).toBe(false);
  expect(isBusy(fault("x", { code: "SQLITE_BUSY_SNAPSHOT" }))).toBe(true);
  expect(isBusy(fault("x", { code: "SQLITE_FULL" }))).toBe(false);
  expect(isBusy(fault("database is locked", {}))).toBe(true);
  expect(isBusy("database is locked")).toBe(false);
});
