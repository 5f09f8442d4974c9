import type { Bus, BusSubscriber } from "../ports/bus.js";
import { quietly } from "../runtime/quietly.js";

const CHANNEL = /^[a-z0-9_.:-]{1,64}$/;
const MAX_MESSAGE_BYTES = 4096;

/** Messages within this process, delivered before `publish` returns. */
export function createMemoryBus(): Bus {
  const channels = new Map<string, Set<BusSubscriber>>();
  return Object.freeze({
    publish(channel: string, message: string): void {
      requireMessage(channel, message);
      for (const { onMessage } of [...(channels.get(channel) ?? [])]) onMessage(message);
    },
    subscribe(channel: string, subscriber: BusSubscriber): () => void {
      requireMessage(channel, "");
      // A wrapper of its own: one subscriber given twice is two subscriptions.
      const entry: BusSubscriber = { onMessage: quietly((message: string) => subscriber.onMessage(message)) };
      const subscribers = channels.get(channel) ?? new Set();
      channels.set(channel, subscribers.add(entry));
      return () => {
        subscribers.delete(entry);
        if (subscribers.size === 0 && channels.get(channel) === subscribers) channels.delete(channel);
      };
    },
  });
}

function requireMessage(channel: string, message: string): void {
  if (typeof channel !== "string" || !CHANNEL.test(channel)) throw new RangeError("A bus channel is 1 to 64 of a-z 0-9 - _ . :");
  if (typeof message !== "string" || Buffer.byteLength(message) > MAX_MESSAGE_BYTES) {
    throw new RangeError(`A bus message is text of up to ${MAX_MESSAGE_BYTES} bytes.`);
  }
}
