import type { LimitHolder, LimitLease, Limits } from "@portcullis/core";
import { gap, type PortMutant } from "./port-mutant.js";
import { holderOf, nameOf, withLeases, withResults } from "./spoil-limits.js";

const DAY_MS = 86_400_000;

const placeMutants: readonly PortMutant<"limits">[] = [
  {
    mistake: "charges the limits, then looks for a place",
    breaks: ["LIMITS-28"],
    spoil: (limits) => ({
      ...limits,
      async consume({ lease, ...ask }) {
        const charged = await limits.consume(ask);
        if (lease === undefined || !charged.allowed) return charged;
        const taken = await limits.consume({ ...holderOf(ask), cells: [], lease });
        return { ...charged, allowed: taken.allowed, lease: taken.lease };
      },
    }),
  },
  {
    mistake: "takes a place, then charges the limits",
    breaks: ["LIMITS-28", "LIMITS-30"],
    spoil: (limits) => ({
      ...limits,
      async consume({ lease, ...ask }) {
        const taken = await limits.consume({ ...holderOf(ask), cells: [], lease });
        if (!taken.allowed) return taken;
        const charged = await limits.consume(ask);
        return { ...charged, allowed: charged.allowed && taken.allowed, lease: taken.lease };
      },
    }),
  },
  {
    mistake: "counts the places, then takes one",
    breaks: ["LIMITS-29"],
    spoil: (limits) => ({
      ...limits,
      async consume(ask) {
        const { lease } = ask;
        if (lease === undefined) return limits.consume(ask);
        const looked = await limits.consume({ ...holderOf(ask), cells: [], lease: { ...lease, ttlMs: 0 } });
        if (!looked.allowed) return limits.consume(ask);
        await gap();
        return limits.consume({ ...ask, lease: { ...lease, capacity: 1_000 } });
      },
    }),
  },
  {
    mistake: "places are given back by their deadline only",
    breaks: ["LIMITS-31", "LIMITS-35"],
    spoil: (limits) => ({ ...limits, settle: (ask, at) => limits.settle({ ...ask, lease: undefined }, at) }),
  },
  {
    mistake: "gives back one place, whatever the key",
    breaks: ["LIMITS-32"],
    spoil: (limits) => withPlaces(limits, { gives: (held, { key }) => held.find((lease) => lease.key === key) ?? held[0] }),
  },
  {
    mistake: "keys without case",
    breaks: ["LIMITS-32", "LIMITS-38"],
    spoil: (limits) => withLeases(limits, (lease) => ({ ...lease, key: lease.key.toLowerCase() })),
  },
  {
    mistake: "caps without case",
    breaks: ["LIMITS-38"],
    spoil: (limits) => withLeases(limits, (lease) => ({ ...lease, id: lease.id.toLowerCase() })),
  },
  {
    mistake: "a place is held at its deadline still",
    breaks: ["LIMITS-33", "LIMITS-34", "LIMITS-37"],
    spoil: (limits) => withLeases(limits, (lease) => ({ ...lease, ttlMs: lease.ttlMs && lease.ttlMs + 1 })),
  },
  {
    mistake: "a place is free an instant before its deadline",
    breaks: ["LIMITS-33", "LIMITS-34", "LIMITS-37"],
    spoil: (limits) => withLeases(limits, (lease) => ({ ...lease, ttlMs: lease.ttlMs && lease.ttlMs - 1 })),
  },
  {
    mistake: "renewing changes nothing",
    breaks: ["LIMITS-34", "LIMITS-37"],
    spoil: (limits) => ({ ...limits, renew: (holder, lease) => limits.renew(holder, { ...lease, ttlMs: 1 }) }),
  },
  {
    mistake: "renewing what is over takes it anew",
    breaks: ["LIMITS-34", "LIMITS-37"],
    spoil: (limits) => ({
      ...limits,
      async renew(holder, lease) {
        return (await limits.renew(holder, lease)) || (await limits.consume({ ...holder, cells: [], lease })).allowed;
      },
    }),
  },
  {
    mistake: "a cap is what it was when its first place was taken",
    breaks: ["LIMITS-35", "LIMITS-37"],
    spoil: (limits) => {
      const capacities = new Map<string, number>();
      return withLeases(limits, (lease) => {
        const capacity = capacities.get(lease.id) ?? lease.capacity;
        capacities.set(lease.id, capacity);
        return { ...lease, capacity };
      });
    },
  },
  {
    mistake: "looking at a cap takes a place",
    breaks: ["LIMITS-36"],
    spoil: (limits) => withLeases(limits, (lease) => ({ ...lease, ttlMs: lease.ttlMs || DAY_MS })),
  },
  {
    mistake: "a lowered cap ends the places above it",
    breaks: ["LIMITS-35"],
    spoil: (limits) => withPlaces(limits, { keeps: ({ capacity }) => capacity }),
  },
];

const blockMutants: readonly PortMutant<"limits">[] = [
  {
    mistake: "a block denies calls about limits only",
    breaks: ["LIMITS-39", "LIMITS-40"],
    spoil: (limits) => withResults(limits, ({ cells, lease }) => (cells.length === 0 && lease === undefined ? { allowed: true } : {})),
  },
  {
    mistake: "a block is an instant too long",
    breaks: ["LIMITS-39"],
    spoil: (limits) => ({ ...limits, block: (holder, ms) => limits.block(holder, ms && ms + 1) }),
  },
  {
    mistake: "what is denied by a block is charged",
    breaks: ["LIMITS-39"],
    spoil: (limits) => ({
      ...limits,
      async consume(ask) {
        const result = await limits.consume(ask);
        if (result.blockedMs === 0) return result;
        await limits.block(ask, 0);
        await limits.consume(ask);
        await limits.block(ask, result.blockedMs);
        return result;
      },
    }),
  },
  {
    mistake: "a block of 0 ms changes nothing",
    breaks: ["LIMITS-40"],
    spoil: (limits) => ({ ...limits, block: (holder, ms) => (ms > 0 ? limits.block(holder, ms) : undefined) }),
  },
  {
    mistake: "a block is not made longer",
    breaks: ["LIMITS-40"],
    spoil: (limits) => ({
      ...limits,
      async block(holder, ms) {
        const { blockedMs } = await limits.consume({ ...holderOf(holder), cells: [] });
        if (blockedMs === 0 || ms < blockedMs) await limits.block(holder, ms);
      },
    }),
  },
  {
    mistake: "reset gives back every place",
    breaks: ["LIMITS-41"],
    spoil: (limits) => withPlaces(limits, { resets: true }),
  },
];

/** Mistakes about places in use and about blocks. */
export const placeAndBlockMutants: readonly PortMutant<"limits">[] = [...placeMutants, ...blockMutants];

/** Mistakes of a store that knows which places a holder has, in the order they were taken. */
interface PlaceMistake {
  /** Which place is given back in the stead of the one that was named. */
  gives?(held: readonly LimitLease[], named: LimitLease): LimitLease | undefined;
  /** How many are left when another one is asked for. */
  keeps?(asked: LimitLease): number;
  readonly resets?: boolean;
}

function withPlaces(limits: Limits, mistake: PlaceMistake): Limits {
  const known = new Map<string, readonly LimitLease[]>();
  const heldBy = (holder: LimitHolder): readonly LimitLease[] => known.get(nameOf(holder)) ?? [];
  const give = async (holder: LimitHolder, lease: LimitLease): Promise<void> => {
    known.set(
      nameOf(holder),
      heldBy(holder).filter(({ key }) => key !== lease.key),
    );
    await limits.settle({ ...holderOf(holder), cells: [], lease }, 0);
  };
  return {
    ...limits,
    async consume(ask) {
      const { lease } = ask;
      if (lease === undefined) return limits.consume(ask);
      for (const above of heldBy(ask).slice(mistake.keeps?.(lease) ?? Infinity)) await give(ask, above);
      const result = await limits.consume(ask);
      if (result.allowed && lease.ttlMs > 0) known.set(nameOf(ask), [...heldBy(ask), lease]);
      return result;
    },
    async settle({ lease, ...ask }, at) {
      await limits.settle(ask, at);
      if (lease !== undefined) await give(ask, mistake.gives?.(heldBy(ask), lease) ?? lease);
    },
    async reset(holder) {
      await limits.reset(holder);
      if (mistake.resets === true) for (const lease of heldBy(holder)) await give(holder, lease);
    },
  };
}
