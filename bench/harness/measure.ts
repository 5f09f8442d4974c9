// CPU time of this process, in short turns of all that is compared.
import { hundredths, median, quantile, rotate } from "./statistics.js";

/** One that is measured. */
export interface Variant {
  readonly name: string;
  /** Makes so many decisions and looks at each. @returns How many of them were "yes". */
  turn(count: number): number | Promise<number>;
  /** How large a part of a turn's decisions must be "yes". Default: 1, all of them. */
  readonly yesShare?: number;
  /** Not measured: before each turn. */
  prepare?(): void | Promise<void>;
}

/** CPU nanoseconds of each turn, per decision. */
export interface Series {
  readonly name: string;
  readonly nanos: readonly number[];
}

/** How much is measured. */
export interface Extent {
  readonly rounds: number;
  /** In each turn: the same for all, so that nobody finds more of what it needs in the caches than the others do. */
  readonly decisions: number;
  /** CPU time that each variant gets before its first turn. */
  readonly warmUpMs: number;
}

/** The figure of one variant. */
export interface Figure {
  readonly name: string;
  /** Per decision: the median of the turns, and the middle half of them. */
  readonly nanos: number;
  readonly from: number;
  readonly to: number;
}

/** Measures all variants: every round gives each its turn, beginning with another one. */
export async function measure(variants: readonly Variant[], { rounds, decisions, warmUpMs }: Extent): Promise<readonly Series[]> {
  // Twice: the second time, everything that the variants share has seen all of them.
  for (const variant of [...variants, ...variants]) await warmUp(variant, decisions, warmUpMs / 2);
  const lanes = variants.map((variant) => ({ variant, nanos: [] as number[] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const { variant, nanos } of rotate(lanes, round)) nanos.push(await turnOf(variant, decisions));
  }
  return lanes.map(({ variant: { name }, nanos }) => ({ name, nanos }));
}

export function figureOf({ name, nanos }: Series): Figure {
  return { name, nanos: hundredths(median(nanos)), from: hundredths(quantile(nanos, 0.25)), to: hundredths(quantile(nanos, 0.75)) };
}

/** How often the one fits into the other: the median over the rounds, each compared with itself. */
export function ratioOf(series: readonly Series[], numerator: string, denominator: string): number {
  const over = seriesOf(series, denominator).nanos;
  return median(seriesOf(series, numerator).nanos.map((value, round) => value / (over[round] ?? Number.NaN)));
}

export function seriesOf<S extends { readonly name: string }>(series: readonly S[], name: string): S {
  const found = series.find((one) => one.name === name);
  if (found === undefined) throw new RangeError(`Nothing was measured under the name "${name}".`);
  return found;
}

async function warmUp(variant: Variant, decisions: number, warmUpMs: number): Promise<void> {
  for (let spentMs = 0; spentMs < warmUpMs;) spentMs += ((await turnOf(variant, decisions)) * decisions) / 1e6;
}

async function turnOf(variant: Variant, count: number): Promise<number> {
  await variant.prepare?.();
  const before = process.cpuUsage();
  const answer = variant.turn(count);
  const yes = typeof answer === "number" ? answer : await answer;
  const { user, system } = process.cpuUsage(before);
  const expected = count * (variant.yesShare ?? 1);
  if (yes !== expected) throw new Error(`${variant.name} said yes to ${yes} of ${count}, not to ${expected}.`);
  return ((user + system) * 1000) / count;
}
