import { DecisionCacheError } from "./errors.js";

/** A value and everything in it, unchangeable. */
export type Frozen<T> = T extends string | number | bigint | boolean | symbol | null | undefined
  ? T
  : { readonly [Name in keyof T]: Frozen<T[Name]> };

// Deeper than any honest decision, and the way out of an object that contains itself.
const MAX_DEPTH = 64;

/**
 * A frozen copy of plain data: what its maker does to the original, or a reader tries to do to the copy, changes no later answer.
 *
 * @throws {DecisionCacheError} `unsupported_value`: it holds something that cannot be frozen (a Map, a Date, bytes, a function).
 */
export function frozenCopy<T>(value: T): Frozen<T> {
  return copy(value, "value", 0) as Frozen<T>; // copy() keeps the shape
}

function copy(value: unknown, path: string, depth: number): unknown {
  if (typeof value === "function" || typeof value === "symbol") throw unsupported(path, `of type ${typeof value}`);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) throw unsupported(path, `nested more than ${MAX_DEPTH} levels deep`);
  if (Array.isArray(value)) return Object.freeze(value.map((item: unknown, index) => copy(item, `${path}[${index}]`, depth + 1)));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw unsupported(path, "an instance of a class");
  // fromEntries defines members; assigning one named __proto__ would set the prototype instead.
  return Object.freeze(
    Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copy(member, `${path}.${name}`, depth + 1)])),
  );
}

function unsupported(path: string, kind: string): DecisionCacheError {
  return new DecisionCacheError(
    "unsupported_value",
    `The decision's ${path} is ${kind}, which cannot be kept unchanged. Return plain data: primitives, arrays and plain objects.`,
  );
}
