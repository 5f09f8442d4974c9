import { openSqlStore, SqlStoreError } from "@portcullis/store-sql";
import { expect, it, vi } from "vitest";

// What a project looks like that has installed neither.
vi.mock("pg", () => {
  throw new Error("Cannot find package 'pg'");
});
vi.mock("@photostructure/sqlite", () => {
  throw new Error("Cannot find package '@photostructure/sqlite'");
});

it("says what to install for PostgreSQL", async () => {
  const opening = openSqlStore("postgres://user:secret@127.0.0.1/db");
  await expect(opening).rejects.toBeInstanceOf(SqlStoreError);
  await expect(opening).rejects.toMatchObject({ code: "postgres_driver_missing", message: expect.stringContaining("npm install pg") });
});

it("says what to install for SQLite, where Node has none", async () => {
  vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined);
  await expect(openSqlStore(":memory:")).rejects.toMatchObject({
    code: "sqlite_driver_missing",
    message: expect.stringContaining("npm install @photostructure/sqlite"),
  });
});
