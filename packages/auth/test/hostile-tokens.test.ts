import { createHmac } from "node:crypto";
import fc from "fast-check";
import { jwtVerify, SignJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { createSecretRing } from "../src/jwt/secret-ring.js";
import { passwordSignature } from "../src/tokens/password-signature.js";
import { type AuthFixture, codeOf, createFixture, OLD_SECRET, SECRET, valueOf } from "./auth-fixture.js";

const key = new TextEncoder().encode(SECRET);
const segment = (value: unknown): string => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const sign = (header: string, payload: string, secret = SECRET, digest = "sha256"): string =>
  `${header}.${payload}.${createHmac(digest, secret).update(`${header}.${payload}`).digest("base64url")}`;

let fixture: AuthFixture;
let genuine: string;
let header: Record<string, unknown>;
let claims: Record<string, unknown>;

beforeAll(async () => {
  fixture = createFixture();
  const pair = await fixture.auth.createTokenPair({ userId: "ada", email: "ada@example.com", orgId: "org-1", role: "member" });
  genuine = pair.accessToken;
  const [head = "", body = ""] = genuine.split(".");
  header = JSON.parse(Buffer.from(head, "base64url").toString()) as Record<string, unknown>;
  claims = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
});

const verdict = async (token: string): Promise<number | string> => codeOf(await fixture.auth.verifyAccessToken(token));
const withClaims = (changes: object): string => sign(segment(header), segment({ ...claims, ...changes }));
const withHeader = (changes: object): string => sign(segment({ ...header, ...changes }), segment(claims));

/** What ours accepts, an independent implementation accepts. */
async function joseAccepts(token: string): Promise<boolean> {
  try {
    await jwtVerify(token, key, { algorithms: ["HS256"], typ: "at+jwt", currentDate: new Date(fixture.clock.now()) });
    return true;
  } catch {
    return false;
  }
}

describe("our tokens and those of an independent implementation", () => {
  it("jose verifies what we sign, and reads the documented claims", async () => {
    const { payload, protectedHeader } = await jwtVerify(genuine, key, { typ: "at+jwt", currentDate: new Date(fixture.clock.now()) });
    expect(protectedHeader).toEqual({ alg: "HS256", typ: "at+jwt", kid: header.kid });
    expect(Object.keys(payload).sort()).toEqual(["email", "exp", "iat", "jti", "org_id", "pwd_sig", "role", "sid", "sub", "tv", "type"]);
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(3600);
  });

  it("we verify what jose signs with the same secret, with and without kid", async () => {
    for (const kid of [header.kid as string, undefined]) {
      const token = await new SignJWT(claims)
        .setProtectedHeader({ alg: "HS256", typ: "at+jwt", ...(kid === undefined ? {} : { kid }) })
        .sign(key);
      expect(await verdict(token)).toBe("ok");
    }
  });

  it("the header's white space and order are free, the claims' values are not", async () => {
    expect(await verdict(sign(segment('{ "typ":"at+jwt", "alg":"HS256" }'), segment(claims)))).toBe("ok");
  });
});

describe("AUTH-J1 tokens without a signature are refused", () => {
  it.each(["", ".", "..", "...", "a.b", "a.b.", "a..c", ".b.c", "a.b.c.d", "null", " "])("%j", async (token) => {
    expect(await verdict(token)).toBe(1002);
  });
  it.each(["none", "None", "nOnE", "NONE", ""])("alg %j", async (alg) => {
    const [head, body] = [segment({ ...header, alg }), segment(claims)];
    for (const token of [`${head}.${body}.`, `${head}.${body}`, `${head}.${body}.${genuine.split(".")[2]}`, sign(head, body)]) {
      expect(await verdict(token)).toBe(1002);
    }
  });
});

describe("AUTH-J2 the algorithm is ours, byte for byte", () => {
  it.each(["HS512", "HS384", "hs256", "HS256 ", "RS256", "ES256", "EdDSA"])("%s", async (alg) => {
    expect(await verdict(withHeader({ alg }))).toBe(1002);
  });
  it("HS512 with the same secret", async () => {
    expect(await verdict(sign(segment({ ...header, alg: "HS512" }), segment(claims), SECRET, "sha512"))).toBe(1002);
  });
});

describe("AUTH-J5 AUTH-J6 headers that would change the rules are refused", () => {
  it.each([
    { crit: [] },
    { crit: ["b64"] },
    { crit: ["exp"], exp: 1 },
    { b64: false },
    { b64: true },
    { jku: "https://evil.example/jwks" },
    { x5u: "https://evil.example/cert" },
    { x5c: ["MIIB"] },
    { jwk: { kty: "oct", k: "AAAA" } },
    { kid: "unknown" },
    { kid: "" },
    { kid: null },
    { kid: 1 },
    { kid: ["a"] },
    { kid: "../../dev/null" },
    { typ: "JWT" },
    { typ: "rt+jwt" },
    { typ: "st+jwt" },
    { typ: "AT+JWT" },
    { typ: undefined },
  ])("%j", async (changes) => {
    expect(await verdict(withHeader(changes))).toBe(1002);
  });
  it("a kid selects, it is not a hint: another configured secret is not tried", async () => {
    const { auth } = createFixture({ secrets: [SECRET, OLD_SECRET] });
    expect((await auth.verifyAccessToken(sign(segment(header), segment(claims), OLD_SECRET))).kind).toBe("denied");
  });
  it.each([
    "[]",
    "null",
    '"x"',
    "1",
    "{",
    '{"alg":"HS256","alg":"HS256","typ":"at+jwt"}',
    `{"alg":"HS256","typ":"at+jwt","pad":"${"x".repeat(600)}"}`,
  ])("header %s", async (text) => {
    expect(await verdict(sign(segment(text), segment(claims)))).toBe(1002);
  });
});

describe("AUTH-J7 one token has one spelling", () => {
  it("padding, the standard alphabet, white space and inserted bytes are refused", async () => {
    for (const token of [
      `${genuine}=`,
      `${genuine}==`,
      ` ${genuine}`,
      `${genuine} `,
      `${genuine}\n`,
      `\uFEFF${genuine}`,
      genuine.replaceAll(".", " ."),
    ]) {
      expect(await verdict(token)).toBe(1002);
    }
    for (let at = 0; at <= genuine.length; at += 7) {
      for (const inserted of ["=", "\n", " ", "+", "/", ".", "\0", "A"]) {
        expect(await verdict(genuine.slice(0, at) + inserted + genuine.slice(at))).toBe(1002);
      }
    }
  });
  it("a character of several bytes at the end does not stand for the one that was verified before", async () => {
    const { auth } = createFixture({ tokenCacheEntries: 0 });
    const { accessToken } = await auth.createTokenPair({ userId: "ada", role: "member" });
    for (const end of ["\u00E9", "\u0800", "\u{1F600}", "\u{1F600}A", "\u00E9\u00E9", "\u0800AA"]) {
      expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
      expect(codeOf(await auth.verifyAccessToken(accessToken.slice(0, -end.length) + end))).toBe(1002);
    }
  });

  it("unused trailing bits must be zero, though the signature over them is right", async () => {
    const text = JSON.stringify(claims);
    const padded = [text, `${text} `, `${text}  `].map((spelling) => segment(spelling)).filter((spelling) => spelling.length % 4 !== 0);
    expect(padded).toHaveLength(2);
    for (const payload of padded) {
      expect(await verdict(sign(segment(header), payload))).toBe("ok");
      const last = payload.charCodeAt(payload.length - 1);
      const noncanonical = payload.slice(0, -1) + String.fromCharCode(last + 1);
      expect(Buffer.from(noncanonical, "base64url").equals(Buffer.from(payload, "base64url"))).toBe(true);
      expect(await verdict(sign(segment(header), noncanonical))).toBe(1002);
    }
  });
});

describe("AUTH-J8 the payload is one unambiguous object", () => {
  it.each(["[]", "null", '"x"', "1", "", "{", "{}x", '{"sub":"a"}{"sub":"b"}'])("%j", async (text) => {
    expect(await verdict(sign(segment(header), text === "" ? "A" : segment(text)))).toBe(1002);
  });
  it("duplicate members and prototype members are refused, in any spelling and depth", async () => {
    const text = JSON.stringify(claims).slice(0, -1);
    for (const member of [
      '"role":"admin"',
      '"r\\u006fle":"admin"',
      '"__proto__":{"role":"admin"}',
      '"constructor":{}',
      '"x":{"__proto__":1}',
      '"x":{"a":1,"a":2}',
    ]) {
      expect(await verdict(sign(segment(header), segment(`${text},${member}}`)))).toBe(1002);
    }
    expect(await verdict(sign(segment(header), segment(`${text},"x":{"a":1}}`)))).toBe("ok");
  });
  it("invalid UTF-8 is refused", async () => {
    const bytes = Buffer.from(JSON.stringify({ ...claims, email: "@@" }));
    bytes[bytes.indexOf("@@")] = 0xff;
    expect(await verdict(sign(segment(header), bytes.toString("base64url")))).toBe(1002);
  });
});

describe("AUTH-J9 times are required, whole and bounded", () => {
  it.each([
    { exp: undefined },
    { iat: undefined },
    { exp: null },
    { exp: "9999999999" },
    { exp: 4_102_444_800.5 },
    { exp: -1 },
    { exp: 2 ** 53 },
    { iat: "0" },
    { iat: -1 },
    { nbf: "0" },
    { nbf: 1.5 },
    { exp: 0 },
  ])("%j", async (changes) => {
    expect(await verdict(withClaims(changes))).toBe(1002);
  });
  it("1e400, which parses to infinity, is refused", async () => {
    const text = JSON.stringify(claims).replace(`"exp":${String(claims.exp)}`, '"exp":1e400');
    expect(text).toContain("1e400");
    expect(await verdict(sign(segment(header), segment(text)))).toBe(1002);
  });
  it("a life longer than ours is refused, by one second", async () => {
    const iat = claims.iat as number;
    expect(await verdict(withClaims({ exp: iat + 3600 }))).toBe("ok");
    expect(await verdict(withClaims({ exp: iat + 3601 }))).toBe(1002);
  });
  it("iat and nbf in the future are refused beyond a minute of skew", async () => {
    const now = claims.iat as number;
    expect(await verdict(withClaims({ iat: now + 60 }))).toBe("ok");
    expect(await verdict(withClaims({ iat: now + 61 }))).toBe(1002);
    expect(await verdict(withClaims({ nbf: now + 60 }))).toBe("ok");
    expect(await verdict(withClaims({ nbf: now + 61 }))).toBe(1002);
  });
});

describe("AUTH-J10 tokens of other kinds and for others are refused", () => {
  it.each([
    { type: "refresh" },
    { type: undefined },
    { type: ["access"] },
    { sub: "" },
    { sub: 1 },
    { sub: "x".repeat(129) },
    { jti: undefined },
    { sid: undefined },
    { pwd_sig: undefined },
    { tv: 0 },
    { tv: 1.5 },
    { tv: "1" },
    { role: undefined },
    { role: 1 },
    { role: ["a", 1] },
    { email: 1 },
    { org_roles: "x" },
    { must_change_password: "no" },
  ])("%j", async (changes) => {
    expect(await verdict(withClaims(changes))).toBe(1002);
  });
  it("a session of another subject does not carry a token", async () => {
    const ring = createSecretRing("secrets", SECRET);
    expect(await verdict(withClaims({ pwd_sig: passwordSignature(ring.current, "ada", 1) }))).toBe("ok");
    expect(await verdict(withClaims({ sub: "eve", pwd_sig: passwordSignature(ring.current, "eve", 1) }))).toBe(1004);
  });
  it("a refresh token does not authenticate, an access token does not refresh", async () => {
    const { auth } = createFixture();
    const pair = await auth.createTokenPair({ userId: "ada", role: "member" });
    expect(codeOf(await auth.verifyAccessToken(pair.refreshToken))).toBe(1002);
    expect(codeOf(await auth.refresh(pair.accessToken))).toBe(1002);
  });
  it("a required audience must be named, alone or in a list; a required issuer must match", async () => {
    const { auth } = createFixture({ issuer: "https://id.example", audience: "api" });
    const { accessToken } = await auth.createTokenPair({ userId: "ada", role: "member" });
    const own = JSON.parse(Buffer.from(accessToken.split(".")[1] ?? "", "base64url").toString()) as object;
    const check = async (changes: object): Promise<number | string> =>
      codeOf(await auth.verifyAccessToken(sign(segment(header), segment({ ...own, ...changes }))));
    expect(await check({})).toBe("ok");
    expect(await check({ aud: ["other", "api"] })).toBe("ok");
    for (const changes of [
      { aud: undefined },
      { aud: "other" },
      { aud: [] },
      { aud: [["api"]] },
      { aud: { api: true } },
      { aud: "API" },
      { iss: undefined },
      { iss: "https://id.example/" },
    ]) {
      expect(await check(changes)).toBe(1002);
    }
  });
});

describe("AUTH-J11 size is bounded before anything is computed", () => {
  it("a token of more than 8,192 characters is refused, whatever signs it", async () => {
    expect(await verdict(withClaims({ pad: "x".repeat(9_000) }))).toBe(1002);
    expect(await verdict("x".repeat(10_000_000))).toBe(1002);
    expect(await verdict(`${"x".repeat(100)}.`.repeat(1_000))).toBe(1002);
  });
  it("a token that would be larger than what is accepted is not made", async () => {
    const { auth, store } = createFixture();
    await expect(
      auth.createTokenPair({ userId: "ada", role: Array.from({ length: 500 }, (_, index) => `role-number-${index}`) }),
    ).rejects.toMatchObject({ code: "token_too_large" });
    expect(await store.sessions.list("ada")).toEqual([]);
  });
  it("a user id that no token can carry is refused", async () => {
    for (const userId of ["", "x".repeat(129)]) {
      await expect(createFixture().auth.createTokenPair({ userId, role: "member" })).rejects.toMatchObject({ code: "invalid_account" });
    }
  });
});

describe("mutations of a genuine token", () => {
  it("every single-bit flip is refused", async () => {
    const bytes = Buffer.from(genuine, "latin1");
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await verdict(flipped.toString("latin1"))).toBe(1002);
    }
  });
  it("every truncation is refused", async () => {
    for (let length = 0; length < genuine.length; length += 1) expect(await verdict(genuine.slice(0, length))).toBe(1002);
  });
  it("whatever ours accepts, jose accepts, for signed tokens with arbitrary headers and claims", async () => {
    let accepted = 0;
    const anyHeader = fc.record(
      {
        alg: fc.constantFrom("HS256", "none", "HS512"),
        typ: fc.constantFrom("at+jwt", "JWT"),
        crit: fc.constantFrom(["b64"], []),
        kid: fc.string(),
      },
      { requiredKeys: ["alg", "typ"] },
    );
    const anyClaims = fc.record(
      {
        exp: fc.oneof(
          { weight: 4, arbitrary: fc.constant(claims.exp) },
          fc.constant(0),
          fc.integer(),
          fc.double(),
          fc.string(),
          fc.constant(undefined),
        ),
        nbf: fc.oneof({ weight: 3, arbitrary: fc.nat() }, fc.double(), fc.string()),
        aud: fc.jsonValue(),
        email: fc.oneof({ weight: 3, arbitrary: fc.string() }, fc.anything()),
        extra: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.oneof({ weight: 6, arbitrary: fc.constant({ alg: "HS256", typ: "at+jwt" }) }, anyHeader),
        anyClaims,
        async (head, changes) => {
          const token = sign(segment(head), segment({ ...claims, ...changes }));
          if ((await verdict(token)) !== "ok") return true;
          accepted += 1;
          return joseAccepts(token);
        },
      ),
      { numRuns: 400 },
    );
    expect(accepted).toBeGreaterThan(20);
  });
  it("AUTH-G2 arbitrary text is refused, never thrown at", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.base64String(),
          fc.array(fc.base64String()).map((parts) => parts.join(".")),
        ),
        async (text) => (await verdict(text)) === 1002,
      ),
    );
  });
});

describe("AUTH-J12 the cache of verified tokens", () => {
  it("gives the same frozen value, and a hit dies at exp exactly", async () => {
    const { auth, clock } = createFixture();
    const { accessToken, accessExpiresAt } = await auth.createTokenPair({ userId: "ada", role: "member" });
    const first = valueOf(await auth.verifyAccessToken(accessToken));
    expect(valueOf(await auth.verifyAccessToken(accessToken))).toBe(first);
    for (const value of [first, first.principal, first.principal.roles]) expect(Object.isFrozen(value)).toBe(true);
    expect(() => (first.principal.roles as string[]).push("admin")).toThrow(TypeError);
    clock.advance(accessExpiresAt - clock.now() - 1);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    clock.advance(1);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe(1003);
    clock.set(accessExpiresAt - 1);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
  });
  it("answers without a promise on the memory store, remembered or not", async () => {
    const { auth } = createFixture();
    const { accessToken } = await auth.createTokenPair({ userId: "ada", role: "member" });
    expect(auth.verifyAccessToken(accessToken)).not.toBeInstanceOf(Promise);
    expect(auth.verifyAccessToken(accessToken)).not.toBeInstanceOf(Promise);
  });
  it("is bounded, and off it answers the same", async () => {
    for (const tokenCacheEntries of [0, 1, 2, 3]) {
      const { auth } = createFixture({ tokenCacheEntries });
      const pairs = await Promise.all(
        Array.from({ length: 8 }, async (_, index) => auth.createTokenPair({ userId: `user-${index}`, role: "member" })),
      );
      for (const round of [1, 2]) {
        for (const [index, { accessToken }] of pairs.entries()) {
          expect(valueOf(await auth.verifyAccessToken(accessToken)).principal.id, `${tokenCacheEntries} ${round}`).toBe(`user-${index}`);
        }
      }
    }
  });
});
