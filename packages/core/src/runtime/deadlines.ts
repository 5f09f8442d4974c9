import type { Clock } from "./clock.js";

/** Something that must be over in time. */
export interface Deadline {
  /** Whether it was done, or ran out. */
  readonly isOver: boolean;
  /** It was done in time: nothing happens at the deadline. Harmless when it is over already. */
  done(): void;
}

class Running implements Deadline {
  #onExpired: (() => void) | undefined;
  constructor(
    readonly at: number,
    onExpired: () => void,
  ) {
    this.#onExpired = onExpired;
  }
  get isOver(): boolean {
    return this.#onExpired === undefined;
  }
  // Let go at once: what was done in time must not live on, with all it holds, until its deadline.
  done(): void {
    this.#onExpired = undefined;
  }
  expire(): void {
    const onExpired = this.#onExpired;
    this.#onExpired = undefined;
    onExpired?.();
  }
}

/**
 * Deadlines that are all the same time away: they run out in the order in which they began, so one timer watches the first of
 * them, whatever their number. The timer does not keep the process alive.
 *
 * @example
 * ```ts
 * import { createDeadlines, systemClock } from "@portcullis/core";
 *
 * const deadlines = createDeadlines(systemClock, 100);
 * const deadline = deadlines.start(() => console.log("too late"));
 * deadline.done();
 * ```
 */
export function createDeadlines(clock: Clock, deadlineMs: number): { start(onExpired: () => void): Deadline } {
  let running: Running[] = [];
  /** Those before it are over. */
  let first = 0;
  let isWatched = false;

  function watch(): void {
    while (first < running.length && running[first]?.isOver === true) first += 1;
    const oldest = running[first];
    if (oldest === undefined) {
      running = [];
      first = 0;
      return;
    }
    isWatched = true;
    clock.after(Math.max(1, oldest.at - clock.monotonic()), expire);
  }

  function expire(): void {
    isWatched = false;
    // A timer may fire a little early.
    const now = clock.monotonic() + 1;
    const faults: unknown[] = [];
    for (; first < running.length; first += 1) {
      const deadline = running[first] as Running; // first < length
      if (deadline.isOver) continue;
      if (deadline.at > now) break;
      try {
        deadline.expire();
      } catch (error) {
        // The others are due all the same.
        faults.push(error);
      }
    }
    running.splice(0, first);
    first = 0;
    watch();
    if (faults.length > 0) throw faults[0];
  }

  return Object.freeze({
    start(onExpired: () => void): Deadline {
      const deadline = new Running(clock.monotonic() + deadlineMs, onExpired);
      running.push(deadline);
      if (!isWatched) watch();
      return deadline;
    },
  });
}
