import type { Outbox, Settlement } from "@portcullis/core";

interface Waiting {
  readonly settlement: Settlement;
  readonly resolve: (held: boolean) => void;
  readonly reject: (error: unknown) => void;
}

const MAX_BATCH = 64;

/**
 * Settles in batches: what ends while one round trip is under way goes with the next.
 *
 * @returns per settlement whether the lease still held.
 */
export function createBatchedSettle(outbox: Outbox): (settlement: Settlement) => Promise<boolean> {
  let waiting: Waiting[] = [];
  let isFlushing = false;

  const flush = async (): Promise<void> => {
    isFlushing = true;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MAX_BATCH);
      waiting = waiting.slice(MAX_BATCH);
      try {
        const held = await outbox.settle(batch.map(({ settlement }) => settlement));
        batch.forEach(({ resolve }, index) => resolve(held[index] === true));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    isFlushing = false;
  };

  return (settlement) =>
    new Promise((resolve, reject) => {
      waiting.push({ settlement, resolve, reject });
      if (!isFlushing) void flush();
    });
}
