import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesOf, codeOf, encryptionWith, PLACE } from "./fixture.js";

const encryption = encryptionWith();
const roundTrip = (value: unknown): unknown => encryption.decrypt(encryption.encrypt(value, PLACE), PLACE);

describe("ENC-21 a value comes back with its type", () => {
  it.each([
    "",
    "null",
    "undefined",
    null,
    0,
    -0,
    1.5,
    Number.NaN,
    Infinity,
    -Infinity,
    Number.MIN_VALUE,
    2n ** 53n + 1n,
    -(2n ** 80n),
    0n,
    true,
    false,
    new Date(0),
    new Date(Number.NaN),
    new Uint8Array(),
    new Uint8Array([0, 255]),
    Buffer.from("bytes"),
    [],
    [undefined, null, [1, [2]]],
    {},
    { a: { b: [{ c: "d" }] }, "": 1, "0": 2 },
    "👩‍💻 e\u0301",
    "\ud800 and \udc00",
    "a\u0000b",
  ])("%s", (value) => {
    const back = roundTrip(value);
    expect(back).toStrictEqual(value);
    expect(Object.is(back, -0)).toBe(Object.is(value, -0));
    expect(Buffer.isBuffer(back)).toBe(Buffer.isBuffer(value));
  });

  it("1 MiB of text, and any value of these types", () => {
    const text = "é".repeat(2 ** 19);
    expect(roundTrip(text)).toBe(text);
    const leaf = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.double(),
      fc.bigInt(),
      fc.boolean(),
      fc.constant(null),
      fc.date(),
      fc.uint8Array(),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie("value"), { maxKeys: 4, noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(value, (any) => {
        expect(roundTrip(any)).toStrictEqual(any);
      }),
    );
  });

  it("undefined members are left out, as in JSON; there is no undefined value", () => {
    expect(roundTrip({ a: undefined, b: 1 })).toStrictEqual({ b: 1 });
    expect(codeOf(() => encryption.encrypt(undefined, PLACE))).toBe("invalid_input");
  });

  it("ENC-22 a member called __proto__ is a member, and changes no prototype", () => {
    const hostile: unknown = JSON.parse('{"__proto__":{"admin":true},"constructor":{"prototype":1}}');
    const back = roundTrip(hostile);
    expect(JSON.stringify(back)).toBe(JSON.stringify(hostile));
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect(({} as { readonly admin?: boolean }).admin).toBeUndefined();
  });

  it("ENC-22 what would lose something is refused: functions, symbols, classes, getters, cycles, depth", () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    let deep: unknown = 1;
    for (let depth = 0; depth < 65; depth += 1) deep = [deep];
    const getter = Object.defineProperty({}, "a", { get: () => 1, enumerable: true });
    for (const value of [
      () => 1,
      Symbol("s"),
      { a: { f: () => 1 } },
      new Map(),
      new (class Money {
        readonly cents = 1;
      })(),
      new Float64Array(1),
      getter,
      { [Symbol("s")]: 1 },
      cycle,
      deep,
    ]) {
      expect(codeOf(() => encryption.encrypt(value, PLACE))).toBe("invalid_input");
    }
  });

  it("the same object at two places is no cycle", () => {
    const shared = { a: 1 };
    expect(roundTrip([shared, shared])).toEqual([shared, shared]);
  });
});

describe("ENC-26 padding", () => {
  it("makes 'yes' and 'no' equally long; without it they are not", () => {
    const lengthOf = (value: string, paddingBytes: number) => bytesOf(encryptionWith({ paddingBytes }).encrypt(value, PLACE)).length;
    expect(lengthOf("yes", 16)).toBe(lengthOf("no", 16));
    expect(lengthOf("yes", 0)).not.toBe(lengthOf("no", 0));
  });

  it("changes no value, and padded and exact values are read by each other", () => {
    const padded = encryptionWith({ paddingBytes: 100 });
    for (const value of ["", "x".repeat(94), "x".repeat(95), { a: [1] }]) {
      expect(encryption.decrypt(padded.encrypt(value, PLACE), PLACE)).toEqual(value);
      expect(padded.decrypt(encryption.encrypt(value, PLACE), PLACE)).toEqual(value);
    }
  });
});
