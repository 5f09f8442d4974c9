import { type BucketCell, invalidOption, type LimitCell } from "@portcullis/core";
import { CALENDAR_MS, type Calendar, type CalendarPeriod, createCalendar } from "./calendar.js";
import { type LimitTexts, limitTexts } from "./rate-limit-headers.js";
import { type Counted, noCounts } from "./rate-limit-metrics.js";

/** Something that may happen `limit` times a period on average, and at most `burst` times at once. The usual kind. */
export interface BucketRule {
  readonly kind?: "bucket";
  /** Units that come back each period. Integer, 1 to 1,000,000,000. */
  readonly limit: number;
  /** 1 ms to 366 days; default one minute. */
  readonly periodMs?: number;
  /** Most at once, after a pause. Integer, 1 to 1,000,000,000. Give this or `burstMultiplier`, not both. */
  readonly burst?: number;
  /** The burst as a multiple of `limit`, rounded down, at least 1. Above 0, up to 1,000; default 2. */
  readonly burstMultiplier?: number;
  /** What may not be exceeded either, e.g. a quota by the day: asked together with the bucket. */
  readonly ceiling?: WindowRule | CalendarRule;
}

/**
 * So many in any period, by a sliding-window counter: for contracts that say "1000 an hour". Arrivals that crowd around the edge of a
 * period can reach nearly twice the limit within a period that lies askew; a bucket does not have that.
 */
export interface WindowRule {
  readonly kind: "window";
  /** Integer, 1 to 1,000,000,000. */
  readonly limit: number;
  /** 1 ms to 366 days; default one minute. */
  readonly periodMs?: number;
}

/** So many in each period of the calendar: for contracts that say "10,000 a month". */
export interface CalendarRule {
  readonly kind: "calendar";
  /** Integer, 1 to 1,000,000,000. */
  readonly limit: number;
  readonly period: CalendarPeriod;
  /** Of the IANA database, e.g. `Europe/Berlin`. Default `UTC`. */
  readonly timeZone?: string;
}

/** How often something may happen. */
export type LimitRule = BucketRule | WindowRule | CalendarRule;

/** A rule, checked and ready to charge. */
export interface Limit {
  /** As clients and metrics see it. */
  readonly name: string;
  readonly kind: LimitCell["kind"];
  /** The most at once. */
  readonly capacity: number;
  readonly limit: number;
  /** On average, of the calendar. */
  readonly periodMs: number;
  /** Ms in which one unit comes back, on average. */
  readonly intervalMs: number;
  /** The cell for a cost of 1; of the calendar, for the period around some time. */
  readonly cell: LimitCell;
  /** Where the periods of the calendar begin. */
  readonly calendar: Calendar | undefined;
  /** What response headers say of it that is the same for each request. */
  readonly texts: LimitTexts;
  readonly counts: Counted["counts"];
}

/** Names of the limits that stand around every request; no operation may have one of them. */
export const STACK_NAMES: ReadonlySet<string> = new Set([
  "floor",
  "unauthenticated",
  "authenticated",
  "api-key",
  "organization",
  "service",
]);

const DEFAULTS = Object.freeze({ periodMs: 60_000, burstMultiplier: 2, timeZone: "UTC" });
const MOST_UNITS = 1_000_000_000;
const FOREIGN_NAMES = Object.freeze({ windowMs: "periodMs", duration: "periodMs", max: "limit", points: "limit", period_ms: "periodMs" });
const MOST_PERIOD_MS = 366 * 86_400_000;
const MOST_FILL_MS = 100 * MOST_PERIOD_MS;

/**
 * Starting points, per minute: subscription tiers, one subject without a tier, one IP address, and a floor that stands above all of them.
 */
export const limitPresets = Object.freeze({
  tiers: Object.freeze({
    free: Object.freeze({ limit: 10, burst: 60 }),
    starter: Object.freeze({ limit: 50, burst: 100 }),
    professional: Object.freeze({ limit: 200, burst: 400 }),
    enterprise: Object.freeze({ limit: 1_000, burst: 2_000 }),
  }),
  subject: Object.freeze({ limit: 60, burstMultiplier: 2 }),
  address: Object.freeze({ limit: 120, burstMultiplier: 2 }),
  floor: Object.freeze({ limit: 3_000, burst: 6_000 }),
});

/**
 * Checks a rule: the limit, and its ceiling where it has one.
 *
 * @param option Its path in the options, for the message.
 * @param cellId Names its state within a holder.
 * @throws {ConfigurationError} `invalid_option`
 */
export function readLimits(option: string, rule: LimitRule, name: string, cellId: string): readonly Limit[] {
  if (typeof rule !== "object" || rule === null) throw invalidOption(option, rule, "a limit, e.g. { limit: 60 }");
  const limit = readLimit(option, rule, name, cellId);
  if (limit.kind !== "bucket" || !("ceiling" in rule) || rule.ceiling === undefined) return Object.freeze([limit]);
  const { ceiling } = rule;
  const isCount = typeof ceiling === "object" && ceiling !== null && (ceiling.kind === "window" || ceiling.kind === "calendar");
  if (!isCount) throw invalidOption(`${option}.ceiling`, ceiling, 'a limit of kind "window" or "calendar"');
  return Object.freeze([limit, readLimit(`${option}.ceiling`, ceiling, `${name}.ceiling`, `ceiling:${cellId}`)]);
}

/** Whether `upper` never refuses what `lower` would allow: neither in rate nor in capacity, which of the calendar nobody spends at once. */
export function dominates(upper: Limit, lower: Limit): boolean {
  // limit / periodMs on both sides, without dividing: 500 a minute against 10 a second compares exactly.
  const isFaster = upper.limit * lower.periodMs >= lower.limit * upper.periodMs;
  return isFaster && (lower.kind === "calendar" || upper.capacity >= lower.capacity);
}

function readLimit(option: string, rule: LimitRule, name: string, cellId: string): Limit {
  // What other limiters call it would silently be a limit by the minute.
  for (const [foreign, ours] of Object.entries(FOREIGN_NAMES)) {
    if (foreign in rule) throw invalidOption(`${option}.${foreign}`, Reflect.get(rule, foreign), `absent: it is called ${ours} here`);
  }
  if (!isUnits(rule.limit)) throw invalidOption(`${option}.limit`, rule.limit, `an integer of 1 to ${MOST_UNITS}`);
  switch (rule.kind) {
    case undefined:
    case "bucket":
      return readBucket(option, rule, name, cellId);
    case "window": {
      const periodMs = readPeriod(option, rule.periodMs);
      const cell = Object.freeze({ id: cellId, kind: "window" as const, capacity: rule.limit, windowMs: periodMs, cost: 1 });
      return toLimit(name, rule.limit, periodMs, cell, periodMs);
    }
    case "calendar": {
      if (!Object.hasOwn(CALENDAR_MS, rule.period)) throw invalidOption(`${option}.period`, rule.period, "day, week or month");
      const calendar = createCalendar(`${option}.timeZone`, rule.period, rule.timeZone ?? DEFAULTS.timeZone);
      const cell = Object.freeze({
        id: cellId,
        kind: "calendar" as const,
        capacity: rule.limit,
        boundaries: Object.freeze([0, 1]),
        cost: 1,
      });
      const periodMs = CALENDAR_MS[rule.period];
      return toLimit(name, rule.limit, periodMs, cell, periodMs, calendar);
    }
    default:
      throw invalidOption(`${option}.kind`, (rule as { kind: unknown }).kind, "bucket, window or calendar");
  }
}

function readBucket(option: string, rule: BucketRule, name: string, cellId: string): Limit {
  const { limit, burst, burstMultiplier } = rule;
  const periodMs = readPeriod(option, rule.periodMs);
  if (burst !== undefined && burstMultiplier !== undefined) {
    throw invalidOption(`${option}.burstMultiplier`, burstMultiplier, "absent where burst is given");
  }
  if (burst !== undefined && !isUnits(burst)) throw invalidOption(`${option}.burst`, burst, `an integer of 1 to ${MOST_UNITS}`);
  const multiplier = burstMultiplier ?? DEFAULTS.burstMultiplier;
  if (!isWithin(multiplier, Number.MIN_VALUE, 1_000)) throw invalidOption(`${option}.burstMultiplier`, multiplier, "above 0, up to 1000");
  const capacity = burst ?? Math.max(1, Math.floor(limit * multiplier));
  if (capacity * (periodMs / limit) > MOST_FILL_MS)
    throw invalidOption(`${option}.burst`, capacity, "what comes back within a hundred years");
  const cell: BucketCell = Object.freeze({ id: cellId, kind: "bucket", capacity, intervalMs: periodMs / limit, cost: 1 });
  return toLimit(name, limit, periodMs, cell, capacity * cell.intervalMs);
}

/** @param fullMs In which it fills up. */
function toLimit(name: string, limit: number, periodMs: number, cell: LimitCell, fullMs: number, calendar?: Calendar): Limit {
  const { kind, capacity } = cell;
  return Object.freeze({
    ...{ name, kind, capacity, limit, periodMs, intervalMs: periodMs / limit, cell, calendar },
    texts: limitTexts(name, capacity, fullMs),
    counts: noCounts(),
  });
}

function readPeriod(option: string, periodMs: number = DEFAULTS.periodMs): number {
  if (!isWithin(periodMs, 1, MOST_PERIOD_MS)) throw invalidOption(`${option}.periodMs`, periodMs, "1 ms to 366 days, in ms");
  return periodMs;
}

function isWithin(value: unknown, least: number, most: number): boolean {
  return typeof value === "number" && value >= least && value <= most;
}

function isUnits(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST_UNITS; // isInteger: it is a number
}
