export { SqlStoreError } from "./errors.js";
export { migrate } from "./migrate.js";
export { openSqlStore } from "./open-sql-store.js";

export type { PostgresClient, PostgresPool } from "./driver/postgres-pool.js";
export type { SqliteDatabase, SqliteStatement } from "./driver/sqlite-database.js";
export type { SqlStoreErrorCode } from "./errors.js";
export type { MigrateCommand, MigrationState } from "./migrate.js";
export type { SqlStore, SqlStoreOptions } from "./open-sql-store.js";
export type { SqlTarget } from "./sql-target.js";
