import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigurationError } from "@portcullis/core";
import { createDecisionCache, DecisionCacheError, defineKey, type KeyValue } from "@portcullis/decision-cache";

const keyOf = defineKey(["value"]);
const encode = (value: KeyValue) => keyOf({ value });

describe("defineKey", () => {
  test("DC-16 values that look alike give different keys", () => {
    const alike: readonly KeyValue[] = [
      1, "1", 1n, true, "true", null, "null", undefined, "undefined", 0, -0, Number.NaN, "NaN", Infinity, "", false, "t", "u", "n1;",
      [], {}, [[]], [{}], [undefined], [null], { a: 1 }, { a: "1" }, { a: undefined }, { a: null }, { a: [] }, { a: {} },
      ["a", "b"], ["ab"], ["a,b"], ["a", ["b"]], { 0: "a", 1: "b" }, { length: 0 }, { a: 1, b: 2 }, { "a:1": 2 }, { ab: 12 },
      "\u00e9", "e\u0301", "s1:x", "\ud800", "\udc00", "\u0000", "a|b", "a:b", "2:ab",
    ]; // prettier-ignore
    expect(new Set(alike.map(encode)).size).toBe(alike.length);
  });

  test("DC-16 members in any order give the same key", () => {
    expect(encode({ a: 1, b: { c: [1, 2], d: null } })).toBe(encode({ b: { d: null, c: [1, 2] }, a: 1 }));
    const twoFields = defineKey(["a", "b"]);
    expect(twoFields({ a: 1, b: 2 })).toBe(twoFields({ b: 2, a: 1 }));
  });

  test("DC-16 only declared fields count, each must be there, and none is inherited", () => {
    const twoFields = defineKey(["a", "b"]);
    expect(twoFields({ a: 1, b: 2, c: new Date() } as { a: number; b: number })).toBe(twoFields({ a: 1, b: 2 }));
    expect(() => twoFields({ a: 1 } as { a: number; b: number })).toThrow('field "b" is missing');
    expect(() => twoFields(Object.create({ a: 1, b: 2 }) as { a: number; b: number })).toThrow(DecisionCacheError);
    expect(twoFields({ a: 1, b: undefined })).not.toBe(twoFields({ a: 1, b: null }));
  });

  test("DC-16 values move neither between fields nor between definitions", () => {
    const one = defineKey(["a", "b"]);
    expect(one({ a: "x", b: "yz" })).not.toBe(one({ a: "xy", b: "z" }));
    expect(one({ a: "x", b: "" })).not.toBe(one({ a: "", b: "x" }));
    expect(one({ a: "xs1:", b: "y" })).not.toBe(one({ a: "x", b: "s1:y" }));
    expect(one({ a: "xs", b: "y" })).not.toBe(one({ a: "x", b: "sy" }));
    expect(one({ a: 1, b: 2 })).not.toBe(defineKey(["a", "c"])({ a: 1, c: 2 }));
    expect(one({ a: 1, b: 2 })).not.toBe(defineKey(["b", "a"])({ a: 1, b: 2 }));
    expect(defineKey(["ab"])({ ab: 1 })).not.toBe(defineKey(["a", "b"])({ a: 1, b: 1 }));
  });

  test("DC-16 RBAC-30 different values give different keys, equal ones the same", () => {
    const value = fc.letrec<{ value: KeyValue }>((tie) => ({
      value: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        fc.constantFrom("", "a", "b", ":", "1:a", "s1:a", ";", "n1;", "[", "{", "u"),
        fc.string({ maxLength: 4 }),
        fc.integer({ min: -2, max: 2 }),
        fc.double(),
        fc.bigInt({ min: -2n, max: 2n }),
        fc.boolean(),
        fc.constantFrom(null, undefined),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom("a", "b", "ab", "1:a", "__proto__"), tie("value"), { maxKeys: 3 }),
      ),
    })).value;
    const three = defineKey(["x", "y", "z"]);
    const values = fc.record({ x: value, y: value, z: value });
    fc.assert(
      fc.property(values, values, (left, right) => {
        expect(three(left) === three(right)).toBe(isSame(left, right));
        expect(three(structuredClone(left))).toBe(three(left));
      }),
      { numRuns: 2_000 },
    );
  });

  test("DC-16 what is no plain data is refused, with its place", () => {
    const loop: { self?: KeyValue } = {};
    loop.self = loop as KeyValue;
    const sparse: KeyValue[] = [];
    sparse.length = 2;
    class Subject {
      readonly id = "ada";
    }
    for (const value of [
      new Date(0),
      new Map(),
      new Set(),
      new Subject(),
      () => 1,
      Symbol("s"),
      /x/,
      new Uint8Array(1),
      loop,
      sparse,
      { [Symbol("s")]: 1 },
      Object.create({ a: 1 }),
    ]) {
      expect(() => encode(value as KeyValue)).toThrow(expect.objectContaining({ code: "unsupported_key" }));
      expect(() => encode({ nested: [value as KeyValue] })).toThrow("value.nested[0]");
    }
    expect(encode(Object.assign(Object.create(null) as object, { a: 1 }) as KeyValue)).toBe(encode({ a: 1 }));
  });

  test("DC-16 a definition without fields, or with one twice, throws", () => {
    for (const fields of [[], [""], ["a", "a"], [5], "ab", undefined])
      expect(() => defineKey(fields as string[])).toThrow(ConfigurationError);
  });

  test("DC-05 the same key in two workspaces is two decisions", () => {
    const cache = createDecisionCache<string>();
    cache.set(encode("k"), { workspaceId: "w1" }, "one");
    expect(cache.get(encode("k"), { workspaceId: "w2" })).toBeUndefined();
  });
});

/** Equality as keys mean it, said without encoding anything. */
function isSame(left: unknown, right: unknown): boolean {
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return Object.is(left, right);
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const leftNames = Object.keys(left);
  const rightNames = Object.keys(right);
  if (leftNames.length !== rightNames.length) return false;
  return leftNames.every(
    (name) => Object.hasOwn(right, name) && isSame((left as Record<string, unknown>)[name], (right as Record<string, unknown>)[name]),
  );
}
