import { invalidInput } from "./errors.js";

/** A field of a record, as the keys that lead to it. `*` stands for every element of a list. */
export interface FieldPath {
  readonly pointer: string;
  readonly segments: readonly string[];
}

const FORBIDDEN = new Set(["__proto__", "constructor", "prototype"]);
const MAX_SEGMENTS = 32;

/**
 * Reads the names of sensitive fields: RFC 6901 pointers (`/address/street`), where the segment `*` stands for every element
 * of a list, or the plain name of a top-level field (`ssn`).
 *
 * @throws {EncryptionError} `invalid_input`: a path is malformed, given twice, or lies within another.
 */
export function parseFieldPaths(fields: readonly string[]): readonly FieldPath[] {
  if (!Array.isArray(fields)) throw invalidInput("The sensitive fields must be a list of JSON pointers.");
  const paths = fields.map(parseFieldPath);
  paths.forEach((path, index) => {
    for (const other of paths.slice(0, index)) {
      if (overlap(path.segments, other.segments)) {
        throw invalidInput(`The fields "${other.pointer}" and "${path.pointer}" overlap. Name each value once.`);
      }
    }
  });
  return paths;
}

/** RFC 6901 §3: `~` as `~0`, `/` as `~1`. */
export function toPointer(segments: readonly string[]): string {
  return segments.map((segment) => `/${segment.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function parseFieldPath(field: string): FieldPath {
  if (typeof field !== "string" || field === "") throw invalidInput("A field is named by a JSON pointer, e.g. /address/street.");
  const segments = field.startsWith("/") ? field.slice(1).split("/").map(unescape) : [plainName(field)];
  if (segments.length > MAX_SEGMENTS) throw invalidInput(`The field "${field}" has more than ${MAX_SEGMENTS} segments.`);
  // Writing through these names would change every object of the program (CWE-1321).
  if (segments.some((segment) => FORBIDDEN.has(segment))) throw invalidInput(`The field "${field}" leads through a prototype.`);
  if (segments.length === 1 && segments[0] === "_encrypted") throw invalidInput('The field "_encrypted" is the marker itself.');
  return Object.freeze({ pointer: toPointer(segments), segments: Object.freeze(segments) });
}

function plainName(field: string): string {
  // Elsewhere "address.street" means a nested field; taken as a name it would match nothing and leave the data readable.
  if (/[.~[\]]/.test(field))
    throw invalidInput(`The field "${field}" is ambiguous. Write a JSON pointer: /address/street, or /a.b for a key with a dot.`);
  return field;
}

function unescape(segment: string): string {
  if (/~(?![01])/.test(segment)) throw invalidInput(`The pointer segment "${segment}" has a "~" that is neither ~0 nor ~1 (RFC 6901).`);
  return segment.replaceAll("~1", "/").replaceAll("~0", "~");
}

function overlap(a: readonly string[], b: readonly string[]): boolean {
  const shared = Math.min(a.length, b.length);
  for (let index = 0; index < shared; index += 1) {
    if (a[index] !== b[index] && a[index] !== "*" && b[index] !== "*") return false;
  }
  return true;
}
