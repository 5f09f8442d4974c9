import type { Clock } from "@portcullis/core";

// Reading the clock costs as much as the rest of a hit. Expiry is a matter of milliseconds at best, so one reading serves for one.
const RESOLUTION_MS = 1;

/** The monotonic clock, read at most once per millisecond and turn of the event loop. */
export class TurnClock {
  #now: number | undefined;

  constructor(private readonly clock: Clock) {}

  now(): number {
    return this.#now ?? this.#read();
  }

  #read(): number {
    const now = this.clock.monotonic();
    this.#now = now;
    this.clock.after(RESOLUTION_MS, () => (this.#now = undefined));
    return now;
  }
}
