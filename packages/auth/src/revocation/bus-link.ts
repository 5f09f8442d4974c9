import { type Bus, type BusSubscriber, type Clock, type MaybePromise, quietly } from "@portcullis/core";

/** One process's end of a channel. Nothing here throws or rejects: the bus only makes sooner what happens anyway. */
export interface BusLink {
  /** Begins to listen, if that did not begin yet. Returns at once. */
  listen(): void;
  publish(message: string): void;
  /** Stops listening, for good; resolves when what was being published is sent, or lost. */
  close(): Promise<void>;
}

const FIRST_RETRY_MS = 250;
const MOST_RETRY_MS = 30_000;

/** A link that tries again for as long as the bus cannot be reached; its timers do not keep the process alive. */
export function createBusLink(bus: Bus, channel: string, subscriber: Required<BusSubscriber>, clock: Clock): BusLink {
  let isListening = false;
  let isClosed = false;
  let cancelRetry = (): void => {};
  let ending: () => MaybePromise<void> = () => {};
  const underWay = new Set<Promise<void>>();

  const onGap = quietly(() => subscriber.onGap());

  function track(work: Promise<void>): void {
    const settled = work.catch(() => {}).finally(() => underWay.delete(settled));
    underWay.add(settled);
  }

  async function connect(retryMs: number): Promise<void> {
    try {
      const end = await bus.subscribe(channel, { onMessage: quietly(subscriber.onMessage), onGap: () => onGap(undefined) });
      if (isClosed) return await end();
      ending = end;
      // What was told before the subscription began went past us.
      onGap(undefined);
    } catch {
      if (!isClosed) cancelRetry = clock.after(retryMs, () => track(connect(Math.min(2 * retryMs, MOST_RETRY_MS))));
    }
  }

  return Object.freeze({
    listen(): void {
      if (isListening || isClosed) return;
      isListening = true;
      track(connect(FIRST_RETRY_MS));
    },
    publish(message: string): void {
      track((async () => bus.publish(channel, message))());
    },
    async close(): Promise<void> {
      isClosed = true;
      cancelRetry();
      const end = ending;
      ending = () => {};
      track((async () => end())());
      await Promise.all(underWay);
    },
  });
}
