import fc from "fast-check";
import { expect, it } from "vitest";
import { escapeText, unescapeText } from "../src/driver/escape-text.js";

/** Any UTF-16, with much of what is odd in it. */
const anyText = fc
  .array(fc.oneof(fc.constantFrom(0, 1, 2, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xe001, 0xe7ff), fc.integer({ min: 0, max: 0xffff })))
  .map((units) => String.fromCharCode(...units));

it("every string comes back as it was, and is stored as well-formed text without U+0000", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const escaped = escapeText(text);
      expect(unescapeText(escaped)).toBe(text);
      expect(escaped).not.toContain("\0");
      expect(Buffer.from(escaped, "utf8").toString("utf8")).toBe(escaped);
    }),
    { numRuns: 2_000 },
  );
});

it("the order of code points stays as it is", () => {
  const codePoints = (text: string): number[] => Array.from(text, (character) => character.codePointAt(0) ?? 0);
  const compare = (a: readonly number[], b: readonly number[]): number => {
    const at = a.findIndex((unit, index) => unit !== b[index]);
    return at < 0 ? a.length - b.length : (a[at] ?? 0) - (b[at] ?? -1);
  };
  fc.assert(
    fc.property(anyText, anyText, (a, b) => {
      const order = Math.sign(compare(codePoints(a), codePoints(b)));
      expect(Math.sign(Buffer.compare(Buffer.from(escapeText(a)), Buffer.from(escapeText(b))))).toBe(order);
    }),
    { numRuns: 2_000 },
  );
});

it("ordinary text is stored as it is", () => {
  for (const text of ["", "ada@example.com", "é 🙂 \n\t", "{}%_'\""]) expect(escapeText(text)).toBe(text);
});
