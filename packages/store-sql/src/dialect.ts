/** What differs between the databases: named fragments, so that statements are written once. */
export interface Dialect {
  readonly name: "sqlite" | "postgres";
  /** Stand-ins of the migrations, by name. */
  readonly fragments: Readonly<Record<"key" | "bytes" | "sequence", string>>;
  /** The server's time, epoch ms; `undefined` where the program's clock is the store's. */
  readonly serverNow: string | undefined;
  /** A parameter's stand-in, from its place in the list, 1 and up. */
  placeholder(place: number): string;
  /** Whether one place of the list may be referred to twice. */
  readonly reusesPlaceholders: boolean;
  /** Run first in a migration, where the transaction itself does not exclude others. */
  readonly migrationLock: string | undefined;
  /** The texts of a JSON array parameter, as the right side of `IN`. */
  textsOf(parameter: string): string;
}

/** SQLite 3.38 and later: `RETURNING`, `json_each`. */
export const sqliteDialect: Dialect = Object.freeze({
  name: "sqlite",
  fragments: Object.freeze({ key: "text", bytes: "blob", sequence: "integer PRIMARY KEY AUTOINCREMENT" }),
  serverNow: undefined,
  migrationLock: undefined,
  placeholder: () => "?",
  reusesPlaceholders: false,
  textsOf: (parameter: string) => `(SELECT value FROM json_each(${parameter}))`,
});

/** PostgreSQL 13 and later. */
export const postgresDialect: Dialect = Object.freeze({
  name: "postgres",
  fragments: Object.freeze({ key: 'text COLLATE "C"', bytes: "bytea", sequence: "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY" }),
  // Of the moment, not of the transaction: a deadline that passed while waiting for a lock has passed.
  serverNow: "floor(extract(epoch FROM clock_timestamp()) * 1000)::double precision",
  // Any number, as long as it is always the same: "portcull" in ASCII.
  migrationLock: "SELECT pg_advisory_xact_lock(8101540982421024108)",
  placeholder: (place: number) => `$${place}`,
  reusesPlaceholders: true,
  textsOf: (parameter: string) => `(SELECT jsonb_array_elements_text(${parameter}::jsonb))`,
});
