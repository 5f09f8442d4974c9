/**
 * Codes of what this package throws beside core's.
 * - `driver_missing`: no SQLite or PostgreSQL driver could be loaded.
 * - `schema_outdated`: the database lacks migrations, and the store was told not to apply them.
 * - `schema_changed`: an applied migration is not the one of this version, or the database is from a newer version.
 */
export type SqlStoreErrorCode = "driver_missing" | "schema_outdated" | "schema_changed";

/** The store cannot be opened. Nothing was changed. */
export class SqlStoreError extends Error {
  override readonly name = "SqlStoreError";
  constructor(
    readonly code: SqlStoreErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
