import type { SqliteDatabase } from "@portcullis/store-sql";

/** Opens a SQLite file with what this runtime has: node:sqlite, or the package with the same class. */
export async function openSqlite(path: string): Promise<SqliteDatabase> {
  const name = process.getBuiltinModule("node:sqlite") === undefined ? "@photostructure/sqlite" : "node:sqlite";
  const { DatabaseSync } = (await import(name)) as { readonly DatabaseSync: new (path: string) => SqliteDatabase }; // both export it
  return new DatabaseSync(path);
}
