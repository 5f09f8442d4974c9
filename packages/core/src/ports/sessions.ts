import type { MaybePromise } from "../guard/guard.js";

/** A login: the family of refresh tokens that descend from it. */
export interface SessionRecord {
  readonly id: string;
  readonly subjectId: string;
  /** Hash of the id of the one refresh token that may be redeemed next. */
  readonly refreshHash: string;
  /** Epoch ms, store time. */
  readonly createdAt: number;
  readonly lastUsedAt: number;
  /** Absolute end: no refresh extends it. */
  readonly expiresAt: number;
  /** What the application shows of it (user agent, ip), JSON. */
  readonly data: string;
}

/** Sessions with rotation by compare-and-set and a cap that holds under parallel logins. Expired sessions are never returned. */
export interface Sessions {
  /**
   * Stores a session; with a cap, the oldest ones of the subject go first, in the same step.
   *
   * @param cap Most sessions of the subject afterwards; 0 means no cap.
   * @returns the ids evicted.
   */
  create(
    session: {
      readonly id: string;
      readonly subjectId: string;
      readonly refreshHash: string;
      readonly ttlMs: number;
      readonly data: string;
    },
    cap: number,
  ): MaybePromise<readonly string[]>;
  find(id: string): MaybePromise<SessionRecord | undefined>;
  /** Exchanges the refresh hash if it is still `expectedHash`; exactly one of many callers gets `true`. */
  rotate(id: string, expectedHash: string, nextHash: string): MaybePromise<boolean>;
  /** Newest first. */
  list(subjectId: string): MaybePromise<readonly SessionRecord[]>;
  /** Ends one session of the subject, or all of them without an id. @returns how many ended. */
  revoke(subjectId: string, id?: string): MaybePromise<number>;
}
