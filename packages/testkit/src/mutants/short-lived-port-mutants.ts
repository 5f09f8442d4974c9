import type { Counters, Tickets } from "@portcullis/core";
import { gap, type KeyOf, type PortMutant, sharing, withKeys } from "./port-mutant.js";

/** How stores have changed keys: in a pattern, at a separator, at a length, in a C string, in a collation. */
const KEY_MISTAKES: readonly (readonly [string, KeyOf])[] = [
  ["takes what stands before the first colon for the key", (key) => key.split(":")[0] ?? ""],
  ["ends the key at U+0000", (key) => key.split("\0")[0] ?? ""],
  ["keeps the first 255 characters of the key", (key) => key.slice(0, 255)],
  ["compares keys without case", (key) => key.toLowerCase()],
  ["trims keys", (key) => key.trim()],
  ["normalises keys", (key) => key.normalize("NFC")],
  ["takes the hash tag for the key", (key) => /\{(.+?)\}/.exec(key)?.[1] ?? key],
  ["drops what is not ASCII", (key) => key.replaceAll(/[\u0080-\uFFFF]/g, "?")],
];

export const ticketMutants: readonly PortMutant<"tickets">[] = [
  ...KEY_MISTAKES.map(([mistake, keyOf]) => ({ mistake, breaks: ["TICKETS-07"], spoil: (tickets: Tickets) => withKeys(tickets, keyOf) })),
  {
    mistake: "take reads, then deletes",
    breaks: ["TICKETS-02", "TICKETS-04"],
    spoil: (tickets) => ({
      ...tickets,
      async take(key) {
        const value = await tickets.peek(key);
        await gap();
        await tickets.take(key);
        return value;
      },
    }),
  },
  {
    mistake: "put looks whether the key is free, then stores",
    breaks: ["TICKETS-01", "TICKETS-10"],
    spoil: (tickets) => ({
      ...tickets,
      async put(key, value, ttlMs) {
        if ((await tickets.peek(key)) !== undefined) return false;
        await gap();
        await tickets.take(key);
        await tickets.put(key, value, ttlMs);
        return true;
      },
    }),
  },
  {
    mistake: "replace compares, then stores",
    breaks: ["TICKETS-03"],
    spoil: (tickets) => ({
      ...tickets,
      async replace(key, expected, value, ttlMs) {
        if ((await tickets.peek(key)) !== expected) return false;
        await gap();
        await tickets.take(key);
        await tickets.put(key, value, ttlMs);
        return true;
      },
    }),
  },
  {
    mistake: "a ticket is held at its deadline still",
    breaks: ["TICKETS-08"],
    spoil: (tickets) => ({ ...tickets, put: (key, value, ttlMs) => tickets.put(key, value, ttlMs + 1) }),
  },
  {
    mistake: "a ticket is gone an instant before its deadline",
    breaks: ["TICKETS-08"],
    spoil: (tickets) => ({ ...tickets, put: (key, value, ttlMs) => tickets.put(key, value, ttlMs - 1) }),
  },
  {
    mistake: "deadlines are in whole seconds",
    breaks: ["TICKETS-09"],
    spoil: (tickets) => ({
      ...tickets,
      replace: (key, expected, value, ttlMs) => tickets.replace(key, expected, value, Math.ceil(ttlMs / 1_000) * 1_000),
    }),
  },
  {
    mistake: "a deadline is a timer, and a timer holds 24.8 days",
    breaks: ["TICKETS-11"],
    spoil: (tickets) => ({ ...tickets, put: (key, value, ttlMs) => tickets.put(key, value, Math.min(ttlMs, 2 ** 31 - 1)) }),
  },
  { mistake: "peek takes", breaks: ["TICKETS-06"], spoil: (tickets) => ({ ...tickets, peek: (key) => tickets.take(key) }) },
  {
    mistake: "a replace of what is not there stores it",
    breaks: ["TICKETS-05"],
    spoil: (tickets) => ({
      ...tickets,
      async replace(key, expected, value, ttlMs) {
        const isReplaced = await tickets.replace(key, expected, value, ttlMs);
        if (!isReplaced) await tickets.put(key, value, ttlMs);
        return isReplaced;
      },
    }),
  },
  {
    mistake: "an empty value counts as none",
    breaks: ["TICKETS-07"],
    spoil: (tickets) => ({ ...tickets, take: async (key) => (await tickets.take(key)) || undefined }),
  },
];

export const counterMutants: readonly PortMutant<"counters">[] = [
  {
    mistake: "add reads, then adds",
    breaks: ["COUNTERS-01", "COUNTERS-08"],
    spoil: (counters) => ({
      ...counters,
      async add(key, amount, bound) {
        const { value, remainingMs } = await counters.read(key);
        if (value + amount > bound.limit) return { accepted: false, value, remainingMs };
        await gap();
        return counters.add(key, amount, { ...bound, limit: Infinity });
      },
    }),
  },
  {
    mistake: "a refused add counts",
    breaks: ["COUNTERS-02"],
    spoil: (counters) => ({
      ...counters,
      async add(key, amount, bound) {
        const state = await counters.add(key, amount, { ...bound, limit: Infinity });
        return { ...state, accepted: state.value <= bound.limit };
      },
    }),
  },
  {
    mistake: "the limit itself is refused",
    breaks: ["COUNTERS-01"],
    spoil: (counters) => ({ ...counters, add: (key, amount, bound) => counters.add(key, amount, { ...bound, limit: bound.limit - 1 }) }),
  },
  { mistake: "each add extends the window", breaks: ["COUNTERS-07"], spoil: extendingWindow },
  {
    mistake: "a window is an instant too long",
    breaks: ["COUNTERS-07"],
    spoil: (counters) => ({
      ...counters,
      add: (key, amount, bound) => counters.add(key, amount, { ...bound, windowMs: bound.windowMs + 1 }),
    }),
  },
  {
    mistake: "the limit is the one of the first add",
    breaks: ["COUNTERS-04"],
    spoil: (counters) => {
      const limits = new Map<string, number>();
      return {
        ...counters,
        add(key, amount, bound) {
          limits.set(key, limits.get(key) ?? bound.limit);
          return counters.add(key, amount, { ...bound, limit: limits.get(key) ?? bound.limit });
        },
      };
    },
  },
  { mistake: "keys without case", breaks: ["COUNTERS-05"], spoil: (counters) => withKeys(counters, (key) => key.toLowerCase()) },
  {
    mistake: "gives out its own state",
    breaks: ["COUNTERS-06"],
    spoil: (counters) => ({ ...counters, read: sharing((key) => counters.read(key)) }),
  },
  {
    mistake: "reset leaves the count",
    breaks: ["COUNTERS-03"],
    spoil: (counters) => ({ ...counters, reset: () => {} }),
  },
];

function extendingWindow(counters: Counters): Counters {
  return {
    ...counters,
    async add(key, amount, bound) {
      const { value } = await counters.read(key);
      if (value + amount > bound.limit) return counters.add(key, amount, bound);
      await counters.reset(key);
      return counters.add(key, value + amount, bound);
    },
  };
}

export const leaseMutants: readonly PortMutant<"leases">[] = [
  {
    mistake: "acquire steals",
    breaks: ["LEASES-01", "LEASES-02"],
    spoil: () => ({ acquire: () => true, release: () => true }),
  },
  {
    mistake: "acquire looks whether it is free, then takes it",
    breaks: ["LEASES-01", "LEASES-04"],
    spoil: (leases, clock) => {
      const held = new Map<string, { readonly holder: string; readonly expiresAt: number }>();
      return {
        ...leases,
        async acquire(name, holder, ttlMs) {
          const lease = held.get(name);
          if (lease !== undefined && lease.holder !== holder && clock.now() < lease.expiresAt) return false;
          await gap();
          held.set(name, { holder, expiresAt: clock.now() + ttlMs });
          return true;
        },
      };
    },
  },
  { mistake: "names without case", breaks: ["LEASES-05"], spoil: (leases) => withKeys(leases, (name) => name.toLowerCase()) },
  {
    mistake: "held at its end still",
    breaks: ["LEASES-03"],
    spoil: (leases) => ({ ...leases, acquire: (name, holder, ttlMs) => leases.acquire(name, holder, ttlMs + 1) }),
  },
  {
    mistake: "its holder cannot extend it",
    breaks: ["LEASES-03"],
    spoil: (leases) => {
      let turn = 0;
      return { ...leases, acquire: (name, holder, ttlMs) => leases.acquire(name, `${holder} ${(turn += 1)}`, ttlMs) };
    },
  },
  {
    mistake: "anyone may release it",
    breaks: ["LEASES-02"],
    spoil: (leases) => {
      const holders = new Map<string, string>();
      return {
        async acquire(name, holder, ttlMs) {
          const isHeld = await leases.acquire(name, holder, ttlMs);
          if (isHeld) holders.set(name, holder);
          return isHeld;
        },
        release: (name) => leases.release(name, holders.get(name) ?? ""),
      };
    },
  },
];
