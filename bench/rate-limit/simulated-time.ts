import type { Clock } from "@portcullis/core";

/** Time that stands still until it is set: for us as a clock, for peers in place of the machine's. */
export interface SimulatedTime extends Clock {
  /** Ms since the simulation began. */
  at: number;
  /** Lets libraries that read the machine's clock read this one, until the work is done. */
  during<T>(work: () => Promise<T>): Promise<T>;
}

// A multiple of every window in use, so that windows counted from the epoch and windows counted from the first call begin alike.
const ORIGIN_MS = 1_800_000_000_000;

/** Makes a simulation of time. Its timers never run. */
export function simulateTime(): SimulatedTime {
  const time: SimulatedTime = {
    at: 0,
    now: () => ORIGIN_MS + time.at,
    monotonic: () => ORIGIN_MS + time.at,
    after: () => () => {},
    async during(work) {
      const { Date: machine } = globalThis;
      class SimulatedDate extends machine {
        constructor(value: number | string | Date = time.now()) {
          super(value);
        }
        static override now(): number {
          return time.now();
        }
      }
      globalThis.Date = SimulatedDate as DateConstructor; // no caller needs it without `new`
      try {
        return await work();
      } finally {
        globalThis.Date = machine;
      }
    },
  };
  return time;
}
