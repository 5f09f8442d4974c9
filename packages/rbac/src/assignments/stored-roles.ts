import type { Clock, MaybePromise, StoreWith } from "@portcullis/core";
import type { RoleDefinition } from "../policy/compile-roles.js";
import type { AnyRbac } from "../policy/rbac.js";

/** Role definitions by name, as `defineRbac` takes them. */
export interface RoleDefinitions {
  readonly [name: string]: RoleDefinition;
}

/**
 * Keeps a policy's roles as the store has them. Every process that shares the store comes to the same policy version: the one that
 * the policy was defined with, and one more for each revision.
 */
export class StoredRoles {
  readonly #firstVersion: number;
  #revision = 0;
  /** Monotonic ms when the last read began; `undefined` before the first. */
  #readAt: number | undefined;
  #reading: { readonly startedAt: number; readonly promise: Promise<void> } | undefined;

  constructor(
    private readonly rbac: AnyRbac,
    private readonly store: StoreWith<"grants">,
    private readonly name: string,
    private readonly clock: Clock,
    private readonly maxStalenessMs: number,
  ) {
    this.#firstVersion = rbac.policyVersion;
  }

  /** Of the roles in force; 0 while the store has none. */
  get revision(): number {
    return this.#revision;
  }

  /** Puts the store's roles in force unless that was looked at recently; nothing to wait for where it was. */
  refresh(): MaybePromise<void> {
    const now = this.clock.monotonic();
    if (this.#readAt !== undefined && now - this.#readAt < this.maxStalenessMs) return undefined;
    // A read that has been under way for longer may have seen what is too old by now.
    if (this.#reading !== undefined && now - this.#reading.startedAt < this.maxStalenessMs) return this.#reading.promise;
    const reading = {
      startedAt: now,
      promise: this.reload().finally(() => {
        if (this.#reading === reading) this.#reading = undefined;
      }),
    };
    this.#reading = reading;
    return reading.promise;
  }

  /** Reads them now. */
  async reload(): Promise<void> {
    const startedAt = this.clock.monotonic();
    const stored = await this.store.grants.readPolicy(this.name);
    // A read that began earlier may end later.
    if (stored !== undefined) this.#apply(stored.revision, JSON.parse(stored.value) as RoleDefinitions); // written by `write`
    this.#readAt = Math.max(this.#readAt ?? startedAt, startedAt);
  }

  /** @returns whether it was written; not so if the revision is another one by now. */
  async write(roles: RoleDefinitions, expectedRevision: number): Promise<boolean> {
    try {
      const revision = await this.store.grants.writePolicy(this.name, expectedRevision, JSON.stringify(roles));
      if (revision === undefined) return false;
      this.#apply(revision, roles);
      return true;
    } catch (error) {
      // It may have been written: whoever asks next looks.
      this.#readAt = undefined;
      throw error;
    }
  }

  #apply(revision: number, roles: RoleDefinitions): void {
    if (revision <= this.#revision) return;
    // A newer release of the program may know permissions that this one does not: without them its roles give less, never more.
    this.rbac.replaceRoles(roles, { policyVersion: this.#firstVersion + revision, unknownGrants: "ignore" });
    this.#revision = revision;
  }
}
