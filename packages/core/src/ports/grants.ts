import type { MaybePromise } from "../guard/guard.js";

/** A role that somebody holds. What it means is its owner's: rbac keeps roles, organisation roles and personas so. */
export interface HeldRole {
  /** Opaque; up to 512 bytes UTF-8. A subject holds it at most once in a scope: of one that is given twice the last counts. */
  readonly role: string;
  /** Whether its holder counts where the last one may not go. Not so: one that ends by itself, or that must be activated first. */
  readonly standing: boolean;
  /** JSON of its owner. */
  readonly value: string;
}

/** All that a subject holds in a scope. One never written is at epoch 0 and holds nothing. */
export interface SubjectGrants {
  /** One more with each write, whatever it wrote; never less. */
  readonly epoch: number;
  /** In the order written. */
  readonly held: readonly HeldRole[];
}

/** Somebody who holds a role. */
export interface RoleHolder {
  readonly subjectId: string;
  readonly standing: boolean;
  readonly value: string;
}

/** What the roles mean, as its owner last wrote it. */
export interface StoredPolicy {
  /** 1 after the first write, one more with each. */
  readonly revision: number;
  /** JSON of its owner. */
  readonly value: string;
}

/** How a write of `writeSubject` ended. */
export type GrantsWrite =
  | { readonly kind: "written"; readonly epoch: number }
  /** The epoch is this one and not the expected one: nothing was written. Goes before `last_holder`. */
  | { readonly kind: "changed_meanwhile"; readonly epoch: number }
  /** Nobody else holds this role with standing in the scope: nothing was written. Of several such roles, the first of `keep`. */
  | { readonly kind: "last_holder"; readonly role: string };

/**
 * Who holds which roles, and the policy that says what they mean.
 *
 * Atomic: of any number of concurrent writers at one epoch, or one revision, exactly one wins, and a read sees a write as a
 * whole or not at all. Scopes (e.g. ids of organisations), subjects and policies are any string of up to 512 bytes UTF-8, the
 * empty one included. Every subject ever written keeps its epoch, so that an old one never becomes current again.
 */
export interface Grants {
  /** `undefined` while never written. @throws {StoreUnavailable} */
  readPolicy(policy: string): MaybePromise<StoredPolicy | undefined>;
  /**
   * Replaces the policy of that name if its revision is still the expected one; exactly one of many callers wins.
   *
   * @param expectedRevision 0: never written.
   * @returns the new revision, or `undefined` when it changed meanwhile; nothing was written then.
   * @throws {StoreUnavailable} Whether it was written is not known: read it again.
   */
  writePolicy(policy: string, expectedRevision: number, value: string): MaybePromise<number | undefined>;
  /** What a subject holds in a scope. @throws {StoreUnavailable} */
  readSubject(scope: string, subjectId: string): MaybePromise<SubjectGrants>;
  /**
   * Replaces all that a subject holds in a scope, unless that takes the last standing holder from a role of `keep`.
   *
   * It is written if the epoch is still the expected one, and if each role of `keep` that the subject gives up (held with standing
   * before, not so after) is held with standing by somebody else in the scope. One step: of the last two holders that give
   * a role up at the same time, one is refused.
   *
   * @param expectedEpoch 0: never written.
   * @param held Empty: all is taken away, and the epoch grows as with every write.
   * @param keep Roles that may not lose their last standing holder by this write; any, whether the subject holds them or not.
   * @throws {StoreUnavailable} Whether it was written is not known: read it again.
   */
  writeSubject(
    scope: string,
    subjectId: string,
    expectedEpoch: number,
    held: readonly HeldRole[],
    keep: readonly string[],
  ): MaybePromise<GrantsWrite>;
  /**
   * Who holds a role in a scope, by subject id, ascending in the order of its UTF-8 bytes.
   *
   * @param page At most `limit`; `after` is the last id of the page before, and need not hold the role any more.
   * @throws {StoreUnavailable}
   */
  listHolders(scope: string, role: string, page: { readonly limit: number; readonly after?: string }): MaybePromise<readonly RoleHolder[]>;
}
