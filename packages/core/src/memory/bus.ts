import type { Bus, BusSubscriber } from "../ports/bus.js";
import { createBusChannels, requireBusChannel, requireBusMessage } from "../runtime/bus-channels.js";

/** Messages within this process, delivered before `publish` returns. */
export function createMemoryBus(): Bus {
  const channels = createBusChannels();
  return Object.freeze({
    publish(channel: string, message: string): void {
      requireBusChannel(channel);
      requireBusMessage(message);
      channels.deliver(channel, message);
    },
    subscribe(channel: string, subscriber: BusSubscriber): () => void {
      requireBusChannel(channel);
      return channels.add(channel, subscriber);
    },
  });
}
