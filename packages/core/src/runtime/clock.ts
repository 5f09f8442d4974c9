/** Time as a parameter: every package reads it from here, and tests move it by hand. */
export interface Clock {
  /** Wall time, epoch ms. May jump; compare it with instants only. */
  now(): number;
  /** Monotonic ms from an arbitrary origin. Measure durations with it. */
  monotonic(): number;
  /**
   * Runs `callback` once, after `delayMs`. The timer does not keep the process alive.
   *
   * @param delayMs 0 and up; longer than a timer can hold (24.8 days) is split up.
   * @returns Cancels; harmless when it ran already.
   */
  after(delayMs: number, callback: () => void): () => void;
}

// setTimeout fires at once for more than 2^31-1 ms.
const MAX_TIMER_MS = 2_147_483_647;

// The global is a getter, looked up each time; a check of a limit costs little more than that.
const machine = performance;

/** The machine's clock. */
export const systemClock: Clock = Object.freeze({
  now: () => Date.now(),
  monotonic: () => machine.now(),
  after(delayMs: number, callback: () => void): () => void {
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, MAX_TIMER_MS);
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : callback()), stepMs);
      timer.unref();
    };
    arm(Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
});
