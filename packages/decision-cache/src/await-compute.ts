import type { Clock } from "@portcullis/core";
import type { ComputeContext } from "./decision-cache.js";
import { DecisionCacheError } from "./errors.js";

/** Gives a computation its signal, made when it is first asked for. */
export class Computing implements ComputeContext {
  #controller: AbortController | undefined;

  get signal(): AbortSignal {
    return (this.#controller ??= new AbortController()).signal;
  }

  abort(reason: unknown): void {
    (this.#controller ??= new AbortController()).abort(reason);
  }
}

/** The result, unless it takes too long; then whoever computes is told by the signal. */
export function withTimeout<T>(result: PromiseLike<T>, computing: Computing, timeoutMs: number, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () => {
      const error = new DecisionCacheError(
        "compute_timeout",
        `The computation took longer than ${timeoutMs} ms; nothing was stored. Make it faster or raise computeTimeoutMs.`,
      );
      computing.abort(error);
      reject(error);
    });
    result.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
}

/** The result, unless the caller leaves first. The others who wait for it are not disturbed. */
export function unlessAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error); // the caller's own reason
    if (signal.aborted) return leave();
    signal.addEventListener("abort", leave, { once: true });
    const stay = (): void => signal.removeEventListener("abort", leave);
    result.then(
      (value) => {
        stay();
        resolve(value);
      },
      (error: unknown) => {
        stay();
        reject(error);
      },
    );
  });
}
