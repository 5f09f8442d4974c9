import { setTimeout as delay } from "node:timers/promises";
import { type BusTransport, type Clock, StoreUnavailable, systemClock } from "@portcullis/core";
import { sqliteDialect } from "../dialect.js";
import { type Driver, DriverFault, type Operation, type Query, type Row } from "./driver.js";
import { isBusy, type SqliteDatabase, type SqliteStatement } from "./sqlite-database.js";
import { createSqliteMessages } from "./sqlite-messages.js";
import { StatementWriter } from "./statement.js";

/** How long one turn of the event loop may be spent in SQLite before others get theirs. */
const TURN_MS = 5;
// While another process holds the lock: look a few times in short steps, for locks are held for fractions of a millisecond
// and a process that only looks now and then never meets a gap; then give the event loop its turn.
const LOOKS = 8;
const LOOK_PAUSE_MS = 0.1;
const LONGEST_WAIT_MS = 4;

const pauseCell = new Int32Array(new SharedArrayBuffer(4));

/** Operations on SQLite. Each runs within one turn of the event loop, unless another process holds the lock. */
export class SqliteDriver implements Driver {
  readonly dialect = sqliteDialect;
  readonly messages: BusTransport;
  readonly #writer: StatementWriter;
  readonly #prepared = new Map<string, SqliteStatement>();
  /** Who waits for another process waits in line: a hundred callers that all look for the lock would take the event loop. */
  #line: Promise<void> = Promise.resolve();
  #turnEndsAt: number | undefined;

  constructor(
    readonly database: SqliteDatabase,
    clock: Clock,
    readonly deadlineMs: number,
    readonly ownsDatabase: boolean,
  ) {
    this.#writer = new StatementWriter(sqliteDialect, clock);
    this.messages = createSqliteMessages(this, deadlineMs);
  }

  async run<T>(name: string, operation: () => Operation<T>): Promise<T> {
    await this.#turn();
    const steps = operation();
    for (let step = steps.next(); ;) {
      if (step.done === true) return step.value;
      const query = step.value;
      const rows =
        this.#tryNow(name, () => this.#execute(query)) ?? (await this.#patiently(name, this.deadlineMs, () => this.#execute(query)));
      step = steps.next(rows);
    }
  }

  async transaction<T>(name: string, operation: () => Operation<T>, deadlineMs: number = this.deadlineMs): Promise<T> {
    await this.#turn();
    const attempt = (): { readonly result: T } => ({ result: this.#inTransaction(operation) });
    const { result } = this.#tryNow(name, attempt) ?? (await this.#patiently(name, deadlineMs, attempt));
    return result;
  }

  async close(): Promise<void> {
    if (!this.ownsDatabase) return;
    this.#prepared.clear();
    try {
      this.database.close();
    } catch {
      // Closed already.
    }
  }

  #inTransaction<T>(operation: () => Operation<T>): T {
    this.#execute({ script: "BEGIN IMMEDIATE" });
    try {
      const steps = operation();
      let step = steps.next();
      while (step.done !== true) step = steps.next(this.#execute(step.value));
      this.#execute({ script: "COMMIT" });
      return step.value;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #rollBack(): void {
    try {
      this.database.exec("ROLLBACK");
    } catch {
      // SQLite rolled back by itself, as it does when the disk is full.
    }
  }

  #execute(query: Query): readonly Row[] {
    try {
      if ("script" in query) {
        this.database.exec(this.#writer.writeScript(query.script));
        return [];
      }
      const { sql, returnsRows, bind } = this.#writer.write(query.text);
      const statement = this.#prepare(sql);
      const values = bind(query.values);
      // A fact of all these drivers: a row is an object by column name.
      if (returnsRows) return statement.all(...values) as Row[];
      statement.run(...values);
      return [];
    } catch (cause) {
      throw new DriverFault(cause);
    }
  }

  #prepare(sql: string): SqliteStatement {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const statement = this.database.prepare(sql);
    this.#prepared.set(sql, statement);
    return statement;
  }

  /** @returns `undefined` where another process holds the lock. */
  #tryNow<T extends object>(name: string, attempt: () => T): T | undefined {
    try {
      return attempt();
    } catch (error) {
      if (!(error instanceof DriverFault)) throw error;
      if (isBusy(error.cause)) return undefined;
      throw new StoreUnavailable(name, { cause: error.cause });
    }
  }

  async #patiently<T extends object>(name: string, deadlineMs: number, attempt: () => T): Promise<T> {
    const givesUpAt = systemClock.monotonic() + deadlineMs;
    const before = this.#line;
    let leave = (): void => {};
    this.#line = new Promise((resolve) => {
      leave = resolve;
    });
    await before;
    try {
      for (;;) {
        for (let look = 0; look < LOOKS; look += 1) {
          const result = this.#tryNow(name, attempt);
          if (result !== undefined) return result;
          Atomics.wait(pauseCell, 0, 0, LOOK_PAUSE_MS);
        }
        if (systemClock.monotonic() >= givesUpAt) {
          throw new StoreUnavailable(name, { cause: new Error(`Another connection held the database's lock for ${deadlineMs} ms.`) });
        }
        // Jitter: two processes that wait in step would meet at every look.
        await delay(1 + Math.random() * (LONGEST_WAIT_MS - 1));
      }
    } finally {
      leave();
    }
  }

  /**
   * A loop of awaited calls never leaves the microtask queue, since each is done at once: timers and sockets would starve,
   * and so would other processes that wait for the lock.
   */
  async #turn(): Promise<void> {
    if (this.#turnEndsAt === undefined) {
      this.#turnEndsAt = systemClock.monotonic() + TURN_MS;
      setImmediate(() => {
        this.#turnEndsAt = undefined;
      });
      return;
    }
    while (this.#turnEndsAt !== undefined && systemClock.monotonic() >= this.#turnEndsAt) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
