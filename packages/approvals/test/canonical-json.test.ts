import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../src/canonical-json.js";

// RFC 8785's test data, where it lies beside the checkout.
const vectors = join(
  process.env.PORTCULLIS_VECTORS ?? fileURLToPath(new URL("../../../../shared/vectors", import.meta.url)),
  "jcs-rfc8785/testdata",
);

const names = existsSync(vectors) ? readdirSync(join(vectors, "input")) : [];

describe("canonical JSON", () => {
  it.each(names)("RFC 8785 test data: %s is written byte for byte", (name) => {
    const input: unknown = JSON.parse(readFileSync(join(vectors, "input", name), "utf8"));
    const hex = readFileSync(join(vectors, "outhex", name.replace(".json", ".txt")), "utf8").replaceAll(/\s/g, "");
    expect(Buffer.from(canonicalJson(input)).toString("hex")).toBe(hex);
  });

  it("does not depend on the order of members, and says the same as JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "grapheme" }), (value) => {
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(reversed(value))).toBe(text);
      }),
    );
  });

  it.each([
    [{ b: 1, a: 2 }, '{"a":2,"b":1}'],
    [{ "\u{1F600}": 1, "\uFB33": 2 }, '{"\u{1F600}":1,"\uFB33":2}'], // by UTF-16 code units, not by code points
    [[-0, 1e21, 1e-7, 0.1 + 0.2], "[0,1e+21,1e-7,0.30000000000000004]"],
    ['\u0000\u001f"\\/\u2028', '"\\u0000\\u001f\\"\\\\/\u2028"'],
    [Object.assign(Object.create(null), { x: null }), '{"x":null}'],
  ])("%j is %s", (value, text) => expect(canonicalJson(value)).toBe(text));

  it.each([
    ["NaN", Number.NaN],
    ["Infinity", Infinity],
    ["undefined", undefined],
    ["a member that is undefined", { a: undefined }],
    ["a bigint", 1n],
    ["a function", () => 1],
    ["a Date", new Date(0)],
    ["a lone surrogate", "\ud800"],
    ["a lone surrogate in a name", { "\udc00": 1 }],
    ["a hole in an array", [, 1]], // eslint-disable-line no-sparse-arrays
  ])("%s has no canonical form", (_name, value) => {
    expect(() => canonicalJson(value)).toThrow(expect.objectContaining({ code: "not_canonical" }));
  });
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  // defineProperty: assigning __proto__ would set the prototype
  const copy = {};
  for (const [name, member] of Object.entries(value).reverse())
    Object.defineProperty(copy, name, { value: reversed(member), enumerable: true });
  return copy;
}
