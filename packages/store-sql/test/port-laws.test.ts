import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqlStore, type SqlStore } from "@portcullis/store-sql";
import { createManualClock, portLaws, portLawsFor, type StoreHost } from "@portcullis/testkit";
import { Pool } from "pg";
import { afterAll, beforeAll, describe, test } from "vitest";
import { describeWith, postgresUrl } from "../../../tools/test-services/connect.js";

describe("the port laws hold on SQLite, in a file,", () => {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-sql-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const clock = createManualClock();
  let files = 0;
  const host: StoreHost = {
    clock,
    // What a law is about does not need the disk's own speed: `normal` differs in power loss only.
    open: () => openSqlStore(`file:${join(folder, `${(files += 1)}.db`)}`, { clock, durability: "normal" }),
    close: (store) => (store as SqlStore).close(),
  };
  for (const law of portLawsFor(host)) test(`${law.id} ${law.title}`, () => law.run(host));
});

describeWith("postgres", "the port laws hold on PostgreSQL", () => {
  let pool: Pool;
  beforeAll(async () => {
    pool = new Pool({ connectionString: await postgresUrl(), max: 20 });
  });
  afterAll(() => pool.end());

  /** Empty tables in the place of a new database, which costs a second each. */
  async function empty(): Promise<void> {
    const { rows } = await pool.query<{ name: string }>(
      "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'portcullis_migrations'",
    );
    if (rows.length > 0) await pool.query(`TRUNCATE ${rows.map(({ name }) => name).join(", ")}`);
  }

  describe("by a given clock:", () => {
    const clock = createManualClock();
    const host: StoreHost = {
      clock,
      async open() {
        const store = await openSqlStore(pool, { clock, deadlineMs: 20_000 });
        await empty();
        return store;
      },
      close: (store) => (store as SqlStore).close(),
    };
    for (const law of portLawsFor(host)) test(`${law.id} ${law.title}`, () => law.run(host));
  });

  describe("by the server's clock:", () => {
    const host: StoreHost = {
      async open() {
        const store = await openSqlStore(pool, { deadlineMs: 20_000 });
        await empty();
        return store;
      },
      close: (store) => (store as SqlStore).close(),
    };
    const timeless = Object.values(portLaws)
      .flat()
      .filter(({ needsClock }) => !needsClock);
    for (const law of timeless) test(`${law.id} ${law.title}`, () => law.run(host));
  });
});
