import { types } from "node:util";
import type { JsonValue } from "@portcullis/core";
import { REDACTED, redactText } from "./redact-text.js";
import type { IsSecretName } from "./secret-names.js";

/** Bounds on one event. */
export interface EventBounds {
  readonly maxTextLength: number;
  /** All texts and names of the event together. */
  readonly maxTotalLength: number;
  readonly maxMembers: number;
  readonly maxDepth: number;
}

const MAX_POINTERS = 64;

/**
 * Makes anything into bounded JSON without secrets, and remembers where it redacted or cut. Never throws: what cannot be read
 * (a getter that throws, a revoked proxy) becomes a mark. `toJSON` is not asked: it may say something else than what is there.
 */
export class BoundedJson {
  readonly redacted: string[] = [];
  readonly truncated: string[] = [];
  #lengthLeft: number;
  #membersLeft: number;

  constructor(
    private readonly bounds: EventBounds,
    private readonly isSecretName: IsSecretName,
  ) {
    this.#lengthLeft = bounds.maxTotalLength;
    this.#membersLeft = bounds.maxMembers;
  }

  /** Any value. @param pointer Where it stands in the event. */
  value(value: unknown, pointer: string): JsonValue {
    return this.#value(value, pointer, 0, new Set());
  }

  /** A text, without its secrets, cut to the bounds. */
  text(value: string, pointer: string): string {
    const { maxTextLength } = this.bounds;
    // Twice the bound is looked at, so that what is redacted near the end is whole.
    const looked = value.length > 2 * maxTextLength ? value.slice(0, 2 * maxTextLength) : value;
    const redacted = this.#embeddedJson(looked, pointer) ?? redactText(looked, this.isSecretName);
    if (redacted !== looked) mark(this.redacted, pointer);
    const allowed = Math.max(0, Math.min(maxTextLength, this.#lengthLeft));
    this.#lengthLeft -= Math.min(redacted.length, allowed);
    if (redacted.length <= allowed && looked.length === value.length) return redacted;
    mark(this.truncated, pointer);
    return `${redacted.slice(0, allowed)}…`;
  }

  #value(value: unknown, pointer: string, depth: number, ancestors: Set<object>): JsonValue {
    switch (typeof value) {
      case "string":
        return this.text(value, pointer);
      case "number":
        return Number.isFinite(value) ? value : String(value);
      case "boolean":
        return value;
      case "bigint":
        return this.text(String(value), pointer);
      case "undefined":
        return null;
      case "symbol":
      case "function":
        return `[${typeof value}]`;
      case "object":
        return value === null ? null : this.#object(value, pointer, depth, ancestors);
    }
  }

  #object(value: object, pointer: string, depth: number, ancestors: Set<object>): JsonValue {
    if (ancestors.has(value)) return "[circular]";
    if (depth >= this.bounds.maxDepth || this.#membersLeft <= 0) {
      mark(this.truncated, pointer);
      return "[truncated]";
    }
    ancestors.add(value);
    try {
      return this.#members(value, pointer, depth, ancestors);
    } catch {
      mark(this.truncated, pointer);
      return "[unreadable]";
    } finally {
      ancestors.delete(value);
    }
  }

  #members(value: object, pointer: string, depth: number, ancestors: Set<object>): JsonValue {
    if (types.isProxy(value)) return "[proxy]";
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? "[invalid date]" : value.toISOString();
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
    if (value instanceof URL) return this.text(value.href, pointer);
    if (Array.isArray(value) || value instanceof Set) return this.#list(value, pointer, depth, ancestors);
    if (value instanceof Map) return this.#named(mapEntries(value), pointer, depth, ancestors);
    if (value instanceof Headers || value instanceof URLSearchParams) return this.#named(value.entries(), pointer, depth, ancestors);
    if (value instanceof Error) return this.#named(errorEntries(value), pointer, depth, ancestors);
    return this.#named(ownEntries(value), pointer, depth, ancestors);
  }

  #list(values: Iterable<unknown>, pointer: string, depth: number, ancestors: Set<object>): JsonValue {
    const list: JsonValue[] = [];
    for (const member of values) {
      if (!this.#takeMember(pointer)) break;
      list.push(this.#value(member, `${pointer}/${list.length}`, depth + 1, ancestors));
    }
    return list;
  }

  #named(entries: Iterable<readonly [string, unknown]>, pointer: string, depth: number, ancestors: Set<object>): JsonValue {
    const members: [string, JsonValue][] = [];
    for (const [name, member] of entries) {
      if (member === undefined) continue;
      if (!this.#takeMember(pointer)) break;
      const key = this.#name(name, pointer);
      const at = `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      const isSecret = this.isSecretName(name) && member !== null && typeof member !== "boolean";
      if (isSecret) mark(this.redacted, at);
      members.push([key, isSecret ? REDACTED : this.#value(member, at, depth + 1, ancestors)]);
    }
    // fromEntries defines: a name "__proto__" stays a name.
    return Object.fromEntries(members);
  }

  #name(name: string, pointer: string): string {
    const allowed = Math.max(0, Math.min(256, this.#lengthLeft));
    this.#lengthLeft -= Math.min(name.length, allowed);
    const redacted = redactText(name.slice(0, 256), this.isSecretName);
    if (name.length > allowed) mark(this.truncated, pointer);
    return redacted.slice(0, allowed);
  }

  #takeMember(pointer: string): boolean {
    if (this.#membersLeft <= 0) {
      mark(this.truncated, pointer);
      return false;
    }
    this.#membersLeft -= 1;
    return true;
  }

  /** JSON inside a text is redacted as what it is; `undefined` when the text is none, or holds no secret. */
  #embeddedJson(text: string, pointer: string): string | undefined {
    if (!/^\s*[[{]/.test(text)) return undefined;
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      return undefined;
    }
    const inner = new BoundedJson(this.bounds, this.isSecretName);
    const bounded = inner.value(parsed, pointer);
    return inner.redacted.length + inner.truncated.length === 0 ? text : JSON.stringify(bounded);
  }
}

function mark(pointers: string[], pointer: string): void {
  if (pointers.length < MAX_POINTERS && pointers.at(-1) !== pointer) pointers.push(pointer.slice(0, 512));
}

function* mapEntries(map: ReadonlyMap<unknown, unknown>): Iterable<readonly [string, unknown]> {
  for (const [name, value] of map) yield [typeof name === "string" ? name : `[${typeof name}]`, value];
}

function* errorEntries(error: Error): Iterable<readonly [string, unknown]> {
  yield ["name", error.name];
  yield ["message", error.message];
  for (const [name, value] of ownEntries(error)) if (name !== "stack" && name !== "name" && name !== "message") yield [name, value];
  if (error.cause !== undefined) yield ["cause", error.cause];
}

// One at a time: a value with a million members is left after the first few.
function* ownEntries(value: object): Iterable<readonly [string, unknown]> {
  for (const name in value) {
    if (!Object.hasOwn(value, name)) continue;
    let member: unknown;
    try {
      member = Reflect.get(value, name);
    } catch {
      member = "[unreadable]";
    }
    yield [name, member];
  }
}
