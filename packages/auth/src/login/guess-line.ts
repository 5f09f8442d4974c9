import type { Lockout, Locked } from "./lockout.js";

/** What came of a guess. */
export interface Guess<T> {
  readonly isRight: boolean;
  readonly value: T;
}

/**
 * Runs guesses within a {@link Lockout}. Where all attempts are taken by others of this process, a guess waits for them to end: twenty
 * parallel logins with the right password all succeed, and of twenty wrong ones no more are computed than may fail.
 *
 * How many wait is bounded by the caller. What other processes compute is not waited for.
 */
export interface GuessLine {
  /** @param check Runs when there is an attempt; what it throws is passed on, and the attempt stays used. */
  run<T>(identifierHash: string, check: () => Promise<Guess<T>>): Promise<Locked | { readonly kind: "checked"; readonly value: T }>;
}

interface Line {
  /** Reserving or computing; those that wait are not. */
  active: number;
  successes: number;
  readonly waiting: (() => void)[];
}

/** @param threshold How many may try when a success has freed all attempts. */
export function createGuessLine(lockout: Lockout, threshold: number): GuessLine {
  const lines = new Map<string, Line>();

  function enter(hash: string): Line {
    const line = lines.get(hash) ?? { active: 0, successes: 0, waiting: [] };
    lines.set(hash, line);
    line.active += 1;
    return line;
  }

  function wake(line: Line, atMost: number): void {
    for (const next of line.waiting.splice(0, atMost)) {
      line.active += 1;
      next();
    }
  }

  function leave(hash: string, line: Line): void {
    line.active -= 1;
    if (line.active > 0) return;
    // Nobody is left who could tell them that an attempt is free: they look for themselves.
    if (line.waiting.length > 0) wake(line, line.waiting.length);
    else lines.delete(hash);
  }

  return Object.freeze({
    async run<T>(hash: string, check: () => Promise<Guess<T>>): Promise<Locked | { readonly kind: "checked"; readonly value: T }> {
      const line = enter(hash);
      try {
        let attempt = await lockout.reserve(hash);
        while (attempt.kind === "locked" && attempt.isBusy && line.active > 1) {
          line.active -= 1;
          await new Promise<void>((resolve) => line.waiting.push(resolve));
          attempt = await lockout.reserve(hash);
        }
        if (attempt.kind === "locked") return attempt;
        const { successes } = line;
        const { isRight, value } = await check();
        if (isRight) {
          await lockout.succeeded(hash);
          line.successes += 1;
          wake(line, threshold);
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
