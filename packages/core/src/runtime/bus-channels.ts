import type { BusSubscriber } from "../ports/bus.js";
import { quietly } from "./quietly.js";

/** Who listens to which channel, within this process. */
export interface BusChannels {
  readonly isEmpty: boolean;
  /** @returns Ends the subscription; harmless when called again. */
  add(channel: string, subscriber: BusSubscriber): () => void;
  deliver(channel: string, message: string): void;
  reportGap(): void;
  clear(): void;
}

type Entry = Required<BusSubscriber>;

const CHANNEL = /^[a-z0-9_.:-]{1,64}$/;
const MAX_MESSAGE_BYTES = 4096;
const LONE_SURROGATE = /\p{Surrogate}/u;

export function createBusChannels(): BusChannels {
  const channels = new Map<string, Set<Entry>>();
  return Object.freeze({
    get isEmpty() {
      return channels.size === 0;
    },
    add(channel: string, subscriber: BusSubscriber): () => void {
      // A wrapper of its own: one subscriber given twice is two subscriptions.
      const reportGap = quietly<void>(() => subscriber.onGap?.());
      const entry: Entry = { onMessage: quietly((message: string) => subscriber.onMessage(message)), onGap: () => reportGap() };
      const subscribers = channels.get(channel) ?? new Set<Entry>();
      channels.set(channel, subscribers.add(entry));
      return () => {
        subscribers.delete(entry);
        if (subscribers.size === 0 && channels.get(channel) === subscribers) channels.delete(channel);
      };
    },
    deliver(channel: string, message: string): void {
      const subscribers = channels.get(channel);
      if (subscribers === undefined) return;
      for (const entry of [...subscribers]) {
        // One before it may have ended its subscription.
        if (subscribers.has(entry)) entry.onMessage(message);
      }
    },
    reportGap(): void {
      for (const entry of [...channels.values()].flatMap((subscribers) => [...subscribers])) entry.onGap();
    },
    clear: () => channels.clear(),
  });
}

/** @throws {RangeError} */
export function requireBusChannel(channel: string): void {
  if (typeof channel !== "string" || !CHANNEL.test(channel)) throw new RangeError("A bus channel is 1 to 64 of a-z 0-9 - _ . :");
}

/** @throws {RangeError} */
export function requireBusMessage(message: string): void {
  if (typeof message !== "string" || LONE_SURROGATE.test(message) || Buffer.byteLength(message) > MAX_MESSAGE_BYTES) {
    throw new RangeError(`A bus message is text of up to ${MAX_MESSAGE_BYTES} bytes of UTF-8.`);
  }
}
