// Limits on Redis: what a decision costs this process and the server, how often it goes there, and how long it takes.
import { Redis } from "ioredis";
import { openRedisStore } from "@portcullis/store-redis";
import type { Decision, RateLimiter } from "@portcullis/rate-limit";
import { hundredths, median, quantile, rotate } from "../harness/statistics.js";
import { DEADLINE_MS, type LimitStore, oneLimit, OPERATION, threeLimits, WIDE } from "./limiters.js";
import type { Peer } from "./memory-peers.js";
import { bareIncrement, bareScript, flexibleRedis, flexibleRedisUnion, upstashSlidingWindow } from "./redis-peers.js";
import { subjectsOf, visitsOf } from "./subjects.js";

export const LEASED = "portcullis: three limits and a lease";
export const REDIS_UNION = "rate-limiter-flexible union: three limits";

const SUBJECTS = 1_000;
const CONCURRENCY = 50;
const WARM_UP_DECISIONS = 6_000;
const COUNTED_DECISIONS = 200;

/** One that is measured. */
interface RedisVariant {
  readonly name: string;
  ask(subject: string): Promise<boolean>;
  /** Of one subject alone. */
  readonly isHot?: boolean;
  /** Not measured: after each turn. */
  tidy?(): Promise<void>;
}

/** What one turn measured, per decision. */
interface Turn {
  readonly nodeMicros: number;
  readonly redisMicros: number;
  readonly p50Millis: number;
  readonly p99Millis: number;
}

/** The figure of one variant: medians over the turns. */
export interface RedisFigure extends Turn {
  readonly name: string;
  /** Sent per decision. */
  readonly roundTrips: number;
  /** What a decision sends, and what its scripts call on the server, by command. */
  readonly commands: Readonly<Record<string, number>>;
  /** Of the union's, each round compared with itself. */
  readonly nodeRatio: number;
  readonly redisRatio: number;
}

/** Measures everybody on Redis whose name has `only` in it. @param url Of a server that nobody else uses. */
export async function measureRedis(
  url: string,
  { rounds, decisions, only = "" }: { readonly rounds: number; readonly decisions: number; readonly only?: string },
): Promise<readonly RedisFigure[]> {
  const admin = new Redis(url);
  const clients: Redis[] = [];
  const connect = (): Redis => {
    const client = new Redis(url);
    clients.push(client);
    return client;
  };
  const variants = (await variantsOn(connect)).filter(({ name }) => name.includes(only));
  const cold = subjectsOf(SUBJECTS);
  const visits = visitsOf(cold);
  const hot = visits.map(() => "user-hot");
  const lanes = variants.map((variant) => ({ variant, visits: variant.isHot === true ? hot : visits, turns: [] as Turn[] }));
  for (const { variant, visits: own } of lanes) {
    await Promise.all(cold.map(async (subject) => assertYes(variant, await variant.ask(subject))));
    await decide(variant, own, WARM_UP_DECISIONS);
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const { variant, visits: own, turns } of rotate(lanes, round)) turns.push(await turnOf(admin, variant, own, decisions));
  }
  const union = lanes.find(({ variant }) => variant.name === REDIS_UNION)?.turns ?? [];
  const figures: RedisFigure[] = [];
  for (const { variant, visits: own, turns } of lanes) {
    const commands = await commandsOf(admin, variant, own);
    const ratio = (of: (turn: Turn) => number): number =>
      hundredths(median(turns.map((turn, round) => of(turn) / of(union[round] ?? turn))));
    const middle = (of: (turn: Turn) => number): number => hundredths(median(turns.map(of)));
    figures.push({
      name: variant.name,
      roundTrips: hundredths(
        (commands["evalsha"] ?? 0) + (commands["eval"] ?? 0) + (variant.name === "INCR" ? (commands["incr"] ?? 0) : 0),
      ),
      commands,
      nodeMicros: middle(({ nodeMicros }) => nodeMicros),
      redisMicros: middle(({ redisMicros }) => redisMicros),
      p50Millis: middle(({ p50Millis }) => p50Millis),
      p99Millis: middle(({ p99Millis }) => p99Millis),
      nodeRatio: ratio(({ nodeMicros }) => nodeMicros),
      redisRatio: ratio(({ redisMicros }) => redisMicros),
    });
  }
  for (const client of [...clients, admin]) client.disconnect();
  return figures;
}

/** A store on the client. */
export function storeOn(client: Redis, prefix: string): LimitStore {
  return openRedisStore(client, { prefix, deadlineMs: DEADLINE_MS });
}

async function variantsOn(connect: () => Redis): Promise<readonly RedisVariant[]> {
  const limit = { limit: WIDE };
  const peer = ({ ask }: Peer, name: string): RedisVariant => ({ name, ask: (subject) => Promise.resolve(ask(subject)) });
  return [
    leased(threeLimits(storeOn(connect(), "lease:"), {}, { lease: true }), LEASED),
    leased(
      threeLimits(storeOn(connect(), "closed:"), {}, { lease: true, onOutage: "closed" }),
      `${LEASED}, without local limits for an outage`,
    ),
    released(threeLimits(storeOn(connect(), "release:"), {}, { lease: true }), `${LEASED}, given back`),
    plain(threeLimits(storeOn(connect(), "three:")), "portcullis: three limits", OPERATION),
    plain(oneLimit(storeOn(connect(), "one:")), "portcullis: one limit"),
    {
      ...plain(
        oneLimit(storeOn(connect(), "batch:"), {}, { batches: true }),
        "portcullis: one limit, one busy subject, batches",
        undefined,
        "batch",
      ),
      isHot: true,
    },
    peer(flexibleRedisUnion(connect(), limit), REDIS_UNION),
    peer(flexibleRedis(connect(), limit), "rate-limiter-flexible: one limit"),
    peer(upstashSlidingWindow(connect(), limit), "@upstash/ratelimit over ioredis: one limit"),
    peer(await bareScript(connect()), "EVALSHA return 1"),
    peer(bareIncrement(connect()), "INCR"),
  ];
}

type Limiter = RateLimiter<typeof OPERATION>;

function plain(limiter: Limiter, name: string, operation?: typeof OPERATION, orBy: "store" | "batch" = "store"): RedisVariant {
  return {
    name,
    ask: async (subject) =>
      allowedBy(await limiter.check({ phase: "identified", subject, ...(operation === undefined ? {} : { operation }) }), orBy),
  };
}

// The place in flight is taken by the decision and given back by another call, after the response: that one is no part of a decision.
function leased(limiter: Limiter, name: string): RedisVariant {
  let held: Decision[] = [];
  return {
    name,
    async ask(subject) {
      const decision = await limiter.check({ phase: "identified", subject, operation: OPERATION });
      held.push(decision);
      return allowedBy(decision);
    },
    async tidy() {
      const over = held;
      held = [];
      await Promise.all(over.map(async (decision) => decision.release()));
    },
  };
}

function released(limiter: Limiter, name: string): RedisVariant {
  return {
    name,
    async ask(subject) {
      const decision = await limiter.check({ phase: "identified", subject, operation: OPERATION });
      await decision.release();
      return allowedBy(decision);
    },
  };
}

function allowedBy({ allowed, decidedBy }: Decision, orBy: "store" | "batch" = "store"): boolean {
  if (decidedBy !== "store" && decidedBy !== orBy) throw new Error(`Decided by ${decidedBy}, not by the store.`);
  return allowed;
}

async function turnOf(admin: Redis, variant: RedisVariant, visits: readonly string[], decisions: number): Promise<Turn> {
  const serverBefore = await redisCpuMicros(admin);
  const before = process.cpuUsage();
  const millis = await decide(variant, visits, decisions, false);
  const { user, system } = process.cpuUsage(before);
  const redisMicros = (await redisCpuMicros(admin)) - serverBefore;
  await variant.tidy?.();
  return {
    nodeMicros: (user + system) / decisions,
    redisMicros: redisMicros / decisions,
    p50Millis: quantile(millis, 0.5),
    p99Millis: quantile(millis, 0.99),
  };
}

/** Makes decisions, so many at a time. @returns How long each took, in ms. */
async function decide(variant: RedisVariant, visits: readonly string[], decisions: number, tidies = true): Promise<readonly number[]> {
  const millis: number[] = [];
  let left = decisions;
  const start = Math.floor(Math.random() * visits.length);
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const subject = visits[(start + left) & (visits.length - 1)] as string; // masked
      const startedAt = performance.now();
      assertYes(variant, await variant.ask(subject));
      millis.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  if (tidies) await variant.tidy?.();
  return millis;
}

function assertYes({ name }: RedisVariant, isAllowed: boolean): void {
  if (!isAllowed) throw new Error(`${name} refused.`);
}

async function redisCpuMicros(admin: Redis): Promise<number> {
  const info = await admin.info("cpu");
  const seconds = (field: string): number => Number(new RegExp(`${field}:([\\d.]+)`).exec(info)?.[1]);
  return (seconds("used_cpu_user") + seconds("used_cpu_sys")) * 1e6;
}

async function commandsOf(admin: Redis, variant: RedisVariant, visits: readonly string[]): Promise<Readonly<Record<string, number>>> {
  await admin.config("RESETSTAT");
  await decide(variant, visits, COUNTED_DECISIONS, false);
  const info = await admin.info("commandstats");
  await variant.tidy?.();
  const found = [...info.matchAll(/cmdstat_([a-z|]+):calls=(\d+)/g)].map(([, name = "", calls]) => [name, Number(calls)] as const);
  return Object.fromEntries(
    found
      .filter(([name]) => !name.startsWith("config") && name !== "info")
      .map(([name, calls]) => [name, hundredths(calls / COUNTED_DECISIONS)]),
  );
}
