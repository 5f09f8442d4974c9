import type { Counters, LimitCell, Limits, Tickets } from "@portcullis/core";
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

/** Each limit of a call asked for on its own. */
const oneByOne = (limits: Limits): Limits => ({
  ...limits,
  async consume(subject, cells) {
    const states = [];
    for (const cell of cells) states.push(...(await limits.consume(subject, [cell])).cells);
    return { allowed: states.every(({ allowed }) => allowed), cells: states };
  },
});
const withCells = (limits: Limits, change: (cell: LimitCell) => LimitCell): Limits => ({
  ...limits,
  consume: (subject, cells) => limits.consume(subject, cells.map(change)),
  refund: (subject, cells) => limits.refund(subject, cells.map(change)),
});

export const limitMutants: readonly PortMutant<"limits">[] = [
  { mistake: "charges limit by limit, so that a denied call is charged in part", breaks: ["LIMITS-07"], spoil: oneByOne },
  {
    mistake: "looks, then charges",
    breaks: ["LIMITS-02"],
    spoil: (limits) => ({
      ...limits,
      async consume(subject, cells) {
        const looked = await limits.consume(
          subject,
          cells.map((cell) => ({ ...cell, cost: 0 })),
        );
        const isFree = looked.cells.every(({ remaining }, index) => remaining >= (cells[index]?.cost ?? 0));
        if (!isFree) return limits.consume(subject, cells);
        await gap();
        const wide = cells.map((cell) => ({ ...cell, capacity: cell.capacity * 1_000 }));
        return { allowed: true, cells: (await limits.consume(subject, wide)).cells };
      },
    }),
  },
  {
    mistake: "a fixed window: nothing comes back before its end",
    breaks: ["LIMITS-01"],
    spoil: (limits) => withCells(limits, (cell) => ({ ...cell, intervalMs: cell.intervalMs * cell.capacity })),
  },
  {
    mistake: "a denied call is charged",
    breaks: ["LIMITS-03"],
    spoil: (limits) => ({
      ...limits,
      async consume(subject, cells) {
        const result = await limits.consume(subject, cells);
        if (!result.allowed) for (const cell of cells) await limits.consume(subject, [{ ...cell, cost: 1 }]);
        return result;
      },
    }),
  },
  {
    mistake: "a refund of more than was used is credit",
    breaks: ["LIMITS-05"],
    spoil: (limits) => {
      const credit = new Map<string, number>();
      return {
        ...limits,
        async consume(subject, cells) {
          const free = credit.get(subject) ?? 0;
          credit.delete(subject);
          return limits.consume(
            subject,
            cells.map((cell) => ({ ...cell, capacity: cell.capacity + free })),
          );
        },
        async refund(subject, cells) {
          credit.set(subject, 1);
          await limits.refund(subject, cells);
        },
      };
    },
  },
  {
    mistake: "a changed limit begins anew",
    breaks: ["LIMITS-06"],
    spoil: (limits) => withCells(limits, (cell) => ({ ...cell, id: `${cell.id} ${cell.capacity}` })),
  },
  {
    mistake: "rounds the interval to whole ms, up",
    breaks: ["LIMITS-09"],
    spoil: (limits) => withCells(limits, (cell) => ({ ...cell, intervalMs: Math.ceil(cell.intervalMs / 10) * 10 })),
  },
  {
    mistake: "an interval is a timer, and a timer holds 24.8 days",
    breaks: ["LIMITS-10"],
    spoil: (limits) => withCells(limits, (cell) => ({ ...cell, intervalMs: Math.min(cell.intervalMs, 2 ** 31 - 1) })),
  },
  {
    mistake: "looking costs one",
    breaks: ["LIMITS-13"],
    spoil: (limits) => withCells(limits, (cell) => ({ ...cell, cost: cell.cost === 0 ? 1 : cell.cost })),
  },
  {
    mistake: "joins subject and limit with a colon",
    breaks: ["LIMITS-12"],
    spoil: (limits) => ({
      ...limits,
      consume: (subject, cells) =>
        limits.consume(
          "all",
          cells.map((cell) => ({ ...cell, id: `${subject}:${cell.id}` })),
        ),
    }),
  },
  {
    mistake: "answers in an order of its own",
    breaks: ["LIMITS-08"],
    spoil: (limits) => ({
      ...limits,
      consume: (subject, cells) =>
        limits.consume(
          subject,
          cells.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
        ),
    }),
  },
  { mistake: "reset forgets nothing", breaks: ["LIMITS-11"], spoil: (limits) => ({ ...limits, reset: () => {} }) },
  {
    mistake: "a negative cost gives",
    breaks: ["LIMITS-04"],
    spoil: (limits) => withCells(limits, (cell) => ({ ...cell, cost: Number.isFinite(cell.cost) ? Math.max(0, cell.cost) : cell.cost })),
  },
];

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
