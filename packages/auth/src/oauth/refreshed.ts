import type { Clock } from "@portcullis/core";

/** Something read from elsewhere and remembered; any number of callers share one reading. */
export interface Refreshed<T> {
  last(): T | undefined;
  /** Since the last reading that succeeded; infinite before the first. */
  ageMs(): number;
  /** Since the last attempt; infinite before the first. */
  attemptAgeMs(): number;
  /** Reads anew. When that fails, what was there stays. */
  fetch(): Promise<T>;
}

export function createRefreshed<T>(clock: Clock, read: () => Promise<T>): Refreshed<T> {
  let value: T | undefined;
  let readAt = -Infinity;
  let triedAt = -Infinity;
  let running: Promise<T> | undefined;

  async function run(): Promise<T> {
    triedAt = clock.monotonic();
    try {
      value = await read();
      readAt = clock.monotonic();
      return value;
    } finally {
      running = undefined;
    }
  }

  return Object.freeze({
    last: () => value,
    ageMs: () => clock.monotonic() - readAt,
    attemptAgeMs: () => clock.monotonic() - triedAt,
    fetch: () => (running ??= run()),
  });
}
