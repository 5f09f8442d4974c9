// Two processes on one store, as far as auth can tell: each has its own Auth, and they share the store and its bus.
import { type Bus, type BusSubscriber, createMemoryStore, type Metrics } from "@portcullis/core";
import { createManualClock, type ManualClock } from "@portcullis/testkit";
import type { Auth, AuthOptions } from "@portcullis/auth";
import { asynchronous, createFixture } from "./auth-fixture.js";

/** The memory store's bus, with a switch; what it is told while it is cut is lost. */
export interface SwitchableBus extends Bus {
  isCut: boolean;
  /** Lets all subscribers know that something may have been lost. */
  gap(): void;
  readonly published: string[];
  readonly subscriptions: () => number;
}

export function createSwitchableBus(): SwitchableBus {
  const subscribers = new Set<{ readonly channel: string; readonly subscriber: BusSubscriber }>();
  const bus: SwitchableBus = {
    isCut: false,
    published: [],
    subscriptions: () => subscribers.size,
    gap: () => {
      for (const { subscriber } of subscribers) subscriber.onGap?.();
    },
    async publish(channel, message) {
      bus.published.push(message);
      if (bus.isCut) return;
      for (const one of subscribers) if (one.channel === channel) one.subscriber.onMessage(message);
    },
    async subscribe(channel, subscriber) {
      const entry = { channel, subscriber };
      subscribers.add(entry);
      return async () => void subscribers.delete(entry);
    },
  };
  return bus;
}

/** Two processes. */
export interface TwoProcesses {
  readonly here: Auth;
  readonly there: Auth;
  readonly clock: ManualClock;
  readonly bus: SwitchableBus;
  /** Reads of the store that `there` made, by method. */
  readonly reads: string[];
  /** Reads wait while it is set. */
  gate: Promise<void> | undefined;
  readonly memory: ReturnType<typeof createMemoryStore>;
  /** What `there` measured: name and value. */
  readonly observed: [string, number][];
}

export function createTwoProcesses(options: Partial<AuthOptions> = {}): TwoProcesses {
  const clock = createManualClock();
  const memory = createMemoryStore({ clock });
  const bus = createSwitchableBus();
  const reads: string[] = [];
  const observed: [string, number][] = [];
  const late = asynchronous(memory);
  const store = { ...late, bus };
  const processes: { gate: Promise<void> | undefined } = { gate: undefined };
  const noted =
    <Args extends readonly unknown[], Answer>(name: string, read: (...args: Args) => Answer | Promise<Answer>) =>
    async (...args: Args): Promise<Answer> => {
      reads.push(name);
      const answer = await read(...args);
      // The answer is of the moment when it was asked for, however long it is on its way.
      await processes.gate;
      return answer;
    };
  const watched = {
    ...store,
    subjects: { ...store.subjects, read: noted("subjects.read", store.subjects.read) },
    sessions: { ...store.sessions, find: noted("sessions.find", store.sessions.find) },
    tickets: { ...store.tickets, peek: noted("tickets.peek", store.tickets.peek) },
  };
  const metrics: Metrics = {
    counter: ({ name }) => ({ add: () => void observed.push([name, 1]) }),
    gauge: ({ name }) => ({ set: (value) => void observed.push([name, value]) }),
    histogram: ({ name }) => ({ observe: (value) => void observed.push([name, value]) }),
  };
  const here = createFixture({ clock, ...options, store }).auth;
  const there = createFixture({ clock, metrics, ...options, store: watched }).auth;
  return Object.assign(processes, { here, there, clock, bus, reads, memory, observed });
}

/** Lets everything happen that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
