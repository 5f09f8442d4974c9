import { invalidInput } from "./errors.js";

/** A value that a binding may hold. Compared by type: `42` is not `"42"`, but `42` is `42n`. */
export type BindingValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | readonly BindingValue[]
  | { readonly [name: string]: BindingValue };

/** Where a record lives. A value encrypted for one place does not open at another. */
export interface RecordBinding {
  /** Whose record it is, where the application has tenants. */
  readonly tenant?: string | undefined;
  /** The table or collection. */
  readonly table: string;
  /** The record's id; choose it before encrypting (an id that the database assigns later cannot be bound). */
  readonly recordId?: string | number | bigint | undefined;
  /** Further facts that must be the same when the value is read, e.g. `{ revision: 7 }`. The order of names does not matter. */
  readonly context?: { readonly [name: string]: BindingValue } | undefined;
}

/** Where one value lives. */
export interface ValueBinding extends RecordBinding {
  /** RFC 6901 pointer of the field within its record; the record as a whole (`""`) unless given. */
  readonly field?: string | undefined;
}

/** What an envelope was made by; an envelope of one purpose does not open for another. */
export type Purpose = "value" | "field";

const TYPE = Object.freeze({ absent: 0, null: 1, boolean: 2, integer: 3, string: 4, list: 5, map: 6 });
const MAX_DEPTH = 16;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * The associated data of one record, all but the header and the field; made once per record.
 *
 * Each item is its type, its length and its bytes, so that no two different bindings give the same bytes: joining with a
 * separator, or JSON without types, makes `["ab","c"]` and `["a","bc"]` interchangeable.
 */
export class AssociatedData {
  readonly #before: Buffer;
  readonly #after: Buffer;

  constructor(namespace: string, binding: RecordBinding, purpose: Purpose) {
    const { tenant, table, recordId, context } = binding;
    if (typeof table !== "string" || table === "") throw invalidInput("The binding needs a table: the name of the table or collection.");
    if (tenant !== undefined && typeof tenant !== "string") throw invalidInput("The binding's tenant must be a string.");
    if (recordId !== undefined && !["string", "number", "bigint"].includes(typeof recordId)) {
      throw invalidInput("The binding's recordId must be a string, an integer or a bigint.");
    }
    this.#before = Buffer.concat([item(namespace, "namespace"), item(tenant, "tenant"), item(table, "table"), item(recordId, "recordId")]);
    this.#after = Buffer.concat([item(purpose, "purpose"), item(context, "context")]);
  }

  /** The whole of it for one envelope. */
  of(header: Uint8Array, field: string): Buffer {
    return Buffer.concat([header, this.#before, item(field, "field"), this.#after]);
  }
}

function item(value: BindingValue, where: string, depth = 0): Buffer {
  if (depth > MAX_DEPTH) throw invalidInput(`The binding's ${where} is nested deeper than ${MAX_DEPTH}.`);
  if (value === undefined) return framed(TYPE.absent, Buffer.alloc(0));
  if (value === null) return framed(TYPE.null, Buffer.alloc(0));
  switch (typeof value) {
    case "string":
      // UTF-8 would turn every lone surrogate into U+FFFD, and two different ids into one.
      if (LONE_SURROGATE.test(value)) throw invalidInput(`The binding's ${where} is not well-formed Unicode.`);
      return framed(TYPE.string, Buffer.from(value));
    case "number":
      if (!Number.isSafeInteger(value)) throw invalidInput(`The binding's ${where} is not a safe integer; pass larger ones as bigint.`);
      return framed(TYPE.integer, Buffer.from(String(value)));
    case "bigint":
      return framed(TYPE.integer, Buffer.from(String(value)));
    case "boolean":
      return framed(TYPE.boolean, Buffer.of(value ? 1 : 0));
    case "object":
      return isList(value) ? list(value, where, depth) : map(value, where, depth);
    default:
      throw invalidInput(`The binding's ${where} holds a ${typeof value}.`);
  }
}

function isList(value: object): value is readonly BindingValue[] {
  return Array.isArray(value);
}

function list(values: readonly BindingValue[], where: string, depth: number): Buffer {
  return framed(TYPE.list, Buffer.concat(Array.from(values, (value) => item(value, where, depth + 1))));
}

function map(values: { readonly [name: string]: BindingValue }, where: string, depth: number): Buffer {
  const prototype: unknown = Object.getPrototypeOf(values);
  if (prototype !== Object.prototype && prototype !== null) throw invalidInput(`The binding's ${where} holds an object that is not plain.`);
  const pairs = Object.entries(values).map(([name, value]) => [item(name, where, depth), item(value, where, depth + 1)] as const);
  pairs.sort(([a], [b]) => Buffer.compare(a, b));
  return framed(TYPE.map, Buffer.concat(pairs.flat()));
}

function framed(type: number, bytes: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(5 + bytes.length);
  frame[0] = type;
  frame.writeUInt32BE(bytes.length, 1);
  bytes.copy(frame, 5);
  return frame;
}
