import type { Clock } from "@portcullis/core";

/** A clock that only a test moves. */
export interface ManualClock extends Clock {
  /** Lets time pass, wall and monotonic alike, and runs the timers that become due, in their order, each at its own instant. */
  advance(ms: number): void;
  /** Jumps the wall clock, as an administrator or NTP does. No time passes: `monotonic` stands still and no timer runs. */
  set(nowMs: number): void;
}

interface Timer {
  /** On the monotonic axis. */
  readonly dueAt: number;
  readonly callback: () => void;
}

// Away from 0 and from the wall clock, so that code which mixes the two axes fails its tests.
const MONOTONIC_ORIGIN_MS = 1_000_000;

/**
 * Stands still until it is moved.
 *
 * @param startMs Wall time at the start, epoch ms; the first second of 2030 unless given.
 * @example
 * ```ts
 * import { createManualClock } from "@portcullis/testkit";
 *
 * const clock = createManualClock(0);
 * const order: string[] = [];
 * clock.after(200, () => order.push("second"));
 * clock.after(100, () => order.push("first"));
 * clock.advance(1_000);
 * console.log(order.join(), clock.now()); // first,second 1000
 * ```
 */
export function createManualClock(startMs: number = Date.UTC(2030, 0, 1)): ManualClock {
  let wallMs = startMs;
  let monotonicMs = MONOTONIC_ORIGIN_MS;
  const timers = new Set<Timer>();

  const passUntil = (instant: number): void => {
    wallMs += instant - monotonicMs;
    monotonicMs = instant;
  };
  const nextDueBy = (instant: number): Timer | undefined => {
    let next: Timer | undefined;
    // Strictly earlier only: of two timers due together the one set first runs first, as in Node.
    for (const timer of timers) if (timer.dueAt <= instant && (next === undefined || timer.dueAt < next.dueAt)) next = timer;
    return next;
  };

  return Object.freeze({
    now: () => wallMs,
    monotonic: () => monotonicMs,
    after(delayMs: number, callback: () => void): () => void {
      const timer: Timer = { dueAt: monotonicMs + Math.max(0, delayMs), callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance(ms: number): void {
      if (!(ms >= 0)) throw new RangeError("advance() takes ms >= 0; set() moves the wall clock back.");
      const end = monotonicMs + ms;
      for (let timer = nextDueBy(end); timer !== undefined; timer = nextDueBy(end)) {
        timers.delete(timer);
        passUntil(Math.max(monotonicMs, timer.dueAt));
        timer.callback();
      }
      passUntil(end);
    },
    set(nowMs: number): void {
      wallMs = nowMs;
    },
  });
}
