import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigurationError } from "@portcullis/core";
import { migrate, openSqlStore } from "@portcullis/store-sql";
import { Pool } from "pg";
import { afterAll, describe, expect, it } from "vitest";
import { describeWith, postgresUrl } from "../../../tools/test-services/connect.js";
import { migrations } from "../src/migrations/all.js";
import { openSqliteDatabase } from "../src/driver/sqlite-database.js";

const folder = mkdtempSync(join(tmpdir(), "portcullis-sql-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const names = migrations.map(({ name }) => name);

/** A new database: its address, and a way to run SQL in it past the store. */
interface Fresh {
  readonly target: string;
  run(sql: string): Promise<void>;
}

function laws(create: () => Promise<Fresh>): void {
  it("opening applies what is pending, once", async () => {
    const { target } = await create();
    expect((await migrate(target, "status")).map(({ appliedAt }) => appliedAt)).toEqual(names.map(() => undefined));
    const before = Date.now();
    await (await openSqlStore(target)).close();
    const first = await migrate(target, "status");
    expect(first.map(({ name }) => name)).toEqual(names);
    for (const { appliedAt } of first) expect(Math.abs((appliedAt ?? 0) - before)).toBeLessThan(60_000);
    await (await openSqlStore(target)).close();
    expect(await migrate(target, "up")).toEqual(first);
  });

  it("two instances that start at once apply it once", async () => {
    const { target } = await create();
    const stores = await Promise.all(Array.from({ length: 5 }, () => openSqlStore(target, { deadlineMs: 30_000 })));
    await Promise.all(stores.map(async (store, index) => store.tickets.put(`key ${index}`, "value", 60_000)));
    for (const store of stores) expect(await store.tickets.peek("key 0")).toBe("value");
    await Promise.all(stores.map((store) => store.close()));
  });

  it("`check` refuses a database that lacks something, and changes nothing in it", async () => {
    const { target } = await create();
    await expect(openSqlStore(target, { migrate: "check" })).rejects.toMatchObject({ code: "migration_pending" });
    expect((await migrate(target, "status"))[0]?.appliedAt).toBeUndefined();
    await migrate(target, "up");
    await (await openSqlStore(target, { migrate: "check" })).close();
  });

  it("down takes the newest back, with its tables; up makes them anew", async () => {
    const { target } = await create();
    const store = await openSqlStore(target);
    await store.tickets.put("key", "value", 60_000);
    for (const _ of migrations) await migrate(store, "down");
    expect((await migrate(store, "status")).map(({ appliedAt }) => appliedAt)).toEqual(names.map(() => undefined));
    await expect(store.tickets.peek("key")).rejects.toMatchObject({ code: "store_unavailable" });
    await migrate(store, "down");
    await migrate(store, "up");
    expect(await store.tickets.peek("key")).toBeUndefined();
    await store.close();
  });

  it("a database of an earlier release is brought up with its data", async () => {
    const { target, run } = await create();
    await migrate(target, "up");
    for (const _ of migrations.slice(1)) await migrate(target, "down");
    await run("INSERT INTO portcullis_tickets (key, value, expires_at) VALUES ('key', 'value', 9000000000000)");
    const store = await openSqlStore(target);
    expect(await store.tickets.peek("key")).toBe("value");
    expect(await store.grants.writePolicy("p", 0, "{}")).toBe(1);
    await store.close();
  });

  it("sessions and subjects of version 2 go on as they were, also while its processes still write, and are there after down", async () => {
    const { target, run } = await create();
    await migrate(target, "up");
    while ((await migrate(target, "status"))[2]?.appliedAt !== undefined) await migrate(target, "down");
    const far = 9_000_000_000_000;
    const login = (id: string, lastUsedAt: number) => `INSERT INTO portcullis_sessions
      (id, subject_id, refresh_hash, created_at, last_used_at, expires_at, data) VALUES ('${id}', 'ada', 'hash', 1000, ${lastUsedAt}, ${far}, '{}')`;
    await run(login("fresh", 1_000));
    await run(login("rotated", 5_000));
    await run("INSERT INTO portcullis_subjects (id, token_version, password_version, disabled) VALUES ('ada', 3, 2, 1)");
    const store = await openSqlStore(target);
    await run(login("newest", 7_000));
    const kept = { subjectId: "ada", refreshHash: "hash", previousHash: undefined, createdAt: 1_000, expiresAt: far, idleMs: 0 };
    expect(await store.sessions.list("ada")).toMatchObject([
      { ...kept, id: "newest", rotatedAt: 1_000, lastUsedAt: 7_000 },
      { ...kept, id: "rotated", rotatedAt: 5_000, lastUsedAt: 5_000 },
      { ...kept, id: "fresh", rotatedAt: 1_000, lastUsedAt: 1_000 },
    ]);
    expect(await store.sessions.rotate("rotated", "hash", "next")).toMatchObject({ previousHash: "hash", refreshHash: "next" });
    expect(await store.subjects.bump("ada", "claimsVersion")).toEqual({
      ...{ tokenVersion: 3, passwordVersion: 2, claimsVersion: 2, disabled: true },
    });
    while ((await migrate(store, "status"))[2]?.appliedAt !== undefined) await migrate(store, "down");
    await run("UPDATE portcullis_sessions SET refresh_hash = 'earlier release' WHERE id = 'rotated'");
    await migrate(store, "up");
    expect(await store.sessions.find("rotated")).toMatchObject({ refreshHash: "earlier release", previousHash: undefined });
    expect(await store.subjects.read("ada")).toMatchObject({ tokenVersion: 3, claimsVersion: 1 });
    await store.close();
  });

  it("a database that a newer release has migrated is refused, and so is a migration that was changed", async () => {
    const { target, run } = await create();
    await migrate(target, "up");
    await run("INSERT INTO portcullis_migrations (version, name, checksum, applied_at) VALUES (999, 'future', 'x', 1)");
    await expect(openSqlStore(target)).rejects.toMatchObject({ code: "migration_unknown", message: expect.stringContaining("999 future") });
    await run("DELETE FROM portcullis_migrations WHERE version = 999");
    await run("UPDATE portcullis_migrations SET checksum = 'other' WHERE version = 1");
    await expect(migrate(target, "down")).rejects.toMatchObject({ code: "migration_changed" });
    await expect(openSqlStore(target)).rejects.toMatchObject({ code: "migration_changed" });
  });

  it("a migration that fails leaves nothing behind", async () => {
    const { target, run } = await create();
    await run("CREATE TABLE portcullis_records (mine TEXT)");
    await expect(openSqlStore(target)).rejects.toMatchObject({ code: "store_unavailable" });
    await run("DROP TABLE portcullis_records");
    const store = await openSqlStore(target);
    expect(await store.tickets.put("key", "value", 60_000)).toBe(true);
    await store.close();
  });
}

describe("migrations on SQLite", () =>
  laws(async () => {
    const path = join(folder, `${(files += 1)}.db`);
    return {
      target: `file:${path}`,
      async run(sql) {
        const database = await openSqliteDatabase(path);
        database.exec(sql);
        database.close();
      },
    };
  }));

describeWith("postgres", "migrations on PostgreSQL", () =>
  laws(async () => {
    const target = await postgresUrl();
    return {
      target,
      async run(sql) {
        const pool = new Pool({ connectionString: target });
        await pool.query(sql);
        await pool.end();
      },
    };
  }),
);

it("an unknown command is refused", async () => {
  // @ts-expect-error a caller without types
  await expect(migrate(":memory:", "sideways")).rejects.toBeInstanceOf(ConfigurationError);
});

it("versions count from 1 without a gap, and no script holds a value", () => {
  expect(migrations.map(({ version }) => version)).toEqual(migrations.map((_, index) => index + 1));
  for (const { up, down } of migrations) expect(`${up}${down}`).not.toMatch(/\$\d/);
});
