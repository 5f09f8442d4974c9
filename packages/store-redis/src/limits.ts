import { createHash } from "node:crypto";
import {
  ConfigurationError,
  countState,
  isBucket,
  type LeaseState,
  type LimitAsk,
  type LimitCell,
  type LimitHolder,
  type LimitLease,
  type LimitResult,
  type Limits,
  type LimitState,
  limitState,
  roomFor,
  spanOf,
} from "@portcullis/core";
import { isConstant, limitsScript, type StoredCell } from "./limits-script.js";
import { keyOf } from "./redis-key.js";
import { isYes, toList, toNumber } from "./redis-reply.js";
import { readScript, type RedisScript, type RunScript } from "./redis-script.js";

const script = readScript("limits", { prelude: false });
// Limit ids come from the configuration, so there are few; a program that makes them up forgets and digests again.
const MOST_IDS = 10_000;
/** Redis keeps every script until it is restarted: a program with limits for each tenant must not fill it. */
const MOST_SCRIPTS = 500;
/** The first byte of an id: below it a bucket, above it a counter. */
const CLASS_EDGE = 0x5f;
/** Short, because there is a key for each holder. */
const KIND_NAMES = Object.freeze({ ip: "rl:i", user: "rl:u", key: "rl:k", org: "rl:o", all: "rl:a" });
/** Of span codes. */
const [MOST_FRACTION, MOST_EXPONENT, EXPONENT_BIAS] = [65_535, 31, 8];

/** Limits on Redis: all limits of a holder in one string, all checks and the lease of a call in one round trip. */
export function createRedisLimits(run: RunScript, prefix: string): Limits {
  const names = createNames();
  // Limiters ask with the same frozen cells over and over: what is sent of each is made once.
  const consumed = new WeakMap<LimitCell, readonly string[]>();
  const plainScripts = new WeakMap<readonly LimitCell[], Made>();
  const leaseScripts = new WeakMap<readonly LimitCell[], Made>();
  /** Digests of the scripts that were made. */
  const made = new Set<string>();

  const keyOfHolder = ({ kind, id }: LimitHolder): string => keyOf(prefix, KIND_NAMES[kind], id);
  const keyOfLease = (holder: LimitHolder, lease: LimitLease): string => `${keyOfHolder(holder)}:${names.text(`lease ${lease.id}`)}`;
  const keysOf = (ask: LimitAsk): readonly string[] =>
    ask.lease === undefined ? [keyOfHolder(ask)] : [keyOfHolder(ask), keyOfLease(ask, ask.lease)];

  function toConsume(cell: LimitCell): readonly string[] {
    const known = consumed.get(cell);
    if (known !== undefined) return known;
    const made = isBucket(cell)
      ? [names.bucket(cell.id) + spanCode(spanOf(cell)), micros(spanOf(cell)), micros(roomFor(cell)), micros(cell.cost * cell.intervalMs)]
      : counterArguments(cell);
    consumed.set(cell, made);
    return made;
  }

  /** The script of a group of limits, from the second time on that it is asked: what is asked once is not worth one. */
  function scriptOf(cells: readonly LimitCell[], lease: LimitLease | undefined): RedisScript | undefined {
    const scripts = lease === undefined ? plainScripts : leaseScripts;
    const known = scripts.get(cells);
    if (known === undefined) {
      scripts.set(cells, ONCE);
      return undefined;
    }
    if (known === ONCE && Object.isFrozen(cells)) {
      const own =
        made.size < MOST_SCRIPTS && isConstant(cells, lease) ? limitsScript(cells.map(toStored), lease, script.source) : undefined;
      if (own !== undefined) made.add(own.sha);
      scripts.set(cells, { script: own, lease });
      return own;
    }
    return known.lease?.capacity === lease?.capacity && known.lease?.ttlMs === lease?.ttlMs ? known.script : undefined;
  }

  function toStored(cell: LimitCell): StoredCell {
    return { cell, name: nameOf(cell), general: toConsume(cell) };
  }

  function nameOf(cell: LimitCell): string {
    return isBucket(cell) ? names.bucket(cell.id) + spanCode(spanOf(cell)) : names.counter(cell.kind, cell.id);
  }

  function toSettle(cell: LimitCell): readonly string[] {
    if (!isBucket(cell)) return counterArguments(cell);
    return [names.bucket(cell.id) + spanCode(spanOf(cell)), micros(spanOf(cell)), micros(cell.cost * cell.intervalMs)];
  }

  function counterArguments(cell: Exclude<LimitCell, { kind: "bucket" }>): readonly string[] {
    const [length, boundaries] = cell.kind === "window" ? [cell.windowMs, ""] : [0, cell.boundaries.join()];
    return [names.counter(cell.kind, cell.id), String(length), String(cell.capacity), String(cell.cost), boundaries];
  }

  return Object.freeze({
    async consume(ask: LimitAsk): Promise<LimitResult> {
      const { cells, lease } = ask;
      const own = ask.dryRun === true ? undefined : scriptOf(cells, lease);
      if (own !== undefined)
        return readResult(ask, toList(await run(own, "limits.consume", keysOf(ask), lease === undefined ? [] : [lease.key])));
      const sent: string[] = ask.dryRun === true ? ["D"] : [];
      for (const cell of cells) for (const argument of toConsume(cell)) sent.push(argument);
      if (lease !== undefined) sent.push("L", String(lease.capacity), lease.key, String(lease.ttlMs));
      return readResult(ask, toList(await run(script, "limits.consume", keysOf(ask), sent)));
    },
    async settle(ask: LimitAsk, at: number): Promise<void> {
      const sent = [String(at), ...ask.cells.filter(({ cost }) => cost !== 0).flatMap(toSettle)];
      if (ask.lease !== undefined) sent.push("L", ask.lease.key);
      await run(script, "limits.settle", keysOf(ask), sent);
    },
    async renew(holder: LimitHolder, lease: LimitLease): Promise<boolean> {
      return isYes(await run(script, "limits.renew", [keyOfLease(holder, lease)], [lease.key, String(lease.ttlMs)]));
    },
    block: async (holder: LimitHolder, ms: number): Promise<void> =>
      void (await run(script, "limits.block", [keyOfHolder(holder)], [String(ms)])),
    reset: async (holder: LimitHolder): Promise<void> => void (await run(script, "limits.reset", [keyOfHolder(holder)])),
  });
}

/** The script of a group of limits, where it has one, and the lease it was made for. */
interface Made {
  readonly script: RedisScript | undefined;
  readonly lease: LimitLease | undefined;
}

const ONCE: Made = Object.freeze({ script: undefined, lease: undefined });

function readResult({ cells, lease, dryRun }: LimitAsk, reply: readonly unknown[]): LimitResult {
  const allowed = isYes(reply[0]);
  const isCharged = allowed && dryRun !== true;
  const at = toNumber(reply[1]) / 1000;
  let index = 3;
  const states: LimitState[] = [];
  for (const cell of cells) {
    if (isBucket(cell)) states.push(limitState(cell, toNumber(reply[index++]) / 1000, isCharged));
    else {
      const [startAt, current, previous] = [toNumber(reply[index++]), toNumber(reply[index++]), toNumber(reply[index++])];
      states.push(countState(cell, { startAt, current, previous }, at, isCharged));
    }
  }
  const leaseState = lease === undefined ? undefined : readLease(toNumber(reply[index]), isCharged && lease.ttlMs > 0);
  return Object.freeze({ allowed, cells: Object.freeze(states), lease: leaseState, blockedMs: toNumber(reply[2]) / 1000, at });
}

function readLease(free: number, isTaken: boolean): LeaseState {
  return Object.freeze({ allowed: free > 0, remaining: Math.max(0, free - (isTaken ? 1 : 0)) });
}

/** Microseconds as digits: the state is whole microseconds, what is added to it need not be. */
function micros(ms: number): string {
  return String(ms * 1000);
}

/**
 * A span of time in three bytes of seven bits: 16 bits of a decimal fraction and five of its exponent, of microseconds. It tells that
 * a limit has changed, and what it was: exactly up to four digits, else to a ten-thousandth.
 */
function spanCode(ms: number): string {
  const us = ms * 1000;
  let exponent = 0;
  while (exponent < MOST_EXPONENT && us / 10 ** (exponent - EXPONENT_BIAS) > MOST_FRACTION) exponent += 1;
  // Rounded down, so that the share that is used is never told too small. Of no number: 0.
  const fraction = Math.min(MOST_FRACTION, Math.floor((us / 10 ** (exponent - EXPONENT_BIAS)) * (1 + 1e-12))) || 0;
  return String.fromCharCode(fraction & 127, (fraction >> 7) & 127, (fraction >> 14) | (exponent << 2));
}

/** Limit ids as four bytes of seven bits: what the packed string has room for, and what no client re-encodes. */
function createNames(): {
  bucket(id: string): string;
  counter(kind: string, id: string): string;
  text(id: string): string;
} {
  const known = new Map<string, string>();
  const takenBy = new Map<string, string>();

  function nameOf(id: string, make: (digest: Buffer) => string): string {
    const name = known.get(id);
    if (name !== undefined) return name;
    if (known.size >= MOST_IDS) {
      known.clear();
      takenBy.clear();
    }
    const made = make(createHash("sha256").update(id, "utf16le").digest());
    const other = takenBy.get(made);
    if (other !== undefined && other !== id) throw sharedName(other, id);
    takenBy.set(made, id);
    known.set(id, made);
    return made;
  }

  return {
    bucket: (id) => nameOf(`bucket ${id}`, (digest) => fourBytes(digest, (byte) => byte % CLASS_EDGE)),
    counter: (kind, id) => nameOf(`${kind} ${id}`, (digest) => fourBytes(digest, (byte) => CLASS_EDGE + 1 + (byte % 32))),
    text: (id) => nameOf(id, (digest) => digest.toString("base64url").slice(0, 8)),
  };
}

function fourBytes(digest: Buffer, first: (byte: number) => number): string {
  const [a = 0, b = 0, c = 0, d = 0] = digest;
  return String.fromCharCode(first(a), b & 127, c & 127, d & 127);
}

// One in 200 million pairs. Sharing state silently would be worse than this.
function sharedName(one: string, other: string): ConfigurationError {
  return new ConfigurationError(
    "invalid_option",
    `The limits "${one}" and "${other}" have the same short name in Redis. Rename one of them.`,
  );
}
