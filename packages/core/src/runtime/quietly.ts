/**
 * A callback that cannot harm its caller: what it throws, or rejects with where it is `async`, is dropped. For observers
 * (`onEvent`, `onFault`): a broken log must neither change a decision nor end the process by an unhandled rejection.
 *
 * @example
 * ```ts
 * import { quietly } from "@portcullis/core";
 *
 * const onEvent = quietly(async (_event: string) => Promise.reject(new Error("the log is down")));
 * onEvent("delivered");
 * ```
 */
export function quietly<Event>(observe: (event: Event) => void): (event: Event) => void {
  return (event) => {
    try {
      // A function that returns a promise passes for one that returns nothing.
      const returned: unknown = observe(event);
      if (returned instanceof Promise) returned.catch(() => {});
    } catch {
      // The observer's own affair.
    }
  };
}
