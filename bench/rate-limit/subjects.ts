// Who asks.
import { createRandomBelow } from "../harness/random-below.js";

/** Ids as they come from a token or a database: flat strings, none of them a piece of another. */
export function subjectsOf(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => subjectAt(index));
}

/** Eleven characters, for any index below a million. */
export function subjectAt(index: number): string {
  return Buffer.from(`user-${String(index).padStart(6, "0")}`).toString("latin1");
}

/** How many visits are made before they repeat: a power of two, for a mask. */
export const VISITS = 2 ** 17;

/** The subjects in an order without pattern. */
export function visitsOf(subjects: readonly string[]): readonly string[] {
  const below = createRandomBelow();
  return Array.from({ length: VISITS }, () => subjects[below(subjects.length)] as string); // below the length
}
