import type { MaybePromise } from "../guard/guard.js";

/** What a credential of a subject must agree with. A subject never written has the defaults 1, 1, false. */
export interface SubjectState {
  /** Tokens with a lower version are revoked. */
  readonly tokenVersion: number;
  /** Tokens issued under another password version are revoked. */
  readonly passwordVersion: number;
  readonly disabled: boolean;
}

/** The revocation state of each user or service; read on every request, so kept small and separate from the profile. */
export interface Subjects {
  read(subjectId: string): MaybePromise<SubjectState>;
  /** Adds one, atomically: two parallel calls add two. @returns the state after it. */
  bump(subjectId: string, version: "tokenVersion" | "passwordVersion"): MaybePromise<SubjectState>;
  setDisabled(subjectId: string, disabled: boolean): MaybePromise<SubjectState>;
}
