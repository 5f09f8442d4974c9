import type { Subjects, SubjectState, SubjectVersion } from "../ports/subjects.js";

const DEFAULTS: SubjectState = Object.freeze({ tokenVersion: 1, passwordVersion: 1, claimsVersion: 1, disabled: false });

/** Revocation state in this process. Only subjects that were ever changed take space. */
export function createMemorySubjects(): Subjects {
  const states = new Map<string, SubjectState>();
  const read = (subjectId: string): SubjectState => states.get(subjectId) ?? DEFAULTS;
  const write = (subjectId: string, change: Partial<SubjectState>): SubjectState => {
    const state = Object.freeze({ ...read(subjectId), ...change });
    states.set(subjectId, state);
    return state;
  };
  return Object.freeze({
    read,
    bump: (subjectId: string, version: SubjectVersion): SubjectState => write(subjectId, { [version]: read(subjectId)[version] + 1 }),
    setDisabled: (subjectId: string, disabled: boolean): SubjectState => write(subjectId, { disabled }),
  });
}
