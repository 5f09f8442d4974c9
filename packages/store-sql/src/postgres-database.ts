import { createHash } from "node:crypto";
import { type Clock, StoreUnavailable } from "@portcullis/core";
import type { Connection, Database, Row } from "./database.js";
import { postgresDialect } from "./dialect.js";
import { compileStatement, type SqlValue, type Statement } from "./statement.js";

/** A pool of the `pg` package, or anything of its shape. */
export interface PostgresPool {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
  connect(): Promise<PostgresClient>;
  end(): Promise<void>;
}

/** A connection taken from the pool. */
export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
  /** @param destroy The connection's state is unknown: it is closed and not used again. */
  release(destroy?: boolean): void;
}

/** How a PostgreSQL database is used. */
export interface PostgresSettings {
  /** `undefined`: the server's clock. */
  readonly clock: Clock | undefined;
  readonly deadlineMs: number;
  readonly closes: boolean;
}

// Of classes 40 (rolled back for another's sake) and 55P03 (lock not available): the work may simply be done again.
const RETRYABLE = new Set(["40001", "40P01", "55P03"]);
const MAX_ATTEMPTS = 5;

/** A pool of PostgreSQL connections. Every statement answers within the deadline or fails. */
export function createPostgresDatabase(pool: PostgresPool, { clock, deadlineMs, closes }: PostgresSettings): Database {
  const statements = new Map<string, Statement>();
  let isClosed = false;

  async function run(target: Pick<PostgresClient, "query">, sql: string, values: readonly SqlValue[]): Promise<readonly Row[]> {
    const { text, bind } = compile(sql);
    const { rows } = await target.query(
      text,
      bind(values, () => Math.floor(clock?.now() ?? 0)),
    );
    return rows as Row[]; // pg gives objects unless asked for arrays
  }

  function compile(sql: string): Statement {
    let statement = statements.get(sql);
    if (statement === undefined) statements.set(sql, (statement = compileStatement(sql, postgresDialect, clock !== undefined)));
    return statement;
  }

  function within<T>(operation: string, work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`PostgreSQL did not answer within ${deadlineMs} ms.`)), deadlineMs);
    });
    // Whichever loses the race is heard by nobody; it must not count as unhandled.
    work.catch(() => {});
    return Promise.race([work, late])
      .catch((error: unknown) => {
        throw new StoreUnavailable(`postgres ${operation}`, { cause: error });
      })
      .finally(() => clearTimeout(timer));
  }

  async function transaction<T>(
    begin: string,
    work: (connection: Connection & { execute(sql: string): Promise<void> }) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await attemptTransaction(begin, work);
      } catch (error) {
        if (attempt >= MAX_ATTEMPTS || !isRetryable(error)) throw error;
      }
    }
  }

  async function attemptTransaction<T>(
    begin: string,
    work: (connection: Connection & { execute(sql: string): Promise<void> }) => Promise<T>,
  ): Promise<T> {
    const client = await within("connect", connect());
    let isBroken = false;
    // A statement that failed or hung leaves the connection in a state that nobody knows.
    const guarded = <R>(operation: string, statement: Promise<R>): Promise<R> =>
      within(operation, statement).catch((error: unknown) => {
        isBroken = true;
        throw error;
      });
    try {
      await guarded("begin", client.query(begin));
      const result = await work({
        query: (sql, values = []) => guarded("query", run(client, sql, values)),
        execute: async (sql) => void (await guarded("execute", client.query(sql))),
      });
      await guarded("commit", client.query("COMMIT"));
      return result;
    } catch (error) {
      if (!isBroken) await guarded("rollback", client.query("ROLLBACK")).catch(() => {});
      throw error;
    } finally {
      client.release(isBroken);
    }
  }

  // A connection that comes after the deadline goes back to the pool.
  function connect(): Promise<PostgresClient> {
    const pending = pool.connect();
    let isLate = false;
    const timer = setTimeout(() => (isLate = true), deadlineMs);
    return pending.then(
      (client) => {
        clearTimeout(timer);
        if (isLate) client.release();
        return client;
      },
      (error: unknown) => {
        clearTimeout(timer);
        throw error;
      },
    );
  }

  return Object.freeze({
    dialect: postgresDialect,
    query: (sql: string, values: readonly SqlValue[] = []) => within("query", run(pool, sql, values)),
    serialised: <T>(key: readonly string[], work: (connection: Connection) => Promise<T>) =>
      transaction(`BEGIN; SELECT pg_advisory_xact_lock(${lockNumber(key)})`, work),
    transaction: <T>(work: (connection: Connection & { execute(sql: string): Promise<void> }) => Promise<T>) => transaction("BEGIN", work),
    async ping() {
      await within("ping", pool.query("SELECT 1"));
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      if (closes) await pool.end();
    },
  });
}

/** Advisory locks have numbers; two keys that share one only wait for each other. */
function lockNumber(key: readonly string[]): bigint {
  return createHash("sha256")
    .update(JSON.stringify(["portcullis", ...key]))
    .digest()
    .readBigInt64BE();
}

function isRetryable(error: unknown): boolean {
  const cause: unknown = error instanceof StoreUnavailable ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" && RETRYABLE.has(cause.code);
}
