// What assignments-stores.test.ts asks of its processes, and what they answer.

/** Which of the races to run, and how often: in as many organisations, all at the same time. */
export interface RaceJob {
  readonly race: "demote" | "resign" | "apart" | "inTurn" | "first";
  readonly rounds: number;
}

/** Of each round why the change was refused, or that it was not. */
export type RaceResult = readonly string[];

/** A change that the process was told is made. */
export interface Churned {
  readonly subjectId: string;
  readonly epoch: number;
}

/** When, on the clock that all processes of the machine share, the last check that was allowed began. */
export interface Watched {
  readonly lastAllowedAtMs: number;
}

export const OWNERS = ["ada", "bob", "eve"] as const;
export const MAX_STALENESS_MS = 300;
