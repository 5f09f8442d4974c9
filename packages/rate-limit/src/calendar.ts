import { invalidOption } from "@portcullis/core";

/** A period of the calendar: days begin at midnight, weeks on Monday, months on the first. */
export type CalendarPeriod = "day" | "week" | "month";

/** What each is worth on average, to compare rates. */
export const CALENDAR_MS: Readonly<Record<CalendarPeriod, number>> = Object.freeze({
  day: 86_400_000,
  week: 7 * 86_400_000,
  month: (365.2425 / 12) * 86_400_000,
});

/** Periods on each side of the present one: callers whose clocks are off by less than one agree with a store about its period. */
const NEIGHBOURS = 1;

/** Where the periods of a calendar begin. */
export interface Calendar {
  readonly period: CalendarPeriod;
  readonly timeZone: string;
  /** Beginnings of the period before, the present one and the next two, epoch ms. Valid while now is in the present one. */
  boundariesAt(now: number): readonly number[];
}

/**
 * A calendar in a time zone, as the zone's own rules have it: a day of a change to summer time has 23 hours.
 *
 * @param timeZone Of the IANA database, e.g. `Europe/Berlin`; `UTC`.
 * @throws {ConfigurationError} `invalid_option`: no such zone.
 */
export function createCalendar(option: string, period: CalendarPeriod, timeZone: string): Calendar {
  const format = formatOf(option, timeZone);
  const startOf = (steps: number, from: CivilDate): number => instantOf(format, begin(period, from, steps));
  return Object.freeze({
    period,
    timeZone,
    boundariesAt(now: number): readonly number[] {
      const today = civilDate(format, now);
      const start = startOf(0, today);
      const before = beginnings(NEIGHBOURS, start, (step) => startOf(-step, today));
      const after = beginnings(NEIGHBOURS + 1, start, (step) => startOf(step, today));
      return Object.freeze([...before.toReversed(), start, ...after]);
    },
  });
}

// So many, one after the other. A day that the zone left out begins when the next one does (Samoa had no 30 December 2011): it is none.
function beginnings(count: number, start: number, at: (step: number) => number): readonly number[] {
  const found: number[] = [];
  for (let step = 1; found.length < count; step += 1) {
    const beginning = at(step);
    if (beginning !== (found.at(-1) ?? start)) found.push(beginning);
  }
  return found;
}

interface CivilDate {
  readonly year: number;
  /** 1 to 12; beyond, another year's. */
  readonly month: number;
  /** 1 to 31; beyond, another month's. */
  readonly day: number;
}

/** The first day of the period around a date, so many periods later. */
function begin(period: CalendarPeriod, { year, month, day }: CivilDate, steps: number): CivilDate {
  if (period === "month") return { year, month: month + steps, day: 1 };
  if (period === "day") return { year, month, day: day + steps };
  const weekday = (new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 6) % 7;
  return { year, month, day: day - weekday + 7 * steps };
}

/** The instant at which a day begins in the zone: midnight, or what comes after it where the clocks skip midnight. */
function instantOf(format: Intl.DateTimeFormat, { year, month, day }: CivilDate): number {
  const asUtc = Date.UTC(year, month - 1, day);
  // The zone's offset there is found from the offset nearby; a second look corrects it where it changes that day.
  const first = asUtc - offsetAt(format, asUtc);
  const second = asUtc - offsetAt(format, first);
  // Of two candidates around a change, midnight is the later one that is not past the day's beginning.
  const wanted = civilDay(asUtc);
  for (const candidate of [Math.min(first, second), Math.max(first, second)]) {
    if (civilDay(localMs(format, candidate)) >= wanted && civilDay(localMs(format, candidate - 1)) < wanted) return candidate;
  }
  return second;
}

const civilDay = (localTime: number): number => Math.floor(localTime / 86_400_000);

function civilDate(format: Intl.DateTimeFormat, instant: number): CivilDate {
  const local = new Date(localMs(format, instant));
  return { year: local.getUTCFullYear(), month: local.getUTCMonth() + 1, day: local.getUTCDate() };
}

function offsetAt(format: Intl.DateTimeFormat, instant: number): number {
  return localMs(format, instant) - instant;
}

/** The zone's wall time at an instant, as if it were UTC. */
function localMs(format: Intl.DateTimeFormat, instant: number): number {
  const seconds = Math.floor(instant / 1000) * 1000;
  const parts: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
  for (const { type, value } of format.formatToParts(seconds)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) + (instant - seconds);
}

function formatOf(option: string, timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat("en-US-u-ca-gregory-nu-latn-hc-h23", {
      timeZone,
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch {
    throw invalidOption(option, timeZone, "a time zone of the IANA database, e.g. Europe/Berlin");
  }
}
