/** The places in a statement where the databases differ, written `{name}` there. */
export type FragmentName = "text" | "integer" | "real" | "bytes" | "sequence" | "computed" | "strict" | "forUpdate" | "skipLocked";

/** Where SQLite and PostgreSQL differ. All else is one text. */
export interface Dialect {
  readonly title: string;
  readonly fragments: Readonly<Record<FragmentName, string>>;
  /** The server's clock in epoch ms, for `{now}`; `undefined` where the database has none of its own. */
  readonly serverNow: string | undefined;
  /** How the n-th value is written, counted from 1. */
  placeholder(position: number): string;
  /** Whether a value that occurs twice is written with the same number, or sent twice. */
  readonly numbersValues: boolean;
  /** Takes the named lock `$1` until the transaction ends; nothing where a transaction excludes all others anyway. */
  readonly lockName: readonly string[];
  /** Rows that one INSERT takes at best. */
  readonly rowsPerInsert: number;
}

/** SQLite 3.38 and later: an in-process database, one writer at a time. */
export const sqliteDialect: Dialect = Object.freeze({
  title: "SQLite",
  fragments: Object.freeze({
    text: "TEXT",
    integer: "INTEGER",
    real: "REAL",
    bytes: "BLOB",
    sequence: "INTEGER PRIMARY KEY AUTOINCREMENT",
    computed: "VIRTUAL",
    strict: "STRICT",
    forUpdate: "",
    skipLocked: "",
  }),
  serverNow: undefined,
  placeholder: () => "?",
  numbersValues: false,
  lockName: Object.freeze([]),
  // A prepared statement in a loop costs no round trip, and one text stays prepared.
  rowsPerInsert: 1,
});

/** PostgreSQL 13 and later. */
export const postgresDialect: Dialect = Object.freeze({
  title: "PostgreSQL",
  fragments: Object.freeze({
    // By bytes: an index in the locale's order sorts otherwise than the ports say, and breaks when the locale's rules change.
    text: 'TEXT COLLATE "C"',
    integer: "BIGINT",
    real: "DOUBLE PRECISION",
    bytes: "BYTEA",
    sequence: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    computed: "STORED",
    strict: "",
    forUpdate: "FOR UPDATE",
    skipLocked: "FOR UPDATE SKIP LOCKED",
  }),
  serverNow: "CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT)",
  placeholder: (position: number) => `$${position}`,
  numbersValues: true,
  lockName: Object.freeze(["SELECT pg_advisory_xact_lock(hashtextextended('portcullis:' || $1, 0))"]),
  rowsPerInsert: 500,
});
