import { ConfigurationError } from "../problem/errors.js";

/** Names one fact and carries its type. Identity is the object: two keys with the same name are different facts. */
export interface FactKey<T> {
  readonly name: string;
  /** Never present at run time: it ties the key to the fact's type. */
  readonly __fact?: T;
}

/**
 * Makes the key of a fact. Call once, at module level, and export the key.
 *
 * @example
 * ```ts
 * import { createFactKey } from "@portcullis/core";
 *
 * export const localeFact = createFactKey<string>("locale");
 * ```
 */
export function createFactKey<T>(name: string): FactKey<T> {
  return Object.freeze({ name });
}

/** What the guards of one request learned: each fact is set once, by its owner, and never changes. */
export interface Facts {
  get<T>(key: FactKey<T>): T | undefined;
  /** @throws {ConfigurationError} The fact is set already (a guard is mounted twice); the first value stays. */
  set<T>(key: FactKey<T>, value: T): void;
}

/** A fresh, empty set of facts: one for each request. */
export function createFacts(): Facts {
  return new RequestFacts();
}

// A request carries a handful of facts: following a short chain beats a Map in time and in memory.
class RequestFacts implements Facts {
  #latest: Fact | undefined;

  get<T>(key: FactKey<T>): T | undefined {
    for (let fact = this.#latest; fact !== undefined; fact = fact.earlier) {
      // The only writer of this fact is set(), which took a T for this very key.
      if (fact.key === key) return fact.value as T;
    }
    return undefined;
  }

  set<T>(key: FactKey<T>, value: T): void {
    for (let fact = this.#latest; fact !== undefined; fact = fact.earlier) {
      if (fact.key !== key) continue;
      throw new ConfigurationError(
        "fact_set_twice",
        `The fact "${key.name}" was set before on this request. Mount the guard that sets it once.`,
      );
    }
    this.#latest = { key, value, earlier: this.#latest };
  }
}

interface Fact {
  readonly key: FactKey<unknown>;
  readonly value: unknown;
  readonly earlier: Fact | undefined;
}
