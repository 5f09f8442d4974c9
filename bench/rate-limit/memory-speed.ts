// One limit and three limits in the memory of this process.
import { createMemoryStore } from "@portcullis/core";
import type { Decision, LimitCheck, RateLimiter } from "@portcullis/rate-limit";
import { oneLimit, OPERATION, ORGANIZATION, threeHolders, threeLimits, WIDE } from "./limiters.js";
import type { Variant } from "../harness/measure.js";
import { expressStore, flexibleMemory, flexibleUnion, honoStore, type Peer } from "./memory-peers.js";
import { subjectsOf, visitsOf } from "./subjects.js";

export const FLOOR = "bare Map";
/** The same, reading the clock once: what no limit that refills can do without. */
export const FLOOR_WITH_CLOCK = "bare Map, and the clock";
export const OURS = "portcullis";
export const UNION = "rate-limiter-flexible union";

const LIMIT = { limit: WIDE };

/** One limit each for so many subjects. */
export function oneLimitVariants(subjects: number): readonly Variant[] {
  const visits = visitsOf(subjectsOf(subjects));
  return [
    mapFloor(visits),
    mapFloorWithClock(visits),
    ours(visits),
    ...[flexibleMemory(LIMIT), expressStore(LIMIT)].map((peer) => promised(peer, visits)),
    immediate(honoStore(LIMIT), visits),
  ];
}

/** Three limits, each with a holder of its own. */
export function threeHolderVariants(subjects: number): readonly Variant[] {
  const visits = visitsOf(subjectsOf(subjects));
  const limiter = threeHolders(createMemoryStore());
  return [
    decided(limiter, visits, (subject) => ({ phase: "identified", subject, organization: ORGANIZATION })),
    promised(flexibleUnion(LIMIT), visits),
  ];
}

/** Three limits of one holder. */
export function threeLimitVariants(subjects: number): readonly Variant[] {
  const visits = visitsOf(subjectsOf(subjects));
  const limiter = threeLimits(createMemoryStore());
  return [
    decided(limiter, visits, (subject) => ({ phase: "identified", subject, operation: OPERATION })),
    promised(flexibleUnion(LIMIT), visits),
  ];
}

/** A peer that promises its answers, awaited one after the other. */
export function promised({ name, ask }: Peer, visits: readonly string[], yesShare = 1): Variant {
  let next = 0;
  return {
    name,
    yesShare,
    async turn(count) {
      let yes = 0;
      for (let index = 0; index < count; index += 1) if (await ask(visits[next++ & (visits.length - 1)] as string)) yes += 1; // masked
      return yes;
    },
  };
}

/** What a synchronous store decided. @throws {Error} It is promised. */
export function decidedNow(answer: Decision | Promise<Decision>): Decision {
  if (answer instanceof Promise) throw new Error("A decision on memory is promised.");
  return answer;
}

// Each of the fast ones has a loop of its own: shared, it would call through a pointer what a program has inlined.
function mapFloor(visits: readonly string[]): Variant {
  const counts = new Map<string, number>();
  let next = 0;
  return {
    name: FLOOR,
    turn(count) {
      let yes = 0;
      for (let index = 0; index < count; index += 1) {
        const key = visits[next++ & (visits.length - 1)] as string; // masked
        const used = (counts.get(key) ?? 0) + 1;
        counts.set(key, used);
        if (used <= WIDE) yes += 1;
      }
      return yes;
    },
  };
}

function mapFloorWithClock(visits: readonly string[]): Variant {
  const counts = new Map<string, number>();
  let next = 0;
  return {
    name: FLOOR_WITH_CLOCK,
    turn(count) {
      let yes = 0;
      for (let index = 0; index < count; index += 1) {
        const key = visits[next++ & (visits.length - 1)] as string; // masked
        const now = performance.now();
        const used = (counts.get(key) ?? 0) + 1;
        counts.set(key, used);
        if (used <= WIDE && now > 0) yes += 1;
      }
      return yes;
    },
  };
}

function ours(visits: readonly string[]): Variant {
  const limiter = oneLimit(createMemoryStore());
  let next = 0;
  return {
    name: OURS,
    turn(count) {
      let yes = 0;
      for (let index = 0; index < count; index += 1) {
        const subject = visits[next++ & (visits.length - 1)] as string; // masked
        if (decidedNow(limiter.check({ phase: "identified", subject })).allowed) yes += 1;
      }
      return yes;
    },
  };
}

function immediate({ name, ask }: ReturnType<typeof honoStore>, visits: readonly string[]): Variant {
  let next = 0;
  return {
    name,
    turn(count) {
      let yes = 0;
      for (let index = 0; index < count; index += 1) if (ask(visits[next++ & (visits.length - 1)] as string)) yes += 1; // masked
      return yes;
    },
  };
}

function decided(
  limiter: RateLimiter<typeof OPERATION>,
  visits: readonly string[],
  checkOf: (subject: string) => LimitCheck<typeof OPERATION>,
): Variant {
  let next = 0;
  return {
    name: OURS,
    turn(count) {
      let yes = 0;
      for (let index = 0; index < count; index += 1) {
        if (decidedNow(limiter.check(checkOf(visits[next++ & (visits.length - 1)] as string))).allowed) yes += 1; // masked
      }
      return yes;
    },
  };
}
