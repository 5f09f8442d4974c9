import { invalidInput } from "./errors.js";
import { type FieldPath, toPointer } from "./field-path.js";

/** Where a visited value stands: as it is, and as the path that named it (list indexes as `*`). */
export interface FieldPlace {
  readonly pointer: string;
  readonly pattern: string;
}

/** Leaves a field out. */
export const OMIT: unique symbol = Symbol("omit");

/**
 * A copy of the record with every named value replaced. The record is not touched, what no path leads through is shared, and
 * a path that leads nowhere creates nothing.
 *
 * @param replace Asked for each value that is there and not undefined; {@link OMIT} leaves it out (in a list: undefined).
 */
export function mapFields(
  record: object,
  paths: readonly FieldPath[],
  replace: (value: unknown, place: FieldPlace) => unknown,
): Record<string, unknown> {
  const fresh = new Set<object>();
  const root = copyOf(record, "", fresh);
  for (const { segments, pointer } of paths) {
    descend(root, segments, 0, [], { fresh, replace, pattern: pointer });
  }
  return root as Record<string, unknown>; // copyOf() of a record that is no list
}

const LIST_INDEX = /^(?:0|[1-9]\d*)$/;

interface Walk {
  /** The copies made so far. By place, not by original: an object that stands at two places is two values, each bound to its own. */
  readonly fresh: Set<object>;
  readonly replace: (value: unknown, place: FieldPlace) => unknown;
  readonly pattern: string;
}

function descend(container: object, segments: readonly string[], depth: number, walked: readonly string[], walk: Walk): void {
  const segment = segments[depth];
  if (segment === undefined) return;
  for (const name of namesOf(container, segment)) {
    if (!Object.hasOwn(container, name)) continue;
    const value: unknown = Reflect.get(container, name);
    const path = [...walked, name];
    if (depth === segments.length - 1) {
      if (value !== undefined) put(container, name, walk.replace(value, { pointer: toPointer(path), pattern: walk.pattern }));
    } else if (typeof value === "object" && value !== null) {
      const child = copyOf(value, toPointer(path), walk.fresh);
      put(container, name, child);
      descend(child, segments, depth + 1, path, walk);
    }
  }
}

function namesOf(container: object, segment: string): readonly string[] {
  if (!Array.isArray(container)) return [segment];
  if (segment === "*") return Array.from(container.keys(), String);
  return LIST_INDEX.test(segment) ? [segment] : []; // never "length"
}

function put(container: object, name: string, value: unknown): void {
  if (value !== OMIT) Reflect.set(container, name, value);
  else if (Array.isArray(container)) Reflect.set(container, name, undefined);
  else Reflect.deleteProperty(container, name);
}

function copyOf(original: object, pointer: string, fresh: Set<object>): object {
  if (fresh.has(original)) return original;
  const isList = Array.isArray(original);
  const prototype: unknown = Object.getPrototypeOf(original);
  if (!isList && prototype !== Object.prototype && prototype !== null) {
    throw invalidInput(`The record${pointer === "" ? "" : ` at ${pointer}`} is an instance of a class; pass a plain object.`);
  }
  const copy: object = isList ? [...(original as readonly unknown[])] : { ...original };
  fresh.add(copy);
  return copy;
}
