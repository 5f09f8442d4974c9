export { SqlStoreError } from "./errors.js";
export { openSqlStore } from "./open-sql-store.js";

export type { SqlStoreErrorCode } from "./errors.js";
export type { Migration, MigrationState } from "./migrate.js";
export type { SqlMigrations, SqlStore, SqlStoreOptions } from "./open-sql-store.js";
export type { PostgresClient, PostgresPool } from "./postgres-database.js";
export type { SqliteDatabase, SqliteStatement } from "./sqlite-database.js";
export type { SqlValue } from "./statement.js";
