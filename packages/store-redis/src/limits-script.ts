import { isBucket, type LimitCell, type LimitLease, roomFor, spanOf, type WindowCell } from "@portcullis/core";
import { type RedisScript, toScript } from "./redis-script.js";

// Most calls ask with limits that were asked before and are stored in that order. For those a script is made in which the limits are
// constants, and the terms of a lease, too: no arguments to read, no search, no loop. What it does not find as it expects, it leaves to the general script, which
// stands behind it: one call either way. There are as many scripts as groups of limits in the configuration.
// Its arithmetic is that of limits.lua, proven equal by the properties of limits.test.ts.

/** An entry as it is stored and asked. */
export interface StoredCell {
  readonly cell: LimitCell;
  /** What the entry begins with: of a bucket its id and span, of a counter its id. */
  readonly name: string;
  /** Its arguments to the general script. */
  readonly general: readonly string[];
}

const MOST_SPAN_MS = 1e14;

/** What the leases of one cap have in common. */
export type LeaseTerms = Pick<LimitLease, "capacity" | "ttlMs">;

/** Whether all can be constants: buckets and windows that are charged, a lease that is taken. Periods of the calendar come and go. */
export function isConstant(cells: readonly LimitCell[], lease: LeaseTerms | undefined): boolean {
  if (lease !== undefined && !(lease.ttlMs > 0 && lease.ttlMs < MOST_SPAN_MS && Number.isFinite(lease.capacity))) return false;
  return cells.length > 0 && cells.every((cell) => isCharged(cell) && cell.kind !== "calendar" && lengthOf(cell) < MOST_SPAN_MS);
}

/**
 * Makes the script of a group of limits. KEYS and the reply are those of `consume` in limits.lua.
 *
 * ARGV  the manual clock or '', 'consume', then the key of a lease
 */
export function limitsScript(cells: readonly StoredCell[], terms: LeaseTerms | undefined, general: string): RedisScript {
  const parts = cells.map(({ cell, name }, index) =>
    isBucket(cell) ? bucketPart(cell, name, index) : windowPart(cell as WindowCell, name, index),
  ); // isConstant
  const joined = (lines: (part: Part) => readonly string[], separator: string): string => parts.flatMap(lines).join(separator);
  const variables = ["version", ...parts.flatMap(({ stored }) => stored)].join(", ");
  const format = literal(`<c1${parts.map((part) => part.format).join("")}`);
  const size = 1 + parts.reduce((sum, part) => sum + part.size, 0);
  const lease = (lines: (terms: LeaseTerms) => string): string => (terms === undefined ? "" : lines(terms));
  return toScript(`
local now, grace_ms
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now, grace_ms = time[1] * 1000000 + time[2], 1000
else
  now, grace_ms = math.floor(tonumber(ARGV[1]) * 1000 + 0.5), 3600000
end
local stored = redis.call('GET', KEYS[1])
local ${variables}
if not stored then
  ${variables} = '\\2', ${joined(({ absent }) => absent, ", ")}
elseif #stored == ${size} then
  ${variables} = struct.unpack(${format}, stored)
end
if version == '\\2' and ${joined(({ isIts }) => [isIts], " and ")} then
  ${joined(({ seen }) => seen, "\n  ")}
  if ${joined(({ isInOrder }) => [isInOrder], " and ")} then
    local allowed = ${joined(({ isFree }) => [isFree], " and ")}
    ${lease(
      ({ capacity }) => `local held = redis.call('ZCOUNT', KEYS[2], now + 1, '+inf')
    local free = ${number(capacity)} - held
    if free <= 0 then
      allowed = false
      redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
    end`,
    )}
    local reply = { allowed and 1 or 0, now, 0, ${joined(({ told }) => told, ", ")}${lease(() => ", free")} }
    if allowed then
      local last = now
      ${joined(({ charge }) => charge, "\n      ")}
      redis.call('SET', KEYS[1], struct.pack(${format}, ${variables}), 'PX', math.ceil((last - now) / 1000) + grace_ms)
      ${lease(
        ({ ttlMs }) => `redis.call('ZADD', KEYS[2], math.ceil(now + ${number(ttlMs * 1000)}), ARGV[3])
      if held == 0 or redis.call('PTTL', KEYS[2]) < ${number(ttlMs)} + grace_ms then
        redis.call('PEXPIRE', KEYS[2], ${number(2 * Math.ceil(ttlMs))} + grace_ms)
      end
      if now % 16 == 0 then redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now) end`,
      )}
    end
    return reply
  end
end
local ARGV = { ARGV[1], 'consume', ${cells.flatMap((one) => one.general.map(literal)).join(", ")}${lease(({ capacity, ttlMs }) => `, 'L', '${number(capacity)}', ARGV[3], '${number(ttlMs)}'`)} }
${general}`);
}

/** What a limit contributes to its group's script. */
interface Part {
  /** Of struct.pack, and how many bytes that is. */
  readonly format: string;
  readonly size: number;
  /** Its variables, and what they are where nothing is stored. */
  readonly stored: readonly string[];
  readonly absent: readonly string[];
  readonly isIts: string;
  /** Statements: what is used around now. */
  readonly seen: readonly string[];
  /** Whether no clock was set back: then the general script clamps. */
  readonly isInOrder: string;
  readonly isFree: string;
  readonly told: readonly string[];
  readonly charge: readonly string[];
}

function bucketPart(cell: Extract<LimitCell, { kind: "bucket" }>, name: string, index: number): Part {
  const [n, a, d] = [`n${index}`, `a${index}`, `d${index}`];
  return {
    format: "c7I7",
    size: 14,
    stored: [n, a],
    absent: [literal(name), "now"],
    isIts: `${n} == ${literal(name)}`,
    seen: [`local ${d} = ${a} > now and ${a} - now or 0`],
    isInOrder: `${d} <= ${number((roomFor(cell) + cell.cost * cell.intervalMs) * 1000 + 1)}`,
    isFree: `${d} <= ${number(roomFor(cell) * 1000)}`,
    told: [d],
    charge: [`${a} = math.ceil(now + ${d} + ${number(cell.cost * cell.intervalMs * 1000)})`, `if ${a} > last then last = ${a} end`],
  };
}

function windowPart(cell: WindowCell, name: string, index: number): Part {
  const [n, l, s, c, p] = [`n${index}`, `l${index}`, `s${index}`, `c${index}`, `p${index}`] as const;
  const [w, k] = [`w${index}`, `k${index}`] as const;
  const length = number(cell.windowMs);
  const overlap = `(1 - math.min(1, math.max(0, (now / 1000 - ${w}) / ${length})))`;
  return {
    format: "c4dddd",
    size: 36,
    stored: [n, l, s, c, p],
    absent: [literal(name), length, "false", "0", "0"],
    isIts: `${n} == ${literal(name)} and ${l} == ${length}`,
    seen: [
      `local ${w} = math.floor(now / 1000 / ${length}) * ${length}`,
      `local ${k} = ${s} and math.floor((${w} - ${s}) / ${length} + 0.5) or 0`,
      `if ${k} > 0 then ${c}, ${p} = 0, ${k} == 1 and ${c} or 0 end`,
    ],
    isInOrder: `${k} >= 0`,
    isFree: `${c} + ${p} * ${overlap} + ${cell.cost} <= ${cell.capacity} + 0.000001`,
    // Of a reply's numbers only what is whole arrives: windows of whole ms begin at whole ms.
    told: [
      Number.isInteger(cell.windowMs) ? w : `string.format('%.17g', ${w})`,
      c,
      `${p} % 1 == 0 and ${p} or string.format('%.17g', ${p})`,
    ],
    charge: [
      `${s}, ${c} = ${w}, ${c} + ${cell.cost}`,
      `if (${w} + 2 * ${length}) * 1000 > last then last = (${w} + 2 * ${length}) * 1000 end`,
    ],
  };
}

function isCharged({ cost, capacity }: LimitCell): boolean {
  return cost > 0 && cost <= capacity;
}

function lengthOf(cell: LimitCell): number {
  if (isBucket(cell)) return spanOf(cell);
  return cell.kind === "window" ? cell.windowMs : 0;
}

/** As Lua reads it: the same double. */
function number(value: number): string {
  return String(value);
}

/** Every byte by its number: names hold any of 128. */
function literal(text: string): string {
  return `'${Array.from(text, (character) => `\\${String(character.charCodeAt(0)).padStart(3, "0")}`).join("")}'`;
}
