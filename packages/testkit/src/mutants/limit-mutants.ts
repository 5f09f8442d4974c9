import { gap, type PortMutant } from "./port-mutant.js";
import {
  holderOf,
  nameOf,
  saying,
  withAsk,
  withBuckets,
  withCalendars,
  withCells,
  withHolders,
  withResults,
  withSettled,
  withWindows,
} from "./spoil-limits.js";

// Timers hold this much, and stores with timers inherit it.
const MOST_TIMER_MS = 2 ** 31 - 1;

const cellMutants: readonly PortMutant<"limits">[] = [
  {
    mistake: "charges limit by limit, so that a denied call is charged in part",
    breaks: ["LIMITS-07", "LIMITS-28"],
    spoil: (limits) => ({
      ...limits,
      async consume(ask) {
        const whole = await limits.consume({ ...ask, cells: [] });
        const states = [];
        for (const cell of ask.cells) states.push(...(await limits.consume({ ...holderOf(ask), cells: [cell] })).cells);
        return { ...whole, allowed: whole.allowed && states.every(({ allowed }) => allowed), cells: states };
      },
    }),
  },
  {
    mistake: "gives the slack away with every unit",
    breaks: ["LIMITS-45"],
    spoil: (limits) => withBuckets(limits, (cell) => ({ ...cell, intervalMs: cell.intervalMs * 0.99 })),
  },
  {
    mistake: "looks, then charges",
    breaks: ["LIMITS-02"],
    spoil: (limits) => ({
      ...limits,
      async consume(ask) {
        const looked = await limits.consume({ ...ask, cells: ask.cells.map((cell) => ({ ...cell, cost: 0 })) });
        const isFree = looked.cells.every(({ remaining }, index) => remaining >= (ask.cells[index]?.cost ?? 0));
        if (!isFree) return limits.consume(ask);
        await gap();
        return limits.consume({ ...ask, cells: ask.cells.map((cell) => ({ ...cell, capacity: cell.capacity * 1_000 })) });
      },
    }),
  },
  {
    mistake: "a fixed window: nothing comes back before its end",
    breaks: ["LIMITS-01"],
    spoil: (limits) => withBuckets(limits, (cell) => ({ ...cell, intervalMs: cell.intervalMs * cell.capacity })),
  },
  {
    mistake: "a denied call is charged",
    breaks: ["LIMITS-03"],
    spoil: (limits) => ({
      ...limits,
      async consume(ask) {
        const result = await limits.consume(ask);
        if (!result.allowed) for (const cell of ask.cells) await limits.consume({ ...ask, cells: [{ ...cell, cost: 1 }] });
        return result;
      },
    }),
  },
  {
    mistake: "a negative cost gives",
    breaks: ["LIMITS-04"],
    spoil: (limits) => ({
      ...limits,
      consume: (ask) => limits.consume({ ...ask, cells: ask.cells.map((cell) => (cell.cost < 0 ? { ...cell, cost: 0 } : cell)) }),
    }),
  },
  {
    mistake: "to settle more than was used is credit",
    breaks: ["LIMITS-05"],
    spoil: (limits) => {
      const credit = new Map<string, number>();
      return {
        ...limits,
        async consume(ask) {
          const free = credit.get(nameOf(ask)) ?? 0;
          credit.delete(nameOf(ask));
          return limits.consume({ ...ask, cells: ask.cells.map((cell) => ({ ...cell, capacity: cell.capacity + free })) });
        },
        async settle(ask, at) {
          credit.set(nameOf(ask), 1);
          await limits.settle(ask, at);
        },
      };
    },
  },
  {
    mistake: "a changed limit begins anew",
    breaks: ["LIMITS-06", "LIMITS-18"],
    spoil: (limits) => withCells(limits, (cell) => ({ ...cell, id: `${cell.id} ${cell.capacity}` })),
  },
  {
    mistake: "rounds the interval to whole ms, up",
    breaks: ["LIMITS-09"],
    spoil: (limits) => withBuckets(limits, (cell) => ({ ...cell, intervalMs: Math.ceil(cell.intervalMs / 10) * 10 })),
  },
  {
    mistake: "an interval is a timer, and a timer holds 24.8 days",
    breaks: ["LIMITS-10"],
    spoil: (limits) => withBuckets(limits, (cell) => ({ ...cell, intervalMs: Math.min(cell.intervalMs, MOST_TIMER_MS) })),
  },
  {
    mistake: "a window is a timer, and a timer holds 24.8 days",
    breaks: ["LIMITS-10"],
    spoil: (limits) => withWindows(limits, (cell) => ({ ...cell, windowMs: Math.min(cell.windowMs, MOST_TIMER_MS) })),
  },
  {
    mistake: "windows are in whole seconds",
    breaks: ["LIMITS-10"],
    spoil: (limits) => withWindows(limits, (cell) => ({ ...cell, windowMs: Math.ceil(cell.windowMs / 1_000) * 1_000 })),
  },
  { mistake: "reset forgets nothing", breaks: ["LIMITS-11", "LIMITS-40"], spoil: (limits) => ({ ...limits, reset: () => {} }) },
  {
    mistake: "joins holder and limit with a colon",
    breaks: ["LIMITS-12"],
    spoil: (limits) => ({
      ...limits,
      consume: (ask) => limits.consume({ kind: "all", id: "", cells: ask.cells.map((cell) => ({ ...cell, id: `${ask.id}:${cell.id}` })) }),
    }),
  },
  {
    mistake: "looking costs one",
    breaks: ["LIMITS-13"],
    spoil: (limits) => withCells(limits, (cell) => ({ ...cell, cost: cell.cost === 0 ? 1 : cell.cost })),
  },
  {
    mistake: "answers in an order of its own",
    breaks: ["LIMITS-08"],
    spoil: (limits) => withAsk(limits, (ask) => ({ ...ask, cells: ask.cells.toSorted((a, b) => (a.id < b.id ? -1 : 1)) })),
  },
  {
    mistake: "holders are told apart by their ids alone",
    breaks: ["LIMITS-14"],
    spoil: (limits) => withHolders(limits, ({ id }) => ({ kind: "user", id })),
  },
  {
    mistake: "joins kind and id without a mark that ids cannot hold",
    breaks: ["LIMITS-14"],
    spoil: (limits) => withHolders(limits, ({ kind, id }) => ({ kind: "all", id: kind === "all" ? id : `${kind}:${id}` })),
  },
  {
    mistake: "a dry run charges",
    breaks: ["LIMITS-42"],
    spoil: (limits) => withAsk(limits, (ask) => ({ ...ask, dryRun: false })),
  },
  {
    mistake: "a dry run says what would be left",
    breaks: ["LIMITS-42"],
    spoil: (limits) => ({
      ...limits,
      async consume(ask) {
        const result = await limits.consume(ask);
        if (ask.dryRun !== true) return result;
        const cells = result.cells.map((state, index) => saying(state, { remaining: state.remaining - (ask.cells[index]?.cost ?? 0) }));
        return { ...result, cells };
      },
    }),
  },
  {
    mistake: "a dry run puts the limit on the terms that it asks about",
    breaks: ["LIMITS-43"],
    spoil: (limits) => ({
      ...limits,
      async consume(ask) {
        if (ask.dryRun === true) await limits.consume({ ...holderOf(ask), cells: ask.cells.map((cell) => ({ ...cell, cost: 0 })) });
        return limits.consume(ask);
      },
    }),
  },
];

const countMutants: readonly PortMutant<"limits">[] = [
  {
    mistake: "a window refills evenly",
    breaks: ["LIMITS-15"],
    spoil: (limits) =>
      withWindows(limits, ({ id, capacity, cost, windowMs }) => ({ kind: "bucket", id, capacity, cost, intervalMs: windowMs / capacity })),
  },
  {
    mistake: "the window before counts for nothing",
    breaks: ["LIMITS-16"],
    spoil: (limits, clock) =>
      withWindows(limits, (cell) => ({ ...cell, id: `${cell.id} ${Math.floor(clock.monotonic() / cell.windowMs)}` })),
  },
  {
    mistake: "says to come back when everything is there again",
    breaks: ["LIMITS-17", "LIMITS-21"],
    spoil: (limits) =>
      withResults(limits, ({ cells }) => ({
        cells: cells.map((state) => saying(state, state.allowed ? {} : { retryAfterMs: state.resetMs + 2 })),
      })),
  },
  {
    mistake: "says to come back too soon",
    breaks: ["LIMITS-17"],
    spoil: (limits) =>
      withResults(limits, ({ cells }) => ({
        cells: cells.map((state) => saying(state, state.allowed ? {} : { retryAfterMs: (state.retryAfterMs ?? 0) - 2 })),
      })),
  },
  {
    mistake: "a window of another length begins anew",
    breaks: ["LIMITS-19"],
    spoil: (limits) => withWindows(limits, (cell) => ({ ...cell, id: `${cell.id} ${cell.windowMs}` })),
  },
  {
    mistake: "a period of the calendar is a window of the same length",
    breaks: ["LIMITS-20"],
    spoil: (limits) =>
      withCalendars(limits, ({ id, capacity, cost, boundaries: [first = 0, second = 0] }) => ({
        ...{ kind: "window", id, capacity, cost, windowMs: second - first },
      })),
  },
  {
    mistake: "a boundary belongs to the period before",
    breaks: ["LIMITS-20"],
    spoil: (limits) => withCalendars(limits, (cell) => ({ ...cell, boundaries: cell.boundaries.map((boundary) => boundary + 1) })),
  },
  {
    mistake: "takes the period in the middle of those handed in",
    breaks: ["LIMITS-21"],
    spoil: (limits) =>
      withCalendars(limits, (cell) => (cell.boundaries.length < 4 ? cell : { ...cell, boundaries: cell.boundaries.slice(1, 3) })),
  },
  {
    mistake: "opens the period that the clock shows, even one before",
    breaks: ["LIMITS-22"],
    spoil: (limits, clock) =>
      withCalendars(limits, (cell) => ({ ...cell, id: `${cell.id} ${cell.boundaries.findLast((boundary) => boundary <= clock.now())}` })),
  },
  {
    mistake: "a period ends when as much time has passed as it had left at its last use",
    breaks: ["LIMITS-22"],
    spoil(limits, clock) {
      const ends = new Map<string, number>();
      const ended = new Map<string, number>();
      return withAsk(limits, (ask) => {
        const cells = ask.cells.map((cell) => {
          if (cell.kind !== "calendar") return cell;
          const name = nameOf(ask, cell.id);
          const endsAt = ends.get(name) ?? Infinity;
          if (clock.monotonic() >= endsAt) ended.set(name, endsAt);
          const leftMs = (cell.boundaries.find((boundary) => boundary > clock.now()) ?? 0) - clock.now();
          if (endsAt === Infinity || endsAt <= clock.monotonic()) ends.set(name, clock.monotonic() + leftMs);
          return { ...cell, id: `${cell.id} ${ended.get(name)}` };
        });
        return { ...ask, cells };
      });
    },
  },
  {
    mistake: "admits nobody until a clock that was set back has caught up",
    breaks: ["LIMITS-44"],
    spoil(limits, clock) {
      const asked = new Map<string, number>();
      return {
        ...limits,
        async consume(ask) {
          const lastAt = asked.get(nameOf(ask)) ?? 0;
          asked.set(nameOf(ask), Math.max(lastAt, clock.now()));
          const result = await limits.consume(ask);
          return { ...result, allowed: result.allowed && clock.now() >= lastAt };
        },
      };
    },
  },
  {
    mistake: "forgets everything when the clock is set back",
    breaks: ["LIMITS-22", "LIMITS-44"],
    spoil(limits, clock) {
      let lastAt = 0;
      return {
        ...limits,
        async consume(ask) {
          if (clock.now() < lastAt) await limits.reset(ask);
          lastAt = clock.now();
          return limits.consume(ask);
        },
      };
    },
  },
];

const settleMutants: readonly PortMutant<"limits">[] = [
  {
    mistake: "settles buckets only",
    breaks: ["LIMITS-05", "LIMITS-26"],
    spoil: (limits) => withSettled(limits, (cell) => (cell.kind === "bucket" ? cell : { ...cell, cost: 0 })),
  },
  {
    mistake: "cuts what is used to a lowered capacity, then gives back",
    breaks: ["LIMITS-23"],
    spoil(limits) {
      const capacities = new Map<string, number>();
      return {
        ...limits,
        consume(ask) {
          for (const { id, capacity } of ask.cells) capacities.set(nameOf(ask, id), capacity);
          return limits.consume(ask);
        },
        settle: (ask, at) =>
          limits.settle(
            {
              ...ask,
              cells: ask.cells.map((cell) => {
                const loweredBy = (capacities.get(nameOf(ask, cell.id)) ?? cell.capacity) - cell.capacity;
                return { ...cell, cost: cell.cost + Math.max(0, loweredBy) };
              }),
            },
            at,
          ),
      };
    },
  },
  {
    mistake: "settle only gives",
    breaks: ["LIMITS-24"],
    spoil: (limits) => withSettled(limits, (cell) => ({ ...cell, cost: Math.max(0, cell.cost) })),
  },
  {
    mistake: "charges on top only what fits",
    breaks: ["LIMITS-24"],
    spoil: (limits) => ({
      ...limits,
      async settle(ask, at) {
        const onTop = ask.cells.filter(({ cost }) => cost < 0).map((cell) => ({ ...cell, cost: -cell.cost }));
        await limits.consume({ ...holderOf(ask), cells: onTop });
        await limits.settle({ ...ask, cells: ask.cells.filter(({ cost }) => cost >= 0) }, at);
      },
    }),
  },
  {
    mistake: "settles what is running now, whenever the call was",
    breaks: ["LIMITS-25", "LIMITS-26"],
    spoil: (limits) => ({ ...limits, settle: (ask) => limits.settle(ask, Infinity) }),
  },
  {
    mistake: "counts its instants in seconds",
    breaks: ["LIMITS-27"],
    spoil: (limits) => withResults(limits, ({ at }) => ({ at: at / 1_000 })),
  },
];

/** Mistakes about limits themselves. */
export const limitMutants: readonly PortMutant<"limits">[] = [...cellMutants, ...countMutants, ...settleMutants];
