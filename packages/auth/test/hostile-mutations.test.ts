// Tokens changed by somebody without the secret, and tokens of somebody with it that mean two things: none is accepted, none throws.
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { createCompactJws, type CompactJws } from "../src/jwt/compact-jws.js";
import { createSecretRing } from "../src/jwt/secret-ring.js";
import { type AuthFixture, codeOf, createFixture, OLD_SECRET, SECRET } from "./auth-fixture.js";

const encode = (text: string | Uint8Array): string => Buffer.from(text as string, "utf8").toString("base64url");
const sign = (header: string, payload: string): string =>
  `${header}.${payload}.${createHmac("sha256", SECRET).update(`${header}.${payload}`).digest("base64url")}`;

let fixture: AuthFixture;
let pair: { readonly accessToken: string; readonly refreshToken: string };
let system: string;
let headText: string;
let bodyText: string;

beforeAll(async () => {
  fixture = createFixture({ secrets: [SECRET, OLD_SECRET] });
  pair = await fixture.auth.createTokenPair({ userId: "ada", email: "ada@example.com", role: ["admin", "member"] });
  system = (await fixture.auth.createSystemToken({ service: "job", audience: "api" })).token;
  const [head = "", body = ""] = pair.accessToken.split(".");
  headText = Buffer.from(head, "base64url").toString();
  bodyText = Buffer.from(body, "base64url").toString();
});

/** Of each verifier there is, none of which may throw. */
async function verdicts(token: string): Promise<readonly (number | string)[]> {
  const { auth } = fixture;
  return [
    codeOf(await auth.verifyAccessToken(token)),
    codeOf(await auth.refresh(token)),
    codeOf(await auth.verifySystemToken(token, { audience: "api" })),
  ];
}
const REFUSED = [1002, 1002, 1002];

describe("AUTH-J7 AUTH-J11 changed without the secret", () => {
  it("every single bit of each kind of token, flipped: 0 accepted, 0 throws", async () => {
    let tried = 0;
    for (const token of [pair.accessToken, pair.refreshToken, system]) {
      const bytes = Buffer.from(token, "latin1");
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(await verdicts(flipped.toString("latin1")), `bit ${bit}`).toEqual(REFUSED);
        tried += 1;
      }
    }
    expect(tried).toBeGreaterThan(6_000);
  });

  it("every character, replaced by one that a narrow reader takes for it", async () => {
    for (let at = 0; at < pair.accessToken.length; at += 1) {
      for (const offset of [0x100, 0x4100, 0xff00 - 0x20]) {
        const twin = String.fromCharCode(pair.accessToken.charCodeAt(at) + offset);
        expect(await verdicts(pair.accessToken.slice(0, at) + twin + pair.accessToken.slice(at + 1))).toEqual(REFUSED);
      }
    }
  });

  it("parts swapped between tokens, repeated, emptied", async () => {
    const parts = [pair.accessToken, pair.refreshToken, system].map((token) => token.split("."));
    const genuine = new Set([pair.accessToken, pair.refreshToken, system]);
    const pool = [...parts.flat(), "", "e30", "bnVsbA"];
    for (const head of pool) {
      for (const body of pool) {
        for (const signature of pool) {
          const token = `${head}.${body}.${signature}`;
          if (!genuine.has(token)) expect(await verdicts(token)).toEqual(REFUSED);
        }
      }
    }
  });

  it("what is spliced, cut and doubled at random", async () => {
    const pieces = fc.tuple(
      fc.constantFrom(0, 1, 2),
      fc.nat(),
      fc.nat(),
      fc.oneof(fc.string({ unit: "binary", maxLength: 8 }), fc.base64String({ maxLength: 12 }), fc.constant("")),
    );
    await fc.assert(
      fc.asyncProperty(pieces, async ([which, from, to, inserted]) => {
        const token = [pair.accessToken, pair.refreshToken, system][which] ?? "";
        const [start, end] = [from % (token.length + 1), to % (token.length + 1)];
        const spliced = token.slice(0, start) + inserted + token.slice(end);
        if (spliced !== token) expect(await verdicts(spliced)).toEqual(REFUSED);
      }),
      { numRuns: 1500 },
    );
  });
});

describe("AUTH-J8 AUTH-J5 signed with the secret, and still not one token", () => {
  // What a JSON text may say between two of its members or before its end.
  const insertAt = (text: string, member: string, place: number): string => {
    const places = [...text.matchAll(/[{,](?=")/g)].map(({ index }) => index + 1);
    const at = places[place % places.length] ?? 1;
    return `${text.slice(0, at)}${member},${text.slice(at)}`;
  };

  it("members that occur twice, in any spelling, at any place, in header or payload", async () => {
    const escaped = (name: string, at: number): string => {
      const index = at % (name.length * 2);
      return index >= name.length
        ? name
        : `${name.slice(0, index)}\\u${name.charCodeAt(index).toString(16).padStart(4, "0")}${name.slice(index + 1)}`;
    };
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.nat(),
        fc.nat(),
        fc.nat(),
        fc.json({ maxDepth: 2 }),
        fc.constantFrom("", " ", "\n\t"),
        async (inHeader, which, at, place, value, space) => {
          const text = inHeader ? headText : bodyText;
          const names = Object.keys(JSON.parse(text) as object);
          const name = names[which % names.length] ?? "sub";
          const doubled = insertAt(text, `${space}"${escaped(name, at)}"${space}:${space}${value}`, place);
          const token = inHeader ? sign(encode(doubled), encode(bodyText)) : sign(encode(headText), encode(doubled));
          expect(await verdicts(token)).toEqual(REFUSED);
        },
      ),
      { numRuns: 1500 },
    );
  });

  it("names that reach a prototype, at any depth", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("__proto__", "constructor", "prototype", "\\u005f_proto__", "constructo\\u0072"),
        fc.nat({ max: 20 }),
        fc.boolean(),
        fc.nat(),
        async (name, depth, inList, place) => {
          const [open, close] = inList ? ["[", "]"] : ['{"a":', "}"];
          const member = `"x":${open.repeat(depth)}{"${name}":{"role":"admin"}}${close.repeat(depth)}`;
          expect(await verdicts(sign(encode(headText), encode(insertAt(bodyText, member, place))))).toEqual(REFUSED);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("nesting deeper than 64, of any bracket", async () => {
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
      ['[{"a":', "}]"],
    ] as const) {
      for (const depth of [64, 65, 100, 1_000]) {
        const token = sign(encode(headText), encode(insertAt(bodyText, `"x":${open.repeat(depth)}1${close.repeat(depth)}`, 3)));
        expect(await verdicts(token)).toEqual(REFUSED);
      }
    }
    const bare = sign(encode(headText), encode("[".repeat(5_000)));
    expect(await verdicts(bare)).toEqual(REFUSED);
  });

  it("bytes that are no UTF-8, at any place", async () => {
    const bad = fc.constantFrom(
      [0xff],
      [0xc0, 0xaf],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xe2, 0x82],
      [0x80],
      [0xf8, 0x88, 0x80, 0x80, 0x80],
    );
    await fc.assert(
      fc.asyncProperty(bad, fc.nat(), fc.boolean(), async (bytes, place, inHeader) => {
        const text = Buffer.from(inHeader ? headText : bodyText);
        const at = place % (text.length + 1);
        const broken = encode(Buffer.concat([text.subarray(0, at), Buffer.from(bytes), text.subarray(at)]));
        const token = inHeader ? sign(broken, encode(bodyText)) : sign(encode(headText), broken);
        expect(await verdicts(token)).toEqual(REFUSED);
      }),
      { numRuns: 500 },
    );
  });

  it("a megabyte, a hundred, and the last character that is too many", async () => {
    const grown = (pad: number): string => sign(encode(headText), encode(insertAt(bodyText, `"pad":"${"x".repeat(pad)}"`, 2)));
    expect(await verdicts(grown(1_000_000))).toEqual(REFUSED);
    for (const token of ["a", ".", "a.", "..", "=", "\u2028"].map((piece) => piece.repeat(1_000_000)))
      expect(await verdicts(token)).toEqual(REFUSED);
    let pad = 5_000;
    while (grown(pad + 1).length <= 8_192) pad += 1;
    expect((await verdicts(grown(pad)))[0]).toBe("ok");
    expect((await verdicts(grown(pad + 1)))[0]).toBe(1002);
  });
});

describe("AUTH-J11 the time of the worst 8 KiB is that of their length", () => {
  let jws: CompactJws;
  beforeAll(() => {
    jws = createCompactJws(createSecretRing("secrets", [SECRET, OLD_SECRET]), "at+jwt");
  });
  const fill = (piece: string, length: number): string => piece.repeat(Math.ceil(length / piece.length)).slice(0, length);
  const head = () => encode(headText);
  const text = (length: number): number => Math.floor((length * 3) / 4);
  const shapes: readonly (readonly [string, (length: number) => string])[] = [
    ["dots", (length) => fill(".", length)],
    ["letters", (length) => fill("A", length)],
    ["a long header", (length) => `${encode(fill('{"a":', text(length)))}.e30.${"A".repeat(43)}`],
    [
      "a header of many members",
      (length) => `${encode(`{${Array.from({ length: text(length) / 9 }, (_, index) => `"${index}":1`).join()}}`)}.e30.${"A".repeat(43)}`,
    ],
    ["a long signature", (length) => `${head()}.e30.${fill("A", length)}`],
    ["brackets, signed", (length) => sign(head(), encode(fill("[", text(length))))],
    ["braces, signed", (length) => sign(head(), encode(fill('{"a":', text(length))))],
    ["quotes, signed", (length) => sign(head(), encode(`{"a":"${fill('\\"', text(length))}"}`))],
    ["backslashes, signed", (length) => sign(head(), encode(`{"a":"${fill("\\\\", text(length) & ~1)}"}`))],
    ["one name again and again, signed", (length) => sign(head(), encode(`{${fill('"a":1,', text(length) - 10)}"b":1}`))],
    [
      "many names, signed",
      (length) => sign(head(), encode(`{${Array.from({ length: text(length) / 9 }, (_, index) => `"${index}":1`).join()}}`)),
    ],
    ["many lists, signed", (length) => sign(head(), encode(`{"a":[${fill("[],", text(length) - 20)}[]]}`))],
    ["digits, signed", (length) => sign(head(), encode(`{"a":${fill("9", text(length))}}`))],
    ["replacement characters, signed", (length) => sign(head(), encode(`{"a":"${fill("\uFFFD", text(length) / 3)}"}`))],
    [
      "a key to be tried with each secret",
      (length) => sign(encode('{"alg":"HS256","typ":"at+jwt"}'), encode(`{"a":"${fill("x", text(length))}"}`)),
    ],
  ];
  // The quickest of several: what others do on the machine makes it slower, never quicker.
  const quickest = (token: string): number => {
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 30; round += 1) {
      const start = process.hrtime.bigint();
      for (let turn = 0; turn < 5; turn += 1) jws.open(token);
      best = Math.min(best, Number(process.hrtime.bigint() - start) / 5 / 1000);
    }
    return best;
  };
  it.each(shapes)("%s", (_name, shape) => {
    const [short, long] = [shape(1_900), shape(7_600)];
    expect(long.length).toBeLessThanOrEqual(8_192);
    quickest(long);
    const [shortUs, longUs] = [quickest(short), quickest(long)];
    // Four times the length: four times the time where it is linear, sixteen where it is quadratic.
    expect(longUs).toBeLessThan(10 * shortUs + 20);
    expect(longUs).toBeLessThan(2_000);
  });
});
