import { invalidOption, type LimitCell } from "@portcullis/core";
import { type LimitTexts, limitTexts } from "./rate-limit-headers.js";

/**
 * How often something may happen: on average `limit` times a period, and at most `burst` times at once.
 *
 * It is a bucket that holds the burst and refills evenly, so no boundary exists around which twice as much fits.
 */
export interface LimitRule {
  /** Units that come back each period. Integer, 1 to 1,000,000,000. */
  readonly limit: number;
  /** 1 ms to 366 days; default one minute. */
  readonly periodMs?: number;
  /** Most at once, after a pause. Integer, 1 to 1,000,000,000. Give this or `burstMultiplier`, not both. */
  readonly burst?: number;
  /** The burst as a multiple of `limit`, rounded down, at least 1. Above 0, up to 1,000; default 2. */
  readonly burstMultiplier?: number;
}

/** A rule, checked and ready to charge. */
export interface Limit {
  /** As clients and metrics see it. */
  readonly name: string;
  readonly capacity: number;
  readonly limit: number;
  readonly periodMs: number;
  /** The cell for a cost of 1. */
  readonly cell: LimitCell;
  /** What response headers say of it that is the same for each request. */
  readonly texts: LimitTexts;
}

/** Names of the limits that stand around every request; no operation may have one of them. */
export const STACK_NAMES: ReadonlySet<string> = new Set(["floor", "unauthenticated", "authenticated"]);

const DEFAULTS = Object.freeze({ periodMs: 60_000, burstMultiplier: 2 });
const MOST_UNITS = 1_000_000_000;
const MOST_PERIOD_MS = 366 * 86_400_000;

/**
 * Starting points, per minute: subscription tiers, one subject without a tier, and one IP address.
 * A floor must stand above the highest tier in use, so it has no preset.
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
});

/**
 * Checks a rule.
 *
 * @param option Its path in the options, for the message.
 * @param cellId Names its state within a subject.
 * @throws {ConfigurationError} `invalid_option`
 */
export function readLimit(option: string, rule: LimitRule, name: string, cellId: string): Limit {
  if (typeof rule !== "object" || rule === null) throw invalidOption(option, rule, "a limit, e.g. { limit: 60 }");
  const { limit, periodMs = DEFAULTS.periodMs, burst, burstMultiplier } = rule;
  if (!isUnits(limit)) throw invalidOption(`${option}.limit`, limit, `an integer of 1 to ${MOST_UNITS}`);
  if (!isWithin(periodMs, 1, MOST_PERIOD_MS)) throw invalidOption(`${option}.periodMs`, periodMs, "1 ms to 366 days, in ms");
  if (burst !== undefined && burstMultiplier !== undefined) {
    throw invalidOption(`${option}.burstMultiplier`, burstMultiplier, "absent where burst is given");
  }
  if (burst !== undefined && !isUnits(burst)) throw invalidOption(`${option}.burst`, burst, `an integer of 1 to ${MOST_UNITS}`);
  const multiplier = burstMultiplier ?? DEFAULTS.burstMultiplier;
  if (!isWithin(multiplier, Number.MIN_VALUE, 1_000)) throw invalidOption(`${option}.burstMultiplier`, multiplier, "above 0, up to 1000");
  const capacity = burst ?? Math.max(1, Math.floor(limit * multiplier));
  const cell = Object.freeze({ id: cellId, capacity, intervalMs: periodMs / limit, cost: 1 });
  return Object.freeze({ name, capacity, limit, periodMs, cell, texts: limitTexts(name, cell) });
}

/** Whether `upper` never refuses what `lower` would allow: neither in capacity nor in rate, whatever their periods. */
export function dominates(upper: Limit, lower: Limit): boolean {
  // limit / periodMs on both sides, without dividing: 500 a minute against 10 a second compares exactly.
  return upper.capacity >= lower.capacity && upper.limit * lower.periodMs >= lower.limit * upper.periodMs;
}

function isWithin(value: unknown, least: number, most: number): boolean {
  return typeof value === "number" && value >= least && value <= most;
}

function isUnits(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST_UNITS; // isInteger: it is a number
}
