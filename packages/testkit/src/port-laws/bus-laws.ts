import assert from "node:assert/strict";
import type { Bus } from "@portcullis/core";
import { atOnce, AWKWARD_KEYS, lawsOf, same } from "./port-law.js";

const ARRIVES_WITHIN_MS = 5_000;
const END = "the end";

/** A subscription that keeps what came. */
interface Inbox {
  readonly messages: string[];
  /** Resolves when this message has come, as the last one or not. */
  has(message: string): Promise<void>;
  unsubscribe(): Promise<void>;
}

async function subscribe(bus: Bus, channel: string): Promise<Inbox> {
  const messages: string[] = [];
  let onMessage = (): void => {};
  const unsubscribe = await bus.subscribe(channel, {
    onMessage(message) {
      messages.push(message);
      onMessage();
    },
  });
  return {
    messages,
    async has(message) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve, reject) => {
        onMessage = () => {
          if (messages.includes(message)) resolve();
        };
        timer = setTimeout(() => reject(new Error(`"${message}" did not come by ${channel}`)), ARRIVES_WITHIN_MS);
        onMessage();
      });
      clearTimeout(timer);
    },
    unsubscribe: async () => unsubscribe(),
  };
}

/** Publishes a last message, which comes when all before it have: then everybody has what there is for it. */
async function settled(bus: Bus, channel: string): Promise<void> {
  const witness = await subscribe(bus, channel);
  await bus.publish(channel, END);
  await witness.has(END);
  await witness.unsubscribe();
}

const isRefused = (call: () => unknown): Promise<void> => assert.rejects(async () => call(), RangeError);

export const busLaws = lawsOf("bus", [
  {
    id: "BUS-01",
    title: "a message reaches every subscriber of its channel once, those of the process that published included",
    async run(bus) {
      const inboxes = await atOnce(3, () => subscribe(bus, "revoked"));
      await bus.publish("revoked", "ada");
      await settled(bus, "revoked");
      for (const { messages, unsubscribe } of inboxes) {
        same(messages, ["ada", END]);
        await unsubscribe();
      }
    },
  },
  {
    id: "BUS-02",
    title: "what one process publishes arrives in that order, whether or not it waits in between, across channels too",
    async run(bus) {
      const seen: string[] = [];
      const subscriber = { onMessage: (message: string): void => void seen.push(message) };
      const ends = [await bus.subscribe("one", subscriber), await bus.subscribe("other", subscriber)];
      const sent = Array.from({ length: 300 }, (_, index) => `message ${index}`);
      await atOnce(200, (index) => bus.publish(index % 3 === 0 ? "one" : "other", sent[index] ?? ""));
      for (const message of sent.slice(200)) await bus.publish("one", message);
      await settled(bus, "one");
      for (const end of ends) await end();
      same(seen, [...sent, END]);
    },
  },
  {
    id: "BUS-03",
    title: "a message arrives as it was published, the empty one and the longest included",
    async run(bus) {
      const sent = [...AWKWARD_KEYS, "x".repeat(4_096), "\0".repeat(4_096), "🙂".repeat(1_024), "a b  c\n", "{}"];
      const inbox = await subscribe(bus, "awkward");
      for (const message of sent) await bus.publish("awkward", message);
      await settled(bus, "awkward");
      await inbox.unsubscribe();
      same(inbox.messages, [...sent, END]);
    },
  },
  {
    id: "BUS-04",
    title: "channels are apart, whatever their names have in common",
    async run(bus) {
      const channels = ["a", "a.b", "a:b", "a_b", "a-b", "b", "0", "a:b:c", "_", ".", "x".repeat(64), `${"x".repeat(63)}y`];
      const inboxes = [];
      for (const channel of channels) inboxes.push(await subscribe(bus, channel));
      for (const channel of channels) await bus.publish(channel, `to ${channel}`);
      await settled(bus, "a");
      for (const [index, { messages, unsubscribe }] of inboxes.entries()) {
        same(messages, [`to ${channels[index]}`, ...(index === 0 ? [END] : [])], channels[index]);
        await unsubscribe();
      }
    },
  },
  {
    id: "BUS-05",
    title: "who has ended its subscription gets nothing more, and takes nobody with it",
    async run(bus) {
      const [stays, goes] = [await subscribe(bus, "revoked"), await subscribe(bus, "revoked")];
      await bus.publish("revoked", "first");
      await goes.has("first");
      await goes.unsubscribe();
      await goes.unsubscribe();
      await bus.publish("revoked", "second");
      await settled(bus, "revoked");
      same([goes.messages, stays.messages], [["first"], ["first", "second", END]]);
      await stays.unsubscribe();
    },
  },
  {
    id: "BUS-06",
    title: "one subscriber given twice is two subscriptions, each ended by itself",
    async run(bus) {
      const seen: string[] = [];
      const subscriber = { onMessage: (message: string): void => void seen.push(message) };
      const [end, endOther] = [await bus.subscribe("twice", subscriber), await bus.subscribe("twice", subscriber)];
      await bus.publish("twice", "to both");
      await settled(bus, "twice");
      await end();
      await end();
      await bus.publish("twice", "to one");
      await settled(bus, "twice");
      await endOther();
      same(seen, ["to both", "to both", END, END, "to one", END]);
    },
  },
  {
    id: "BUS-07",
    title: "a channel or a message that is none is refused, and nothing was sent",
    async run(bus) {
      const inbox = await subscribe(bus, "a");
      for (const channel of ["", "A", "a b", "ä", "a/b", "a*", "a{b}", "a\n", "x".repeat(65)]) {
        await isRefused(() => bus.publish(channel, "message"));
        await isRefused(() => bus.subscribe(channel, { onMessage: () => {} }));
      }
      for (const message of ["x".repeat(4_097), "é".repeat(2_049), "🙂".repeat(1_025), "\uD800", "a\uDFFFb"]) {
        await isRefused(() => bus.publish("a", message));
      }
      await settled(bus, "a");
      await inbox.unsubscribe();
      same(inbox.messages, [END]);
    },
  },
  {
    id: "BUS-08",
    title: "a subscriber that throws or rejects harms nobody: not the others, not the publisher, not its own next message",
    async run(bus) {
      const seen: string[] = [];
      const end = await bus.subscribe("a", {
        onMessage(message) {
          seen.push(message);
          throw new Error("the subscriber's own");
        },
      });
      // oxlint-disable-next-line typescript/no-misused-promises -- what a subscriber may do without being told
      const endAsync = await bus.subscribe("a", { onMessage: async () => Promise.reject(new Error("the subscriber's own")) });
      const inbox = await subscribe(bus, "a");
      for (const message of ["first", "second"]) await bus.publish("a", message);
      await settled(bus, "a");
      await end();
      await endAsync();
      await inbox.unsubscribe();
      same(
        [seen, inbox.messages],
        [
          ["first", "second", END],
          ["first", "second", END],
        ],
      );
    },
  },
  {
    id: "BUS-09",
    title: "once subscribed, the very next message arrives: at first, while others come and go, and after all have gone",
    async run(bus) {
      for (let round = 0; round < 5; round += 1) {
        const first = await subscribe(bus, "a");
        const [more, goes] = await Promise.all([subscribe(bus, "a"), subscribe(bus, "b")]);
        await Promise.all([goes.unsubscribe(), bus.publish("a", `round ${round}`)]);
        for (const inbox of [first, more]) {
          await inbox.has(`round ${round}`);
          await inbox.unsubscribe();
        }
      }
      await bus.publish("a", "to nobody");
    },
  },
]);
