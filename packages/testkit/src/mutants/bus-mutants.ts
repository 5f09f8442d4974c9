import type { Bus, BusSubscriber } from "@portcullis/core";
import { gap, type PortMutant } from "./port-mutant.js";

/** Delivers by a function of its own: what a store without these cares would do. */
function delivering(bus: Bus, deliver: (subscribers: readonly BusSubscriber[], message: string) => void): Bus {
  const channels = new Map<string, BusSubscriber[]>();
  return {
    async publish(channel, message) {
      // For its refusals.
      await bus.publish(channel, message);
      deliver(channels.get(channel) ?? [], message);
    },
    async subscribe(channel, subscriber) {
      await bus.subscribe(channel, subscriber);
      const entry = { onMessage: (message: string) => subscriber.onMessage(message) };
      channels.set(channel, [...(channels.get(channel) ?? []), entry]);
      return () =>
        void channels.set(
          channel,
          (channels.get(channel) ?? []).filter((other) => other !== entry),
        );
    },
  };
}

/** Changes each message on its way in. */
function sending(bus: Bus, change: (message: string) => string): Bus {
  return { ...bus, publish: (channel, message) => bus.publish(channel, change(message)) };
}

/** Changes each channel. */
function naming(bus: Bus, change: (channel: string) => string): Bus {
  return {
    publish: (channel, message) => bus.publish(change(channel), message),
    subscribe: (channel, subscriber) => bus.subscribe(change(channel), subscriber),
  };
}

const silent: BusSubscriber = Object.freeze({ onMessage: () => {} });
const quiet = (bus: Bus): Bus => ({ ...bus, subscribe: (channel) => bus.subscribe(channel, silent) });
const END = "the end";

export const busMutants: readonly PortMutant<"bus">[] = [
  {
    mistake: "what the process published itself does not come back to it",
    breaks: ["BUS-01"],
    spoil: (bus) => quiet(bus),
  },
  {
    mistake: "the last subscriber takes the message from the others",
    breaks: ["BUS-01", "BUS-05"],
    spoil: (bus) => delivering(quiet(bus), (subscribers, message) => subscribers.at(-1)?.onMessage(message)),
  },
  {
    mistake: "a message arrives twice",
    breaks: ["BUS-01", "BUS-02"],
    spoil: (bus) => ({
      ...bus,
      async publish(channel, message) {
        await bus.publish(channel, message);
        await bus.publish(channel, message);
      },
    }),
  },
  {
    mistake: "messages under way at once overtake each other",
    breaks: ["BUS-02"],
    spoil: (bus) => {
      let sent = 0;
      return {
        ...bus,
        async publish(channel, message) {
          for (let turns = (sent += 1) % 3; turns > 0; turns -= 1) await gap();
          await bus.publish(channel, message);
        },
      };
    },
  },
  { mistake: "a message is trimmed", breaks: ["BUS-03"], spoil: (bus) => sending(bus, (message) => message.trim()) },
  { mistake: "a message ends at U+0000", breaks: ["BUS-03"], spoil: (bus) => sending(bus, (message) => message.split("\0")[0] ?? "") },
  {
    mistake: "a subscription to a channel is one to all that begin with its name",
    breaks: ["BUS-04"],
    spoil: (bus) => naming(bus, (channel) => channel.slice(0, 1)),
  },
  {
    mistake: "long channel names are cut",
    breaks: ["BUS-04"],
    spoil: (bus) => naming(bus, (channel) => (channel === "" ? "" : channel.slice(0, 63))),
  },
  {
    mistake: "a subscription never ends",
    breaks: ["BUS-05", "BUS-06"],
    spoil: (bus) => ({
      ...bus,
      async subscribe(channel, subscriber) {
        await bus.subscribe(channel, subscriber);
        return () => {};
      },
    }),
  },
  {
    mistake: "ending one subscription ends the channel's",
    breaks: ["BUS-05"],
    spoil: (bus) => {
      const endsOf = new Map<string, (() => unknown)[]>();
      return {
        ...bus,
        async subscribe(channel, subscriber) {
          endsOf.set(channel, [...(endsOf.get(channel) ?? []), await bus.subscribe(channel, subscriber)]);
          return () => endsOf.get(channel)?.forEach((end) => void end());
        },
      };
    },
  },
  {
    mistake: "a subscriber given twice is one",
    breaks: ["BUS-06"],
    spoil: (bus) => {
      const known = new Map<BusSubscriber, () => unknown>();
      return {
        ...bus,
        async subscribe(channel, subscriber) {
          const end = known.get(subscriber) ?? (await bus.subscribe(channel, subscriber));
          known.set(subscriber, end);
          return () => void end();
        },
      };
    },
  },
  {
    mistake: "a message that is too long is cut",
    breaks: ["BUS-07"],
    spoil: (bus) => sending(bus, (message) => Buffer.from(message).subarray(0, 4_096).toString()),
  },
  {
    mistake: "lone surrogates are replaced",
    breaks: ["BUS-07"],
    spoil: (bus) => sending(bus, (message) => Buffer.from(message).toString()),
  },
  { mistake: "channels without case", breaks: ["BUS-07"], spoil: (bus) => naming(bus, (channel) => channel.toLowerCase()) },
  {
    mistake: "a refused message has been sent already",
    breaks: ["BUS-07"],
    spoil: (bus) => ({
      ...bus,
      async publish(channel, message) {
        if (message.length > 4_096) await bus.publish(channel, message.slice(0, 9));
        await bus.publish(channel, message);
      },
    }),
  },
  {
    mistake: "a subscriber that throws keeps the message from the ones behind it",
    breaks: ["BUS-08"],
    spoil: (bus) =>
      delivering(quiet(bus), (subscribers, message) => {
        try {
          for (const { onMessage } of subscribers) onMessage(message);
        } catch {
          // Of one for all.
        }
      }),
  },
  {
    mistake: "the publisher is told what a subscriber throws",
    breaks: ["BUS-08"],
    spoil: (bus) => delivering(quiet(bus), (subscribers, message) => subscribers.forEach(({ onMessage }) => onMessage(message))),
  },
  {
    mistake: "subscribing is over before it has begun",
    breaks: ["BUS-09"],
    spoil: (bus) => ({
      ...bus,
      subscribe(channel, subscriber) {
        let isReady = false;
        setImmediate(() => {
          isReady = true;
        });
        return bus.subscribe(channel, {
          onMessage(message) {
            if (isReady || message === END) subscriber.onMessage(message);
          },
        });
      },
    }),
  },
];
