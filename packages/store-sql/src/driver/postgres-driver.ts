import { type BusTransport, type Clock, StoreUnavailable, systemClock } from "@portcullis/core";
import { postgresDialect } from "../dialect.js";
import { type Driver, DriverFault, type Operation, type Query, type Row, TransactionConflict } from "./driver.js";
import { createPostgresMessages } from "./postgres-messages.js";
import { isRepeatable, type PostgresClient, type PostgresPool, withoutValues } from "./postgres-pool.js";
import { StatementWriter } from "./statement.js";

/** Operations on PostgreSQL, each with a deadline for all of it: the connection, its statements, and repeats. */
export class PostgresDriver implements Driver {
  readonly dialect = postgresDialect;
  readonly messages: BusTransport;
  readonly #writer: StatementWriter;

  /** @param clock Replaces the server's clock where given. */
  constructor(
    readonly pool: PostgresPool,
    clock: Clock | undefined,
    readonly deadlineMs: number,
    readonly ownsPool: boolean,
  ) {
    this.#writer = new StatementWriter(postgresDialect, clock);
    this.messages = createPostgresMessages(this, pool, deadlineMs);
  }

  async run<T>(name: string, operation: () => Operation<T>): Promise<T> {
    return this.#withClient(name, this.deadlineMs, async (client) => {
      const steps = operation();
      let step = steps.next();
      while (step.done !== true) {
        const query = step.value;
        step = steps.next(await repeatedly(() => this.#execute(client, query)));
      }
      return step.value;
    });
  }

  async transaction<T>(name: string, operation: () => Operation<T>, deadlineMs: number = this.deadlineMs): Promise<T> {
    return this.#withClient(name, deadlineMs, (client) => repeatedly(() => this.#inTransaction(client, operation, deadlineMs)));
  }

  #isClosed = false;
  async close(): Promise<void> {
    if (!this.ownsPool || this.#isClosed) return;
    this.#isClosed = true;
    await this.pool.end();
  }

  async #inTransaction<T>(client: PostgresClient, operation: () => Operation<T>, deadlineMs: number): Promise<T> {
    // The levels and deadlines of the server's configuration are for others. A process that is stopped with a lock in its
    // hand keeps it no longer than the deadline.
    const limits = `SET LOCAL statement_timeout = ${deadlineMs}; SET LOCAL idle_in_transaction_session_timeout = ${deadlineMs}`;
    await this.#execute(client, { script: `BEGIN ISOLATION LEVEL READ COMMITTED; ${limits}` });
    try {
      const steps = operation();
      let step = steps.next();
      while (step.done !== true) step = steps.next(await this.#execute(client, step.value));
      await this.#execute(client, { script: "COMMIT" });
      return step.value;
    } catch (error) {
      await this.#execute(client, { script: "ROLLBACK" });
      throw error;
    }
  }

  async #execute(client: PostgresClient, query: Query): Promise<readonly Row[]> {
    try {
      if ("script" in query) {
        await client.query(this.#writer.writeScript(query.script));
        return [];
      }
      const { sql, bind } = this.#writer.write(query.text);
      // A fact of pg: a row is an object by column name.
      return (await client.query(sql, bind(query.values))).rows as Row[];
    } catch (cause) {
      throw new DriverFault(cause);
    }
  }

  /** A connection for as long as the work takes; past the deadline it is destroyed, for its answer may still come. */
  async #withClient<T>(name: string, deadlineMs: number, work: (client: PostgresClient) => Promise<T>): Promise<T> {
    let held: PostgresClient | undefined;
    let isLate = false;
    const giveBack = (destroy: boolean): void => {
      // One that is destroyed may still break, and nobody else listens any more.
      if (!destroy) held?.off?.("error", ignore);
      held?.release(destroy);
      held = undefined;
    };
    const attempt = async (): Promise<T> => {
      const client = await this.#connect();
      if (isLate) {
        client.release();
        throw new DriverFault(new Error("The connection came too late."));
      }
      held = client;
      client.on?.("error", ignore);
      try {
        const result = await work(client);
        giveBack(false);
        return result;
      } catch (error) {
        giveBack(error instanceof DriverFault);
        throw error;
      }
    };
    let cancel = (): void => {};
    const deadline = new Promise<never>((_resolve, reject) => {
      cancel = systemClock.after(deadlineMs, () => {
        isLate = true;
        giveBack(true);
        reject(new DriverFault(new Error(`PostgreSQL did not answer within ${deadlineMs} ms.`)));
      });
    });
    try {
      return await Promise.race([attempt(), deadline]);
    } catch (error) {
      throw error instanceof DriverFault ? new StoreUnavailable(name, { cause: withoutValues(error.cause) }) : error;
    } finally {
      cancel();
    }
  }

  async #connect(): Promise<PostgresClient> {
    try {
      return await this.pool.connect();
    } catch (cause) {
      throw new DriverFault(cause);
    }
  }
}

/** A connection that breaks also fails the statement it was about; unheard, its event would end the process. */
function ignore(): void {}

/** The deadline ends it: what cannot be repeated any more fails with its connection. */
async function repeatedly<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const isConflict = error instanceof TransactionConflict || (error instanceof DriverFault && isRepeatable(error.cause));
      if (!isConflict) throw error;
    }
  }
}
