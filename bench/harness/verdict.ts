import { hundredths } from "./statistics.js";

/** A bar, and what was measured against it. */
export interface Verdict {
  readonly question: string;
  readonly bar: string;
  readonly measured: number;
  readonly holds: boolean;
}

export function atLeast(question: string, measured: number, bar: number): Verdict {
  return { question, bar: `>= ${bar}`, measured: hundredths(measured), holds: measured >= bar };
}

export function atMost(question: string, measured: number, bar: number): Verdict {
  return { question, bar: `<= ${bar}`, measured: hundredths(measured), holds: measured <= bar };
}

export function verdictTable(verdicts: readonly Verdict[]): readonly string[] {
  return [
    "| question | bar | measured | |",
    "| --- | ---: | ---: | --- |",
    ...verdicts.map(
      ({ question, bar, measured, holds }) => `| ${question} | ${bar} | ${measured.toFixed(2)} | ${holds ? "holds" : "**fails**"} |`,
    ),
  ];
}
