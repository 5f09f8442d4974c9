import { createHmac, createSecretKey } from "node:crypto";
import { parseStrictJson } from "@portcullis/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCanonicalBase64Url } from "../src/jwt/base64url.js";
import { createPlainMac, createTextMac } from "../src/jwt/hmac-sha256.js";
import { MAX_TOKEN_CHARACTERS, readSegment } from "../src/jwt/jws-segment.js";

const encode = (text: string | Uint8Array): string => Buffer.from(text as string, "utf8").toString("base64url");

/** What core's strict parser makes of a text; the short way must make the same of it. */
function strict(text: string | Uint8Array): unknown {
  try {
    const value = parseStrictJson(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

describe("a segment is read as core's strict parser reads it", () => {
  it.each([
    "{}",
    " {}",
    "{} ",
    '{"a":1}',
    '{"a":1,"a":1}',
    '{"a":1,"a" :2}',
    '{"a":":","b":"\\":"}',
    '{"a":":x","b":[1,":",2]}',
    '{"a":[1],"b":[]}',
    '{"a":[[1]]}',
    '{"a":{"b":1}}',
    '{"a":{"b":1},"a":{}}',
    '{"a":[{"b":1,"b":2}]}',
    '{"a":[{"__proto__":1}]}',
    '{"__proto__":1}',
    '{"constructor":1}',
    '{"prototype":1}',
    '{"prototypes":1,"departments":[],"workspace":1}',
    '{"__prot\\u006f__":1}',
    '{"x":"__proto__"}',
    '{"a":"\uFFFD"}',
    '{"é":1,"e\u0301":2}',
    '{"a":1e400}',
    '{"a":-0}',
    "\uFEFF{}",
    `{"a":${"[".repeat(64)}${"]".repeat(64)}}`,
    `{"a":${"[".repeat(63)}${"]".repeat(63)}}`,
    '{"a":1',
    '{"a":1}}',
    '{"a"}',
    "[]",
    "null",
    '"{}"',
    "",
  ])("%j", (text) => {
    expect(readSegment(encode(text))).toEqual(strict(text));
  });

  it("for texts grown of the pieces that decide", () => {
    const piece = fc.constantFrom(
      '"a"',
      '"b"',
      '"a":',
      '"b":',
      '"__proto__":',
      '"\\u0061":',
      ":",
      ",",
      "{",
      "}",
      "[",
      "]",
      "1",
      " ",
      '":"',
      '"\\""',
      "\uFFFD",
    );
    const grown = fc.array(piece, { maxLength: 14 }).map((pieces) => `{${pieces.join("")}}`);
    const pair = fc.tuple(
      fc.constantFrom("a", "b", "c", "\\u0061", "constructor"),
      fc.constantFrom("1", '"x"', '":"', '["a",1]', '{"a":1}', "[[]]"),
    );
    const members = fc.array(pair, { maxLength: 5 }).map((pairs) => `{${pairs.map(([name, value]) => `"${name}":${value}`).join(",")}}`);
    fc.assert(
      fc.property(fc.oneof(grown, members, fc.json()), (text) => {
        expect(readSegment(encode(text))).toEqual(strict(text));
      }),
      { numRuns: 3000 },
    );
  });

  it("for bytes that are no UTF-8", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), (bytes) => {
        const text = Buffer.concat([Buffer.from('{"a":"'), bytes, Buffer.from('"}')]);
        expect(readSegment(text.toString("base64url"))).toEqual(strict(text));
      }),
      { numRuns: 1000 },
    );
  });

  it("AUTH-J7 in the canonical spelling only", () => {
    const alphabet = fc.constantFrom(...Array.from("AQgwZz09-_+/= \n.\0é\u0141\u2028"));
    fc.assert(
      fc.property(fc.nat({ max: 3 }), fc.nat(), alphabet, fc.boolean(), (spaces, position, character, replaces) => {
        const genuine = encode(`{"sub":"ada"}${" ".repeat(spaces)}`);
        const at = position % (genuine.length + 1);
        const changed = genuine.slice(0, at) + character + genuine.slice(replaces ? at + 1 : at);
        if (!isCanonicalBase64Url(changed)) expect(readSegment(changed)).toBeUndefined();
        else expect(readSegment(changed)).toEqual(strict(Buffer.from(changed, "base64url")));
      }),
      { numRuns: 3000 },
    );
  });

  it("AUTH-J11 up to the length of a token", () => {
    const text = `{"a":"${"x".repeat(MAX_TOKEN_CHARACTERS)}"}`;
    expect(readSegment(encode(text))).toBeUndefined();
    expect(readSegment(encode(text.repeat(200)))).toBeUndefined();
  });
});

describe.each([
  ["by one-shot hashes", createTextMac],
  ["by Hmac objects, where there are none", createPlainMac],
])("the MAC of a text is HMAC-SHA-256 %s", (_name, create) => {
  it.each([1, 32, 63, 64, 65, 131, 1000])("with a key of %i bytes", (length) => {
    const key = createSecretKey(Buffer.alloc(length, "0123456789abcdef"));
    const mac = create(key, 300);
    for (const text of ["", "a", "x".repeat(55), "x".repeat(56), "x".repeat(300), "a.b", "short", "\0\x7f"]) {
      expect(mac.of(text)).toBe(createHmac("sha256", key).update(text).digest("base64url"));
    }
  });
  it("for ASCII within its bound, and for nothing else: no character is taken for another", () => {
    const mac = create(createSecretKey(Buffer.alloc(32, 7)), 64);
    for (const text of ["\u0141", "é", "a\u{1F600}", "\uD800", "x".repeat(65), `${"x".repeat(63)}é`, `${"x".repeat(62)}\u2028`]) {
      expect(mac.of(text)).toBeUndefined();
    }
  });
});
