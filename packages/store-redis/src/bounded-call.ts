import { createDeadlines, StoreUnavailable, systemClock } from "@portcullis/core";
import type { RedisClient } from "./redis-client.js";

/**
 * Sends something to Redis, within bounds.
 *
 * @param again What to send after an error that says that nothing was done; not asked when the caller gave up.
 * @throws {StoreUnavailable} No answer in time, or an error for one.
 */
export type BoundedCall = (
  operation: string,
  send: () => Promise<unknown>,
  again?: (error: Error) => Promise<unknown> | undefined,
) => Promise<unknown>;

// While the client waits to reconnect it would queue commands, to be carried out long after their callers gave up.
const DISCONNECTED: ReadonlySet<string> = new Set(["reconnecting", "close", "disconnecting", "end"]);

// After so many deadlines a command without an answer counts as lost, not as waiting.
const DEADLINES_UNTIL_LOST = 100;

/**
 * Bounds how long and how many: each call ends within the deadline, and while `maxPending` calls have not been answered by the
 * server, further ones fail at once instead of piling up behind it.
 */
export function createBoundedCall(bounds: {
  readonly client: RedisClient;
  readonly deadlineMs: number;
  readonly maxPending: number;
}): BoundedCall {
  const { client, deadlineMs, maxPending } = bounds;
  // The machine's clock, not the store's: this is about how long the caller waits.
  const deadlines = createDeadlines(systemClock, deadlineMs);
  let pending = 0;

  return (operation, send, again) => {
    if (DISCONNECTED.has(client.status)) return Promise.reject(unavailable(operation, `The Redis client is ${client.status}.`));
    if (pending >= maxPending) return Promise.reject(unavailable(operation, `${pending} commands have no answer yet.`));
    pending += 1;
    return new Promise((resolve, reject) => {
      let isPending = true;
      const answered = (): void => {
        if (isPending) pending -= 1;
        isPending = false;
      };
      const deadline = deadlines.start(() => {
        reject(unavailable(operation, `Redis did not answer within ${deadlineMs} ms.`));
        // ioredis forgets commands of a broken connection without a word where it may not send them again.
        systemClock.after(deadlineMs * DEADLINES_UNTIL_LOST, answered);
      });
      // An answer that comes too late ends here: the promise has been rejected already.
      const onReply = (reply: unknown): void => {
        answered();
        deadline.done();
        resolve(reply);
      };
      const onError = (error: unknown): void => {
        answered();
        deadline.done();
        reject(new StoreUnavailable(operation, { cause: withoutArguments(error) }));
      };
      const onFirstError = (error: unknown): void => {
        // Nothing may happen behind the back of a caller who gave up.
        const repeated = error instanceof Error && !deadline.isOver ? again?.(error) : undefined;
        if (repeated === undefined) onError(error);
        else repeated.then(onReply, onError);
      };
      try {
        send().then(onReply, onFirstError);
      } catch (error) {
        // What the client throws at once is what it would have rejected with.
        onError(error);
      }
    });
  };
}

function unavailable(operation: string, reason: string): StoreUnavailable {
  return new StoreUnavailable(operation, { cause: new Error(reason) });
}

/**
 * What went wrong, without what was sent: ioredis hangs the whole command on its errors, and Redis quotes the arguments of one
 * it does not know. They are tokens, hashes and records, and whoever logs an error prints its cause.
 */
export function withoutArguments(error: unknown): Error {
  if (!(error instanceof Error)) return new Error("The Redis client failed with something that is no error.");
  const told = new Error(error.message.replace(/,? with args beginning with:.*$/s, ""));
  told.name = error.name;
  return told;
}
