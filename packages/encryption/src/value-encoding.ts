import { invalidInput, malformed } from "./errors.js";

// One byte says what a plaintext is; JSON alone would turn NaN, -0 and Infinity into null, 0 and null, and a Date into text.
const TAG = Object.freeze({
  undefined: 0x00,
  null: 0x01,
  false: 0x02,
  true: 0x03,
  number: 0x04,
  bigint: 0x05,
  text: 0x06,
  // UTF-16: text with lone surrogates, which UTF-8 cannot hold.
  utf16: 0x07,
  date: 0x08,
  bytes: 0x09,
  buffer: 0x0a,
  list: 0x0b,
  map: 0x0c,
  padded: 0x10,
});

const MAX_DEPTH = 64;
const LONE_SURROGATE = /\p{Surrogate}/u;
const DECIMAL = /^(?:0|-?[1-9]\d*)$/;

/**
 * A value as bytes that give back the same value and type: strings (any), numbers (any), bigint, boolean, null, Date, bytes,
 * arrays and plain objects of these. Undefined members of objects are left out, as in JSON.
 *
 * @param padding Round the length up to a multiple of this many bytes, to hide it; 0: exact.
 * @throws {EncryptionError} `invalid_input`: a function, symbol, class instance, accessor or cycle. Taking it in part would lose it.
 */
export function encodeValue(value: unknown, padding: number): Buffer {
  const encoded = encode(value, 0, new Set());
  if (padding === 0) return encoded;
  const padded = Buffer.alloc(Math.ceil((5 + encoded.length) / padding) * padding);
  padded[0] = TAG.padded;
  padded.writeUInt32BE(encoded.length, 1);
  encoded.copy(padded, 5);
  return padded;
}

/** The value of bytes that {@link encodeValue} made. @throws {EncryptionError} `malformed`: another program's bytes. */
export function decodeValue(bytes: Buffer): unknown {
  if (bytes[0] !== TAG.padded) return decode(bytes, 0);
  const { member, next } = takeMember(bytes, 1);
  if (bytes.subarray(next).some((byte) => byte !== 0)) throw unreadable();
  return decode(member, 0);
}

function encode(value: unknown, depth: number, ancestors: Set<object>): Buffer {
  switch (typeof value) {
    case "string":
      return LONE_SURROGATE.test(value) ? tagged(TAG.utf16, Buffer.from(value, "utf16le")) : taggedText(TAG.text, value);
    case "number":
      return taggedDouble(TAG.number, value);
    case "boolean":
      return Buffer.of(value ? TAG.true : TAG.false);
    case "bigint":
      return taggedText(TAG.bigint, String(value));
    case "undefined":
      return Buffer.of(TAG.undefined);
    case "object":
      return value === null ? Buffer.of(TAG.null) : encodeObject(value, depth, ancestors);
    case "function":
    case "symbol":
      throw invalidInput(`A ${typeof value} cannot be encrypted.`);
  }
}

function encodeObject(value: object, depth: number, ancestors: Set<object>): Buffer {
  if (value instanceof Date) return taggedDouble(TAG.date, value.getTime());
  if (Buffer.isBuffer(value)) return tagged(TAG.buffer, value);
  if (value instanceof Uint8Array) return tagged(TAG.bytes, value);
  if (ancestors.has(value)) throw invalidInput("A value that contains itself cannot be encrypted.");
  if (depth >= MAX_DEPTH) throw invalidInput(`A value nested deeper than ${MAX_DEPTH} cannot be encrypted.`);
  ancestors.add(value);
  const members: Buffer[] = [];
  const isList = Array.isArray(value);
  if (isList) {
    for (const member of value as readonly unknown[]) members.push(framed(encode(member, depth + 1, ancestors)));
  } else {
    for (const [name, member] of plainEntries(value)) {
      if (member === undefined) continue;
      members.push(framed(encode(name, depth + 1, ancestors)), framed(encode(member, depth + 1, ancestors)));
    }
  }
  ancestors.delete(value);
  return tagged(isList ? TAG.list : TAG.map, Buffer.concat(members));
}

function plainEntries(value: object): readonly (readonly [string, unknown])[] {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw invalidInput("An instance of a class cannot be encrypted; its class would be lost. Convert it to a plain object.");
  }
  return Reflect.ownKeys(value).flatMap((name) => {
    const property = Object.getOwnPropertyDescriptor(value, name);
    if (property === undefined || property.enumerable !== true) return [];
    if (typeof name === "symbol") throw invalidInput("A property named by a symbol cannot be encrypted.");
    if (!("value" in property)) throw invalidInput("A property with a getter cannot be encrypted; read it into a plain object first.");
    return [[name, property.value as unknown] as const];
  });
}

function decode(bytes: Buffer, depth: number): unknown {
  if (depth > MAX_DEPTH) throw unreadable();
  const body = bytes.subarray(1);
  switch (bytes[0]) {
    case TAG.undefined:
      return empty(body, undefined);
    case TAG.null:
      return empty(body, null);
    case TAG.false:
      return empty(body, false);
    case TAG.true:
      return empty(body, true);
    case TAG.number:
      return double(body);
    case TAG.bigint:
      return integer(body);
    case TAG.text:
      return body.toString("utf8");
    case TAG.utf16:
      return body.toString("utf16le");
    case TAG.date:
      return new Date(double(body));
    case TAG.bytes:
      return new Uint8Array(body);
    case TAG.buffer:
      return Buffer.from(body);
    case TAG.list:
      return members(body).map((member) => decode(member, depth + 1));
    case TAG.map:
      return decodeMap(members(body), depth);
    default:
      throw unreadable();
  }
}

function decodeMap(parts: readonly Buffer[], depth: number): unknown {
  const map: Record<string, unknown> = {};
  for (let index = 0; index < parts.length; index += 2) {
    const [name, member] = [parts[index], parts[index + 1]];
    const key = name === undefined ? undefined : decode(name, depth + 1);
    if (member === undefined || typeof key !== "string") throw unreadable();
    // Not an assignment: "__proto__" is a name like any other, and must not become the prototype (CWE-1321).
    Object.defineProperty(map, key, { value: decode(member, depth + 1), enumerable: true, configurable: true, writable: true });
  }
  return map;
}

function members(body: Buffer): readonly Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const { member, next } = takeMember(body, at);
    found.push(member);
    at = next;
  }
  return found;
}

function takeMember(bytes: Buffer, at: number): { readonly member: Buffer; readonly next: number } {
  if (at + 4 > bytes.length) throw unreadable();
  const next = at + 4 + bytes.readUInt32BE(at);
  if (next > bytes.length) throw unreadable();
  return { member: bytes.subarray(at + 4, next), next };
}

function empty<T>(body: Buffer, value: T): T {
  if (body.length !== 0) throw unreadable();
  return value;
}

function double(body: Buffer): number {
  if (body.length !== 8) throw unreadable();
  return body.readDoubleBE(0);
}

function integer(body: Buffer): bigint {
  const text = body.toString("latin1");
  if (!DECIMAL.test(text)) throw unreadable();
  return BigInt(text);
}

function tagged(tag: number, bytes: Uint8Array): Buffer {
  const whole = Buffer.allocUnsafe(1 + bytes.length);
  whole[0] = tag;
  whole.set(bytes, 1);
  return whole;
}

function taggedText(tag: number, text: string): Buffer {
  const whole = Buffer.allocUnsafe(1 + Buffer.byteLength(text));
  whole[0] = tag;
  whole.write(text, 1);
  return whole;
}

function taggedDouble(tag: number, value: number): Buffer {
  const whole = Buffer.allocUnsafe(9);
  whole[0] = tag;
  whole.writeDoubleBE(value, 1);
  return whole;
}

function framed(member: Buffer): Buffer {
  const whole = Buffer.allocUnsafe(4 + member.length);
  whole.writeUInt32BE(member.length, 0);
  member.copy(whole, 4);
  return whole;
}

function unreadable(): Error {
  return malformed(
    "The envelope opens, but what it holds is not a value of this format. It was made by another program under the same key.",
  );
}
