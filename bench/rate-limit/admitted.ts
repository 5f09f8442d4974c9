// How many get through when somebody tries, against what was promised: on simulated time, so the same on any machine.
import { Redis } from "ioredis";
import { createMemoryStore } from "@portcullis/core";
import { createRateLimiter } from "@portcullis/rate-limit";
import { WIDE } from "./limiters.js";
import { expressStore, flexibleMemory, honoStore, type Peer } from "./memory-peers.js";
import { upstashSlidingWindow } from "./redis-peers.js";
import { simulateTime, type SimulatedTime } from "./simulated-time.js";

const LIMIT = 100;
const WINDOW_MS = 10_000;

/** Who is let through how often by whom. */
export interface Admission {
  readonly name: string;
  readonly arrivals: string;
  /** Most that were admitted within any window of the limit's length. */
  readonly admitted: number;
  /** What was promised for such a window: the limit; of a bucket, its capacity and what comes back meanwhile. */
  readonly promised: number;
  readonly ratio: number;
}

type Arrivals = () => readonly number[];

/** Instants at which somebody calls, in ms. */
export const ARRIVALS: Readonly<Record<string, Arrivals>> = {
  "bursts on both sides of each window's edge": () =>
    [1, 2, 3, 4, 5].flatMap((window) => [...burst(window * WINDOW_MS - 1, 2 * LIMIT), ...burst(window * WINDOW_MS, 2 * LIMIT)]),
  "a trickle, then a burst before and after the edge": () => [
    ...[0, 2, 4, 6].flatMap((window) => [
      ...evenly(window * WINDOW_MS, WINDOW_MS, 2),
      ...burst((window + 1) * WINDOW_MS - 5, 2 * LIMIT),
      ...burst((window + 1) * WINDOW_MS + 5, 2 * LIMIT),
    ]),
  ],
  "late in one window, then all through the next": () =>
    [0, 3].flatMap((window) => [
      ...burst((window + 1) * WINDOW_MS - 1, 2 * LIMIT),
      ...evenly((window + 1) * WINDOW_MS, WINDOW_MS, 10 * LIMIT),
    ]),
  "a sawtooth": () => Array.from({ length: 6 * 2_000 }, (_, index) => sawtooth(index)).sort((a, b) => a - b),
};

/** Ours and the peers, each for itself. @param url Of a Redis, for those that need one. */
export async function measureAdmission(url: string): Promise<readonly Admission[]> {
  const client = new Redis(url);
  const found: Admission[] = [];
  for (const [arrivals, instants] of Object.entries(ARRIVALS)) {
    for (const contestant of contestantsOn(client)) {
      const time = simulateTime();
      await client.flushall();
      const peer = contestant.create(time);
      const admitted = worstWindow(await admittedAt(peer, time, instants()));
      found.push({ name: contestant.name, arrivals, admitted, promised: contestant.promised, ratio: admitted / contestant.promised });
    }
  }
  client.disconnect();
  return found;
}

interface Contestant {
  readonly name: string;
  readonly promised: number;
  create(time: SimulatedTime): Peer;
}

export const OUR_BUCKET = "portcullis, bucket";
export const OUR_WINDOW = "portcullis, window";

function contestantsOn(client: Redis): readonly Contestant[] {
  const fixed = { limit: LIMIT, windowMs: WINDOW_MS };
  return [
    { name: OUR_BUCKET, promised: 2 * LIMIT, create: (time) => ours(time, { limit: LIMIT, periodMs: WINDOW_MS, burst: LIMIT }) },
    { name: OUR_WINDOW, promised: LIMIT, create: (time) => ours(time, { kind: "window", limit: LIMIT, periodMs: WINDOW_MS }) },
    { name: "rate-limiter-flexible", promised: LIMIT, create: () => flexibleMemory(fixed) },
    { name: "express-rate-limit", promised: LIMIT, create: () => expressStore(fixed) },
    { name: "hono-rate-limiter", promised: LIMIT, create: () => honoStore(fixed) },
    { name: "@upstash/ratelimit, sliding window", promised: LIMIT, create: () => upstashSlidingWindow(client, fixed) },
  ];
}

/** One limit on the simulated time. */
export function ours(time: SimulatedTime, own: Parameters<typeof createRateLimiter>[0]["floor"]): Peer {
  const limiter = createRateLimiter({
    store: createMemoryStore({ clock: time }),
    clock: time,
    floor: { limit: WIDE, burst: WIDE, periodMs: WINDOW_MS },
    unauthenticated: own,
    tiers: { standard: own },
    defaultTier: "standard",
  });
  return { name: "portcullis", ask: async (subject) => (await limiter.check({ phase: "identified", subject })).allowed };
}

async function admittedAt(peer: Peer, time: SimulatedTime, instants: readonly number[]): Promise<readonly number[]> {
  return time.during(async () => {
    const admitted: number[] = [];
    for (const instant of instants) {
      time.at = instant;
      if (await peer.ask("ada")) admitted.push(instant);
    }
    return admitted;
  });
}

/** The most within any half-open window. */
function worstWindow(instants: readonly number[]): number {
  let [most, first] = [0, 0];
  for (const [index, instant] of instants.entries()) {
    while ((instants[first] ?? instant) <= instant - WINDOW_MS) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
}

function burst(at: number, calls: number): readonly number[] {
  return Array.from({ length: calls }, () => at);
}

function evenly(from: number, lengthMs: number, calls: number): readonly number[] {
  return Array.from({ length: calls }, (_, index) => from + (index * lengthMs) / calls);
}

// More and more towards the end of each stretch of one and a half windows, so that its peak wanders across the edges.
function sawtooth(index: number): number {
  const length = 1.5 * WINDOW_MS;
  return Math.floor(index / 2_000) * length + Math.sqrt((index % 2_000) / 2_000) * length;
}
