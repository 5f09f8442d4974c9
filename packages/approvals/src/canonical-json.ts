import { ApprovalError } from "./errors.js";

/**
 * Writes a JSON value the one way RFC 8785 (JCS) allows: two values are equal exactly when their texts are.
 *
 * @param value Null, booleans, finite numbers, well-formed strings, arrays and plain objects of them.
 * @throws {ApprovalError} `not_canonical`: anything else (RFC 7493 §2.1, §2.2).
 */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case "boolean":
      return value ? "true" : "false";
    case "number":
      // RFC 8785 §3.2.2.3 is ECMAScript's own number format; -0 becomes 0.
      if (!Number.isFinite(value)) throw notCanonical("a number that is not finite");
      return String(value === 0 ? 0 : value);
    case "string":
      return canonicalString(value);
    case "object":
      if (value === null) return "null";
      return Array.isArray(value) ? canonicalArray(value) : canonicalObject(value);
    default:
      throw notCanonical(`a value of type ${typeof value}`);
  }
}

function canonicalString(text: string): string {
  // RFC 8785 §3.2.2.2: a lone surrogate has no UTF-8 form, so two different texts would hash alike.
  if (/\p{Surrogate}/u.test(text)) throw notCanonical("a string with a lone surrogate");
  return JSON.stringify(text);
}

function canonicalArray(items: readonly unknown[]): string {
  // Not map(): it skips holes, and [,1] must not equal [1].
  return `[${Array.from(items, canonicalJson).join(",")}]`;
}

function canonicalObject(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw notCanonical("an object of a class");
  const members = Object.entries(value);
  // RFC 8785 §3.2.3: by UTF-16 code units, which is how < compares.
  members.sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${members.map(([name, member]) => `${canonicalString(name)}:${canonicalJson(member)}`).join(",")}}`;
}

function notCanonical(what: string): ApprovalError {
  return new ApprovalError("not_canonical", `The operation holds ${what}, which has no canonical JSON form. Pass plain JSON data.`);
}
