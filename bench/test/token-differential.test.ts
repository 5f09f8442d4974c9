// AUTH-J1 to AUTH-J11 against the libraries that others use, each with its strict options: whatever ours accepts all three accept; and
// what they accept and ours refuses is written down here, so that a change of either side is seen.
import { createHmac } from "node:crypto";
import { createAuth, createUserDirectory } from "@portcullis/auth";
import { createMemoryStore, systemClock } from "@portcullis/core";
import fc from "fast-check";
import { createVerifier } from "fast-jwt";
import { jwtVerify } from "jose";
import jsonwebtoken from "jsonwebtoken";
import { beforeAll, describe, expect, it } from "vitest";

const SECRET = "first-secret-0123456789-abcdefghijklmnop";
const ISSUER = "https://id.example";
const AUDIENCE = "api";
const NOW_MS = 1_790_000_000_000;
// Ours allows clocks that differ by so much for `iat` and `nbf`.
const TOLERANCE_SECONDS = 60;

const clock = { ...systemClock, now: () => NOW_MS };
const store = createMemoryStore({ clock });
const auth = createAuth({
  store,
  users: createUserDirectory({ store }),
  secrets: SECRET,
  apiKeyPeppers: SECRET.toUpperCase(),
  clock,
  issuer: ISSUER,
  audience: AUDIENCE,
  tokenCacheEntries: 0,
});

const fastJwt = createVerifier({
  key: SECRET,
  algorithms: ["HS256"],
  allowedIss: ISSUER,
  allowedAud: AUDIENCE,
  checkTyp: "at+jwt",
  requiredClaims: ["exp", "iat", "sub"],
  clockTimestamp: NOW_MS,
  clockTolerance: TOLERANCE_SECONDS * 1000,
});
type Accepts = (token: string) => Promise<boolean>;
const accepts =
  (verify: (token: string) => unknown): Accepts =>
  async (token) => {
    try {
      await verify(token);
      return true;
    } catch {
      return false;
    }
  };
const ours: Accepts = async (token) => (await auth.verifyAccessToken(token)).kind === "ok";
const libraries: Readonly<Record<"jose" | "fast-jwt" | "jsonwebtoken", Accepts>> = {
  jose: accepts(async (token) =>
    jwtVerify(token, new TextEncoder().encode(SECRET), {
      algorithms: ["HS256"],
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: "at+jwt",
      requiredClaims: ["exp", "iat", "sub"],
      currentDate: new Date(NOW_MS),
      clockTolerance: TOLERANCE_SECONDS,
    }),
  ),
  "fast-jwt": accepts((token) => fastJwt(token) as unknown),
  jsonwebtoken: accepts((token) =>
    jsonwebtoken.verify(token, SECRET, {
      algorithms: ["HS256"],
      issuer: ISSUER,
      audience: AUDIENCE,
      clockTimestamp: NOW_MS / 1000,
      clockTolerance: TOLERANCE_SECONDS,
    }),
  ),
};
const acceptedBy = async (token: string): Promise<string[]> => {
  const verdicts = await Promise.all(Object.entries(libraries).map(async ([name, verify]) => ((await verify(token)) ? [name] : [])));
  return verdicts.flat();
};
const ALL = Object.keys(libraries);

const segment = (value: unknown): string => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const signText = (head: string, body: string): string =>
  `${head}.${body}.${createHmac("sha256", SECRET).update(`${head}.${body}`).digest("base64url")}`;

let genuine: string;
let header: Record<string, unknown>;
let claims: Record<string, unknown>;
beforeAll(async () => {
  genuine = (await auth.createTokenPair({ userId: "ada", email: "ada@example.com", orgId: "org-1", role: ["admin"] })).accessToken;
  const read = (part: string | undefined) => JSON.parse(Buffer.from(part ?? "", "base64url").toString()) as Record<string, unknown>;
  header = read(genuine.split(".")[0]);
  claims = read(genuine.split(".")[1]);
});
const withClaims = (changes: object): string => signText(segment(header), segment({ ...claims, ...changes }));
const withHeader = (changes: object): string => signText(segment({ ...header, ...changes }), segment(claims));
const withText = (change: (text: string) => string): string => signText(segment(header), segment(change(JSON.stringify(claims))));

describe("whatever ours accepts, jose, fast-jwt and jsonwebtoken accept", () => {
  it("what ours signs", async () => {
    expect(await ours(genuine)).toBe(true);
    expect(await acceptedBy(genuine)).toEqual(ALL);
  });

  it("what was signed with the secret, with any claims, headers and spellings", async () => {
    const around = (value: number) => fc.integer({ min: value - 130, max: value + 130 });
    const now = NOW_MS / 1000;
    const odd = fc.constantFrom<unknown>(null, "", "1", 0, -1, 1.5, 1e300, [], {}, true, [AUDIENCE], [ISSUER], AUDIENCE, ISSUER);
    const changes = fc.record(
      {
        exp: fc.oneof({ weight: 4, arbitrary: around(now) }, odd),
        iat: fc.oneof({ weight: 4, arbitrary: around(now) }, odd),
        nbf: fc.oneof({ weight: 4, arbitrary: around(now) }, odd),
        aud: fc.oneof({ weight: 2, arbitrary: fc.constantFrom(AUDIENCE, [AUDIENCE], ["other", AUDIENCE]) }, odd),
        iss: fc.oneof({ weight: 2, arbitrary: fc.constant(ISSUER) }, odd),
        email: fc.oneof({ weight: 3, arbitrary: fc.string({ unit: "binary" }) }, odd),
        other: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const headers = fc.record(
      {
        alg: fc.constantFrom("HS256", "HS512", "none"),
        typ: fc.constantFrom("at+jwt", "JWT"),
        kid: fc.constantFrom("x", ""),
        crit: fc.constantFrom([], ["b64"]),
        b64: fc.boolean(),
      },
      { requiredKeys: ["alg", "typ"] },
    );
    const spelling = fc.constantFrom<(text: string) => string>(
      (text) => text,
      (text) => ` ${text}\n`,
      (text) => text.replaceAll(":", " : "),
      (text) => text.replace("sub", "\\u0073ub"),
      (text) => text.replace("{", '{"sub":"eve",'),
    );
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof({ weight: 5, arbitrary: fc.constantFrom({ alg: "HS256", typ: "at+jwt" }, { typ: "at+jwt", alg: "HS256" }) }, headers),
        fc.oneof(fc.constant({}), changes),
        spelling,
        async (head, changed, spell) => {
          const token = signText(segment(head), segment(spell(JSON.stringify({ ...claims, ...changed }))));
          if (!(await ours(token))) return;
          accepted += 1;
          expect(await acceptedBy(token), token).toEqual(ALL);
        },
      ),
      { numRuns: 3_000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });
});

describe("what others accept and ours refuses", () => {
  const flippedLast = (part: 1 | 2): string => {
    // Two unused bits in the last of 43 characters; in a payload whose length leaves some.
    const parts = genuine.split(".");
    if (part === 1) {
      const text = JSON.stringify(claims);
      const body = [text, `${text} `, `${text}  `].map(segment).find((each) => each.length % 4 === 3) ?? "";
      return signText(parts[0] ?? "", body.slice(0, -1) + String.fromCharCode(body.charCodeAt(body.length - 1) + 1));
    }
    return genuine.slice(0, -1) + String.fromCharCode(genuine.charCodeAt(genuine.length - 1) + 1);
  };
  const cases: readonly (readonly [string, () => string, readonly string[]])[] = [
    ["AUTH-J5 b64: false without crit (RFC 7797 §6)", () => withHeader({ b64: false }), ALL],
    ["AUTH-J5 crit of nothing (RFC 7515 §4.1.11)", () => withHeader({ crit: [] }), ["jsonwebtoken"]],
    ["AUTH-J6 jku, x5u, x5c, jwk", () => withHeader({ jku: "https://evil.example", x5c: ["MII"], jwk: { kty: "oct" } }), ALL],
    ["AUTH-J6 a kid that nobody has", () => withHeader({ kid: "other" }), ALL],
    ["AUTH-J7 unused bits of the signature", () => flippedLast(2), ["jose", "fast-jwt"]],
    ["AUTH-J7 unused bits of the payload", () => flippedLast(1), ALL],
    ["AUTH-J7 padding", () => `${genuine}=`, ["jose"]],
    ["AUTH-J7 white space in the signature", () => `${genuine.slice(0, -5)}\n${genuine.slice(-5)}`, ["jose"]],
    ["AUTH-J8 a member twice", () => withText((text) => text.replace("{", '{"sub":"eve",')), ALL],
    ["AUTH-J8 __proto__", () => withText((text) => text.replace("{", '{"__proto__":{"role":"admin"},')), ALL],
    ["AUTH-J9 exp: 1e400, which is never", () => withText((text) => text.replace(/"exp":\d+/, '"exp":1e400')), ALL],
    ["AUTH-J9 exp with a fraction", () => withClaims({ exp: Number(claims["exp"]) - 0.5 }), ALL],
    ["AUTH-J9 a life of a century", () => withClaims({ exp: Number(claims["exp"]) + 3e9 }), ALL],
    ["AUTH-J9 no exp", () => withClaims({ exp: undefined }), ["jsonwebtoken"]],
    ["AUTH-J9 no iat", () => withClaims({ iat: undefined }), ["jsonwebtoken"]],
    ["AUTH-J9 issued in an hour", () => withClaims({ iat: Number(claims["iat"]) + 3_599 }), ALL],
    ["AUTH-J10 another typ", () => withHeader({ typ: "JWT" }), ["jsonwebtoken"]],
    ["AUTH-J10 the claims of a refresh token", () => withClaims({ type: "refresh" }), ALL],
    ["AUTH-J11 9,000 characters", () => withClaims({ pad: "x".repeat(9_000) }), ALL],
  ];
  it.each(cases)("%s", async (_name, make, others) => {
    const token = make();
    expect(await ours(token)).toBe(false);
    expect(await acceptedBy(token)).toEqual(others);
  });

  it.each([
    ["AUTH-J1 alg none", () => `${segment({ ...header, alg: "none" })}.${segment(claims)}.`],
    [
      "AUTH-J2 HS512 with the same secret",
      () => {
        const input = `${segment({ ...header, alg: "HS512" })}.${segment(claims)}`;
        return `${input}.${createHmac("sha512", SECRET).update(input).digest("base64url")}`;
      },
    ],
    ["AUTH-J5 crit of what nobody knows", () => withHeader({ crit: ["x"], x: 1 })],
    ["AUTH-J8 an array", () => signText(segment(header), segment("[]"))],
    ["AUTH-J9 expired", () => withClaims({ exp: NOW_MS / 1000 - 61, iat: NOW_MS / 1000 - 100 })],
    ["AUTH-J10 another audience", () => withClaims({ aud: "other" })],
    ["AUTH-J1 no signature", () => genuine.slice(0, genuine.lastIndexOf(".") + 1)],
  ])("%s, as jose does", async (_name, make) => {
    const token = make();
    expect([await ours(token), await libraries.jose(token)]).toEqual([false, false]);
  });
});
