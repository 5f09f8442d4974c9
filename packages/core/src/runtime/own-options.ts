import { ConfigurationError, invalidOption } from "../problem/errors.js";

/**
 * A property of the object itself. What it would inherit is ignored: an application whose `Object.prototype` was polluted
 * (CWE-1321) must not read rights from it.
 */
export function own(value: object, name: string): unknown {
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined; // an own property of an object
}

/**
 * Whether a value has the property from its class. Such a one is not read either, but it must not be overlooked where absence
 * means more rights; `Object.prototype` is nobody's class.
 */
export function hasFromClass(value: object, name: string): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null || prototype === Object.prototype) return false;
  return Object.hasOwn(prototype, name) || hasFromClass(prototype, name);
}

/**
 * Copies the options that are known, each only if it is the object's own.
 *
 * @throws {ConfigurationError} `invalid_option`: not an object, or with a name nobody reads (a typing error would leave a guard open).
 */
export function ownOptions<T extends object>(where: string, options: T, names: readonly (keyof T & string)[]): Partial<T> {
  if (typeof options !== "object" || options === null) throw invalidOption(where, options, "an object");
  for (const name of Object.keys(options)) {
    if (!(names as readonly string[]).includes(name)) {
      throw new ConfigurationError("invalid_option", `${where} has no option "${name.slice(0, 64)}"; it takes ${names.join(", ")}.`);
    }
  }
  // Null prototype: reading an absent option cannot reach Object.prototype.
  const copy: Partial<T> = Object.create(null) as Partial<T>;
  for (const name of names) if (Object.hasOwn(options, name)) copy[name] = options[name];
  return copy;
}
