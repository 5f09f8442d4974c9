import fc from "fast-check";
import { Secret, TOTP, URI } from "otpauth";
import { describe, expect, it } from "vitest";
import { toBase32 } from "../src/mfa/base32.js";
import { otpauthUri } from "../src/mfa/otpauth-uri.js";
import { codeOfStep, matchStep, stepAt } from "../src/mfa/totp.js";

// The secret of both RFCs' test vectors.
const SECRET = Buffer.from("12345678901234567890");

describe("TOTP", () => {
  it("RFC 4226 appendix D: the codes of the first ten counters", () => {
    const expected = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
    expect(expected.map((_, counter) => codeOfStep(SECRET, counter))).toEqual(expected);
  });

  it("RFC 6238 appendix B: SHA-1, eight digits", () => {
    for (const [seconds, code] of [
      [59, "94287082"],
      [1_111_111_109, "07081804"],
      [1_111_111_111, "14050471"],
      [1_234_567_890, "89005924"],
      [2_000_000_000, "69279037"],
      [20_000_000_000, "65353130"],
    ] as const) {
      expect(codeOfStep(SECRET, stepAt(seconds * 1000), 8)).toBe(code);
      expect(matchStep(SECRET, code.slice(2), seconds * 1000)).toBe(stepAt(seconds * 1000));
    }
  });

  it("agrees with another implementation, whatever the secret and the time", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), fc.integer({ min: 0, max: 4_102_444_800_000 }), (bytes, now) => {
        const other = new TOTP({ secret: new Secret({ buffer: bytes.slice().buffer }), algorithm: "SHA1", digits: 6, period: 30 });
        expect(codeOfStep(bytes, stepAt(now))).toBe(other.generate({ timestamp: now }));
        expect(toBase32(bytes)).toBe(other.secret.base32);
      }),
    );
  });

  it("takes the codes of one step before and after, to the millisecond, and no other text", () => {
    const now = 1_111_111_110_000; // the first instant of a step
    const step = stepAt(now);
    expect([-2, -1, 0, 1, 2].map((away) => matchStep(SECRET, codeOfStep(SECRET, step + away), now))).toEqual([
      undefined,
      step - 1,
      step,
      step + 1,
      undefined,
    ]);
    expect(matchStep(SECRET, codeOfStep(SECRET, step - 2), now - 1)).toBe(step - 2);
    for (const odd of ["", "12345", "1234567", " 50471 ", "０５０４７１", "NaN"]) expect(matchStep(SECRET, odd, now)).toBeUndefined();
    expect(matchStep(SECRET, codeOfStep(SECRET, 0), 0)).toBe(0);
  });

  it("AUTH-M5 of two steps with one code the later counts, so that the code does not pass again as the other's", () => {
    // Found by trying: with this secret, steps 0 and 2 have the same code.
    const secret = Buffer.from("11247801124780112478");
    expect(codeOfStep(secret, 0)).toBe(codeOfStep(secret, 2));
    expect(matchStep(secret, codeOfStep(secret, 0), 30_000)).toBe(2);
  });

  it("RFC 4648 §10: base32, without padding", () => {
    const vectors = { "": "", f: "MY", fo: "MZXQ", foo: "MZXW6", foob: "MZXW6YQ", fooba: "MZXW6YTB", foobar: "MZXW6YTBOI" };
    for (const [text, encoded] of Object.entries(vectors)) expect(toBase32(Buffer.from(text))).toBe(encoded);
  });
});

describe("the URI for QR codes", () => {
  it("is read by another implementation", () => {
    const read = URI.parse(otpauthUri("Acme & Söhne", "ada@example.com", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")) as TOTP;
    expect(read).toMatchObject({ issuer: "Acme & Söhne", label: "ada@example.com", algorithm: "SHA1", digits: 6, period: 30 });
    expect(read.generate({ timestamp: 59_000 })).toBe("287082");
  });

  it("whatever an account is called, it stays within the label", () => {
    const hostile = [
      "a?secret=AAAA&issuer=Evil",
      "Evil:ada@example.com",
      "a%3Ab",
      "a#b",
      "../../b",
      "a/b",
      "a b\u0000\r\nc",
      "\ud800x",
      "'\"<script>",
      "!'()*",
      "é\u202e",
      "x".repeat(5_000),
      "😀".repeat(200),
    ];
    for (const name of hostile) {
      const uri = otpauthUri("Acme", name, "GEZDGNBV");
      const url = new URL(uri);
      expect([...url.searchParams.keys()], name).toEqual(["secret", "issuer", "algorithm", "digits", "period"]);
      expect(url.searchParams.getAll("secret")).toEqual(["GEZDGNBV"]);
      expect([url.protocol, url.host, url.hash]).toEqual(["otpauth:", "totp", ""]);
      expect(uri).toMatch(/^otpauth:\/\/totp\/Acme:[A-Za-z0-9._~%-]*\?secret=/);
      const label = decodeURIComponent(url.pathname.slice(1));
      expect(label.split(":")).toHaveLength(2);
      expect(uri.length).toBeLessThan(2_000);
      expect((URI.parse(uri) as TOTP).issuer).toBe("Acme");
    }
  });
});
