import { JsonRefused, parseStrictJson } from "@portcullis/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("strict JSON", () => {
  it("gives what JSON.parse gives, for any value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        if (/__proto__|constructor|prototype/.test(text)) return;
        expect(parseStrictJson(utf8(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    ['{"a":1,"a":2}'],
    ['{"a":1,"\\u0061":2}'],
    ['[{"b":{"x":1,"y":2,"x":3}}]'],
    ['{"__proto__":{"admin":true}}'],
    ['{"\\u005f_proto__":1}'],
    ['{"a":{"constructor":1}}'],
    ['{"prototype":1}'],
    ["{'a':1}"],
    [""],
    ["{"],
    ["nul"],
    ["\u{feff}{}"],
    ['{"a":1}x'],
    ["[".repeat(100_000)],
    ["[".repeat(65) + "]".repeat(65)],
  ])("refuses %.40s", (text) => expect(() => parseStrictJson(text)).toThrow(JsonRefused));

  it.each([
    ['{"a":{"x":1},"b":{"x":1}}'],
    ['["a","a"]'],
    ['{"a":"a","b":"a"}'],
    ['{"a":[],"b":[{"a":1}]}'],
    ["[".repeat(64) + "]".repeat(64)],
    ['{"k\\"":1,"k":2}'],
    ['"\\\\"'],
  ])("accepts %.40s", (text) => expect(parseStrictJson(text)).toEqual(JSON.parse(text)));

  it("refuses bytes that are no UTF-8 and never shows the text", () => {
    expect(() => parseStrictJson(Uint8Array.of(0x22, 0xc0, 0xae, 0x22))).toThrow(JsonRefused);
    expect(() => parseStrictJson('{"password":"hunter2"')).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining("hunter2") }),
    );
  });
});
