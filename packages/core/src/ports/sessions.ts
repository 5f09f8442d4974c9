import type { MaybePromise } from "../guard/guard.js";

/** A login: the family of refresh tokens that descend from it. Instants are epoch ms on the store's clock. */
export interface SessionRecord {
  readonly id: string;
  readonly subjectId: string;
  /** Hash of the id of the one refresh token that may be redeemed next. */
  readonly refreshHash: string;
  /** The hash that the last rotation replaced; `undefined` before the first. */
  readonly previousHash: string | undefined;
  readonly createdAt: number;
  /** Of the last rotation; `createdAt` before the first. */
  readonly rotatedAt: number;
  /** Of the last rotation or noted use. */
  readonly lastUsedAt: number;
  /** Absolute end: nothing extends it. */
  readonly expiresAt: number;
  /** Ms without use after which it ends; 0: it may lie idle. */
  readonly idleMs: number;
  /** When the store gave this answer: what the other instants are to be compared with. */
  readonly readAt: number;
  /** JSON of the auth package: how the user proved itself, what is shown of the device. */
  readonly data: string;
}

/** A session to be stored. */
export interface NewSession {
  readonly id: string;
  readonly subjectId: string;
  readonly refreshHash: string;
  readonly ttlMs: number;
  readonly idleMs: number;
  readonly data: string;
}

/** Most sessions of one subject, and what gives way when they are all taken. */
export interface SessionCap {
  /** 0: no cap. */
  readonly limit: number;
  readonly whenFull: "evict-oldest" | "refuse";
}

/**
 * Sessions with rotation by compare-and-set and a cap that holds under parallel logins. Ended ones are never returned nor
 * counted: with `now >= expiresAt`, or with `now >= lastUsedAt + idleMs`, a session is over.
 */
export interface Sessions {
  /**
   * Stores a session and makes room for it in the same step, or does nothing. An id that was there is replaced.
   *
   * @returns whether it was stored, and the ids that went for it, oldest first.
   */
  create(session: NewSession, cap: SessionCap): MaybePromise<{ readonly created: boolean; readonly evicted: readonly string[] }>;
  /**
   * @param noteUseAfterMs When given, notes the use in the same step if the last noted one is at least so long ago; the answer shows
   *   it. Without, nothing is written.
   */
  find(id: string, noteUseAfterMs?: number): MaybePromise<SessionRecord | undefined>;
  /**
   * Exchanges the refresh hash if it is still `expectedHash`; it becomes `previousHash`.
   *
   * @returns the session after it, to exactly one of many callers.
   */
  rotate(id: string, expectedHash: string, nextHash: string): MaybePromise<SessionRecord | undefined>;
  /** Newest first. */
  list(subjectId: string): MaybePromise<readonly SessionRecord[]>;
  /** Ends one session of the subject, all others than one, or all. @returns the ids that ended. */
  revoke(subjectId: string, which?: { readonly id: string } | { readonly except: string }): MaybePromise<readonly string[]>;
}
