import { invalidOption } from "@portcullis/core";
import { DecisionCacheError } from "./errors.js";

/** What a key may be made of: plain data. */
export type KeyValue = string | number | bigint | boolean | null | undefined | readonly KeyValue[] | { readonly [name: string]: KeyValue };

// Deeper than any honest question, and the way out of an object that contains itself.
const MAX_DEPTH = 32;

/**
 * Makes the function that encodes these fields as a key: different values give different keys, whatever they contain.
 *
 * Name everything the decision depends on: who asks, in which organisation, for what action on what resource, under what bounds of
 * the credential. A field that is missing here is a decision served to the wrong caller. Values are encoded with type and length
 * (`1` and `"1"`, `-0` and `0`, an absent member and an `undefined` one all differ), members of objects in any order. The
 * keys of two definitions with different fields never meet.
 *
 * @param fields At least one, each once.
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { defineKey } from "@portcullis/decision-cache";
 *
 * const routeKey = defineKey(["subjectId", "action", "task"]);
 * const key = routeKey({ subjectId: "ada", action: "route", task: { kind: "review", priority: 2 } });
 * console.log(key === routeKey({ task: { priority: 2, kind: "review" }, action: "route", subjectId: "ada" })); // true
 * ```
 */
export function defineKey<const Field extends string>(fields: readonly Field[]): (values: Readonly<Record<Field, KeyValue>>) => string {
  const names: readonly unknown[] = Array.isArray(fields) ? fields : [];
  if (names.length === 0 || !names.every((name) => typeof name === "string" && name !== "") || new Set(names).size !== names.length) {
    throw invalidOption("defineKey", fields, "an array of different, non-empty field names");
  }
  const declared = Object.freeze([...fields]);
  const prefix = encode([...declared], "fields", 0);
  return (values) => {
    let key = prefix;
    for (const field of declared) {
      // An inherited value (CWE-1321) or a forgotten one must not stand for the caller's.
      if (!Object.hasOwn(values, field))
        throw new DecisionCacheError("unsupported_key", `The key's field "${field}" is missing. Give it, if only as undefined.`);
      key += encode(values[field], field, 0);
    }
    return key;
  };
}

// Every form begins with its type and is of known length or ends with a character it cannot contain: no form is the beginning of another.
function encode(value: KeyValue, path: string, depth: number): string {
  switch (typeof value) {
    case "string":
      return `s${value.length}:${value}`;
    case "number":
      return Object.is(value, -0) ? "n-0;" : `n${value};`;
    case "bigint":
      return `i${value};`;
    case "boolean":
      return value ? "t" : "f";
    case "undefined":
      return "u";
    case "object":
      return value === null ? "0" : encodeObject(value, path, depth + 1);
    default:
      throw unsupported(path, `of type ${typeof value}`);
  }
}

function encodeObject(value: readonly KeyValue[] | { readonly [name: string]: KeyValue }, path: string, depth: number): string {
  if (depth > MAX_DEPTH) throw unsupported(path, `nested more than ${MAX_DEPTH} levels deep`);
  if (isList(value)) {
    let key = `[${value.length}:`;
    for (let index = 0; index < value.length; index += 1) {
      if (!Object.hasOwn(value, index)) throw unsupported(`${path}[${index}]`, "a hole in an array");
      key += encode(value[index], `${path}[${index}]`, depth);
    }
    return key;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw unsupported(path, "an instance of a class");
  if (Object.getOwnPropertySymbols(value).length > 0) throw unsupported(path, "an object with symbols");
  const names = Object.keys(value).sort();
  let key = `{${names.length}:`;
  for (const name of names) key += `${name.length}:${name}${encode(value[name], `${path}.${name}`, depth)}`;
  return key;
}

// Array.isArray does not narrow readonly arrays.
function isList(value: object): value is readonly KeyValue[] {
  return Array.isArray(value);
}

function unsupported(path: string, kind: string): DecisionCacheError {
  return new DecisionCacheError(
    "unsupported_key",
    `The key's field ${path} is ${kind}. Keys are made of strings, numbers, bigints, booleans, null, undefined, arrays and plain objects.`,
  );
}
