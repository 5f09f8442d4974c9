import type { Clock } from "@portcullis/core";

// Reading the clock costs as much as the rest of a hit. Expiry is a matter of milliseconds at best, so one reading serves for one.
const RESOLUTION_MS = 1;
// A program that never returns to the event loop (hits awaited in a row end in microtasks) fires no timer: it reads again by count.
const MOST_USES = 64;

/** The monotonic clock, read once per millisecond; while the event loop is held up, once in so many questions. */
export class TurnClock {
  #now = 0;
  #usesLeft = 0;
  #isTimed = false;

  constructor(private readonly clock: Clock) {}

  now(): number {
    if (this.#usesLeft === 0) return this.#read();
    this.#usesLeft -= 1;
    return this.#now;
  }

  #read(): number {
    this.#now = this.clock.monotonic();
    this.#usesLeft = MOST_USES - 1;
    if (this.#isTimed) return this.#now;
    this.#isTimed = true;
    this.clock.after(RESOLUTION_MS, () => {
      this.#isTimed = false;
      this.#usesLeft = 0;
    });
    return this.#now;
  }
}
