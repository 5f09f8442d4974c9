// Who asks.

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
  const visits: string[] = [];
  let state = 88_172_645;
  for (let index = 0; index < VISITS; index += 1) {
    // xorshift32: the same order in each run.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    visits.push(subjects[(state >>> 0) % subjects.length] as string); // below the length
  }
  return visits;
}
