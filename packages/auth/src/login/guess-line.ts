import type { Clock } from "@portcullis/core";
import type { Lockout, Locked } from "./lockout.js";

/** What came of a guess. */
export interface Guess<T> {
  readonly isRight: boolean;
  readonly value: T;
}

/**
 * Runs guesses within a {@link Lockout}. Where all attempts are taken by others that are being computed, a guess waits for them to
 * end: twenty parallel logins with the right password all succeed, and of twenty wrong ones no more are computed than may fail.
 *
 * How many wait is bounded by the caller. Others of this process wake who waits; for those of other processes it looks again, for a
 * second at most.
 */
export interface GuessLine {
  /** @param check Runs when there is an attempt; what it throws is passed on, and the attempt stays used. */
  run<T>(identifierHash: string, check: () => Promise<Guess<T>>): Promise<Locked | { readonly kind: "checked"; readonly value: T }>;
}

interface Line {
  /** Reserving or computing; those that wait are not. */
  active: number;
  successes: number;
  readonly waiting: ((why: Wake) => void)[];
}

/** A success has freed attempts; or there is nobody left who could. */
type Wake = "freed" | "alone";

// A success frees all attempts. The line takes few of them, and grows with each, so that other processes find some.
const WOKEN_BY_SUCCESS = 2;
const LOOKS = 10;
const LOOK_AGAIN_MS = 100;

export function createGuessLine(lockout: Lockout, clock: Clock): GuessLine {
  const lines = new Map<string, Line>();

  function enter(hash: string): Line {
    const line = lines.get(hash) ?? { active: 0, successes: 0, waiting: [] };
    lines.set(hash, line);
    line.active += 1;
    return line;
  }

  function wake(line: Line, atMost: number, why: Wake): void {
    for (const next of line.waiting.splice(0, atMost)) {
      line.active += 1;
      next(why);
    }
  }

  function leave(hash: string, line: Line): void {
    line.active -= 1;
    if (line.active > 0) return;
    // Nobody is left who could tell them that an attempt is free: they look for themselves.
    if (line.waiting.length > 0) wake(line, line.waiting.length, "alone");
    else lines.delete(hash);
  }

  return Object.freeze({
    async run<T>(hash: string, check: () => Promise<Guess<T>>): Promise<Locked | { readonly kind: "checked"; readonly value: T }> {
      const line = enter(hash);
      try {
        let attempt = await lockout.reserve(hash);
        let looksLeft = LOOKS;
        while (attempt.kind === "locked" && attempt.isBusy && looksLeft > 0) {
          if (line.active > 1) {
            line.active -= 1;
            // One of a line looks for all of it: who is woken because that one gave up looks once.
            if ((await new Promise<Wake>((resolve) => line.waiting.push(resolve))) === "alone") looksLeft = 0;
          } else {
            looksLeft -= 1;
            await new Promise<void>((resolve) => clock.after(LOOK_AGAIN_MS, resolve));
          }
          attempt = await lockout.reserve(hash);
        }
        if (attempt.kind === "locked") return attempt;
        const { successes } = line;
        const { isRight, value } = await check();
        if (isRight) {
          await lockout.succeeded(hash);
          line.successes += 1;
          wake(line, WOKEN_BY_SUCCESS, "freed");
        } else if (line.successes === successes) {
          await lockout.failed(hash, attempt);
        }
        // Else a success has reset the count since: this failure is among those that it forgave, and locks nobody.
        return { kind: "checked", value };
      } finally {
        leave(hash, line);
      }
    },
  });
}
