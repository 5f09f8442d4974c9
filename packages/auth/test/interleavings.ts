import { setImmediate } from "node:timers/promises";
import type { MemoryStore } from "@portcullis/core";
import { wrapPort } from "./auth-fixture.js";

/** Holds every store call of one operation until it is that operation's turn. */
class Gate {
  readonly #waiting: (() => void)[] = [];

  through(store: MemoryStore): MemoryStore {
    const gated = <Port extends object>(port: Port): Port =>
      wrapPort(port, (method) => async (...args) => {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        return method(...args);
      });
    const { tickets, counters, subjects, sessions, records } = store;
    return {
      ...store,
      tickets: gated(tickets),
      counters: gated(counters),
      subjects: gated(subjects),
      sessions: gated(sessions),
      records: gated(records),
    };
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  step(): void {
    this.#waiting.shift()?.();
  }
}

/** One case: operations, each on the view of the store that it is given, and what must be true after all of them. */
export interface Race {
  readonly store: MemoryStore;
  readonly operations: readonly ((store: MemoryStore) => Promise<unknown>)[];
  verify(): Promise<void>;
}

/**
 * Runs a race once for every order in which the store calls of its operations can follow one another.
 *
 * @param race Makes the case anew, always the same.
 * @param most Stops after so many orders.
 * @returns how many orders there were.
 */
export async function inEveryOrder(race: () => Promise<Race>, most = Number.POSITIVE_INFINITY): Promise<number> {
  let prefix: readonly number[] = [];
  for (let orders = 1; ; orders += 1) {
    const taken = await runOnce(await race(), prefix);
    while (taken.length > 0 && isLast(taken.at(-1))) taken.pop();
    const last = taken.pop();
    if (last === undefined || orders >= most) return orders;
    prefix = [...taken.map(({ choice }) => choice), last.choice + 1];
  }
}

interface Step {
  readonly choice: number;
  readonly choices: number;
}

async function runOnce({ store, operations, verify }: Race, prefix: readonly number[]): Promise<Step[]> {
  const gates = operations.map(() => new Gate());
  const running = Promise.all(operations.map(async (operation, index) => operation(gates[index]?.through(store) ?? store)));
  running.catch(() => {}); // reported where it is awaited
  const taken: Step[] = [];
  for (;;) {
    // Whatever can go on without the store has gone on when this returns.
    await setImmediate();
    const ready = gates.filter(({ isWaiting }) => isWaiting);
    if (ready.length === 0) break;
    const choice = prefix[taken.length] ?? 0;
    taken.push({ choice, choices: ready.length });
    ready[choice]?.step();
  }
  await running;
  await verify();
  return taken;
}

function isLast(step: Step | undefined): boolean {
  return step !== undefined && step.choice + 1 === step.choices;
}
