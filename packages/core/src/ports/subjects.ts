import type { MaybePromise } from "../guard/guard.js";

/** What a credential of a subject must agree with. A subject never written has the defaults 1, 1, 1, false. */
export interface SubjectState {
  /** Tokens with a lower version are revoked. */
  readonly tokenVersion: number;
  /** Tokens issued under another password version are revoked. */
  readonly passwordVersion: number;
  /** Access tokens issued under another claims version say what is no longer so: they must be refreshed, the session goes on. */
  readonly claimsVersion: number;
  readonly disabled: boolean;
}

/** One of the numbers of a {@link SubjectState}. */
export type SubjectVersion = "tokenVersion" | "passwordVersion" | "claimsVersion";

/** The revocation state of each user or service; read on every request, so kept small and separate from the profile. */
export interface Subjects {
  read(subjectId: string): MaybePromise<SubjectState>;
  /** Adds one, atomically: two parallel calls add two. @returns the state after it. */
  bump(subjectId: string, version: SubjectVersion): MaybePromise<SubjectState>;
  setDisabled(subjectId: string, disabled: boolean): MaybePromise<SubjectState>;
}
