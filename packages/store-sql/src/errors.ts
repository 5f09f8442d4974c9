/** Codes of what keeps a SQL store from opening. Nothing was changed by the failed call. */
export type SqlStoreErrorCode =
  | "sqlite_driver_missing"
  | "postgres_driver_missing"
  | "migration_pending"
  | "migration_changed"
  | "migration_unknown";

/** The store cannot be opened or migrated as it is: install what is missing, or bring code and database together. */
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
