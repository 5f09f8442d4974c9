import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ConfigurationError, createApp, createMemoryStore, toFetchHandler } from "@portcullis/core";
import {
  authRoutes,
  createUserDirectory,
  createAuth,
  generateSigningKeys,
  jwksRoute,
  loadSigningKeys,
  type SigningAlgorithm,
  type SigningKeys,
} from "@portcullis/auth";
import { calculateJwkThumbprint, createLocalJWKSet, createRemoteJWKSet, exportJWK, importPKCS8, type JWK, jwtVerify, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeOf, createFixture, createFixtureWithAda, OLD_SECRET, PEPPER, SECRET, valueOf } from "./auth-fixture.js";

const ALGORITHMS: readonly SigningAlgorithm[] = ["RS256", "ES256", "EdDSA"];
const SUBJECT = { userId: "ada", role: "member" };
const segment = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const decoded = (token: string, part: 0 | 1): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split(".")[part] ?? "", "base64url").toString()) as Record<string, unknown>;

const pairs = new Map<SigningAlgorithm, { readonly privateKey: string; readonly publicKey: string; readonly kid: string }>();
beforeAll(async () => {
  for (const algorithm of ALGORITHMS) pairs.set(algorithm, await generateSigningKeys(algorithm));
});
const pairOf = (algorithm: SigningAlgorithm) => {
  const pair = pairs.get(algorithm);
  if (pair === undefined) throw new Error(algorithm);
  return pair;
};
const loaded = async (...algorithms: SigningAlgorithm[]): Promise<SigningKeys> =>
  loadSigningKeys(algorithms.map((algorithm) => pairOf(algorithm).privateKey));

/** Signs as node:crypto would, whatever the header says. */
function forge(header: object, claims: object, key: KeyObject, algorithm: SigningAlgorithm): string {
  const input = `${segment(header)}.${segment(claims)}`;
  const digest = algorithm === "EdDSA" ? null : "sha256";
  return `${input}.${sign(digest, Buffer.from(input), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

describe.each(ALGORITHMS)("access tokens signed with %s", (algorithm) => {
  it("are verified by ours and by jose from the published keys; refresh tokens stay with the secrets", async () => {
    const signing = await loaded(algorithm);
    const { auth, clock } = createFixture({ signing, issuer: "https://id.example", audience: "api" });
    const { accessToken, refreshToken } = await auth.createTokenPair(SUBJECT);
    expect(decoded(accessToken, 0)).toEqual({ alg: algorithm, typ: "at+jwt", kid: pairOf(algorithm).kid });
    expect(decoded(refreshToken, 0)).toMatchObject({ alg: "HS256" });
    const { principal } = valueOf(await auth.verifyAccessToken(accessToken));
    expect(principal.id).toBe("ada");
    // From the cache.
    expect(valueOf(await auth.verifyAccessToken(accessToken)).principal).toBe(principal);
    const { payload } = await jwtVerify(accessToken, createLocalJWKSet(signing.jwks as unknown as { keys: JWK[] }), {
      algorithms: [algorithm],
      typ: "at+jwt",
      issuer: "https://id.example",
      audience: "api",
      currentDate: new Date(clock.now()),
    });
    expect(payload.sub).toBe("ada");
  });

  it("are what a refresh gives, too", async () => {
    const { auth, userId } = await createFixtureWithAda({ signing: await loaded(algorithm) });
    const { refreshToken } = await auth.createTokenPair({ userId, role: "admin" });
    const { accessToken } = valueOf(await auth.refresh(refreshToken));
    expect(decoded(accessToken, 0)["alg"]).toBe(algorithm);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
  });

  it("end with the session, the version and the password as any other", async () => {
    const { auth, store } = createFixture({ signing: await loaded(algorithm) });
    const verdictAfter = async (change: (sessionId: string) => unknown) => {
      const pair = await auth.createTokenPair(SUBJECT);
      expect(codeOf(await auth.verifyAccessToken(pair.accessToken))).toBe("ok");
      await change(pair.sessionId);
      return codeOf(await auth.verifyAccessToken(pair.accessToken));
    };
    expect(await verdictAfter((id) => store.sessions.revoke("ada", { id }))).toBe(1004);
    expect(await verdictAfter(() => auth.revokeUser("ada"))).toBe(1004);
    expect(await verdictAfter(() => store.subjects.bump("ada", "passwordVersion"))).toBe(1004);
  });

  it("we verify what jose signs with the same key", async () => {
    const { auth } = createFixture({ signing: await loaded(algorithm) });
    const { accessToken } = await auth.createTokenPair(SUBJECT);
    const key = await importPKCS8(pairOf(algorithm).privateKey, algorithm);
    for (let round = 0; round < 8; round += 1) {
      const token = await new SignJWT(decoded(accessToken, 1))
        .setProtectedHeader({ alg: algorithm, typ: "at+jwt", kid: pairOf(algorithm).kid })
        .sign(key);
      expect(codeOf(await auth.verifyAccessToken(token))).toBe("ok");
    }
  });

  it("every single-bit flip, truncation and other spelling is refused", async () => {
    const { auth } = createFixture({ signing: await loaded(algorithm), tokenCacheEntries: 0 });
    const { accessToken } = await auth.createTokenPair(SUBJECT);
    const bytes = Buffer.from(accessToken, "latin1");
    const from = accessToken.lastIndexOf(".") - 3;
    // The signature and what is before it; the rest is the same code for every algorithm.
    for (let bit = from * 8; bit < bytes.length * 8; bit += algorithm === "RS256" ? 5 : 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(codeOf(await auth.verifyAccessToken(flipped.toString("latin1")))).toBe(1002);
    }
    for (const token of [
      `${accessToken}=`,
      `${accessToken}A`,
      accessToken.slice(0, -1),
      `${accessToken}\n`,
      ` ${accessToken}`,
      accessToken.replace("A", "\u0141"),
    ]) {
      expect(codeOf(await auth.verifyAccessToken(token))).toBe(1002);
    }
    const [head, body] = accessToken.split(".");
    for (const signature of ["", "AA", "A".repeat(86), "A".repeat(342), "_".repeat(85) + "w"]) {
      expect(codeOf(await auth.verifyAccessToken(`${head}.${body}.${signature}`))).toBe(1002);
    }
  });
});

describe("AUTH-J2 AUTH-J6 the key decides about the algorithm, and the kid about the key", () => {
  it("the confusion matrix: nothing but the signer's own key, kid and algorithm together is accepted", async () => {
    const { auth } = createFixture({ signing: await loaded(...ALGORITHMS), secrets: [SECRET, OLD_SECRET] });
    const { accessToken } = await auth.createTokenPair(SUBJECT);
    const claims = decoded(accessToken, 1);
    const hsKid = decoded((await createFixture().auth.createTokenPair(SUBJECT)).accessToken, 0)["kid"] as string;
    const kids = [...ALGORITHMS.map((algorithm) => pairOf(algorithm).kid), hsKid, undefined];
    const algs = [...ALGORITHMS, "HS256", "HS512", "PS256", "ES384", "Ed25519", "none", "rs256"];
    let accepted = 0;
    for (const signer of ALGORITHMS) {
      const key = createPrivateKey(pairOf(signer).privateKey);
      for (const alg of algs) {
        for (const kid of kids) {
          const token = forge({ alg, typ: "at+jwt", ...(kid === undefined ? {} : { kid }) }, claims, key, signer);
          const isRight = alg === signer && kid === pairOf(signer).kid;
          expect(codeOf(await auth.verifyAccessToken(token)), `${signer} as ${alg} under ${kid}`).toBe(isRight ? "ok" : 1002);
          if (isRight) accepted += 1;
        }
      }
    }
    expect(accepted).toBe(3);
  });

  it("a public key is no HMAC secret, in whatever form", async () => {
    for (const algorithm of ALGORITHMS) {
      const { auth } = createFixture({ signing: await loaded(algorithm) });
      const claims = decoded((await auth.createTokenPair(SUBJECT)).accessToken, 1);
      const { publicKey, kid } = pairOf(algorithm);
      const object = createPublicKey(publicKey);
      const forms = [
        publicKey,
        publicKey.trim(),
        object.export({ type: "spki", format: "der" }),
        JSON.stringify(await exportJWK(object)),
        kid,
      ];
      for (const form of forms) {
        for (const header of [
          { alg: "HS256", typ: "at+jwt", kid },
          { alg: "HS256", typ: "at+jwt" },
          { alg: algorithm, typ: "at+jwt", kid },
        ]) {
          const input = `${segment(header)}.${segment(claims)}`;
          const token = `${input}.${createHmac("sha256", form).update(input).digest("base64url")}`;
          expect(codeOf(await auth.verifyAccessToken(token))).toBe(1002);
        }
      }
    }
  });

  it("an unknown kid is refused without a trial, keys in the header are never used", async () => {
    const { auth } = createFixture({ signing: await loaded("ES256") });
    const claims = decoded((await auth.createTokenPair(SUBJECT)).accessToken, 1);
    const own = createPrivateKey(pairOf("ES256").privateKey);
    const thief = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = await exportJWK(thief.publicKey);
    const { kid } = pairOf("ES256");
    const base = { alg: "ES256", typ: "at+jwt" };
    for (const header of [
      base,
      { ...base, kid: "other" },
      { ...base, kid: null },
      { ...base, kid: `${kid}\0` },
      { ...base, kid, crit: [] },
      { ...base, kid, b64: true },
    ]) {
      expect(codeOf(await auth.verifyAccessToken(forge(header, claims, own, "ES256")))).toBe(1002);
    }
    const thumbprint = await calculateJwkThumbprint(jwk);
    for (const header of [
      { ...base, jwk },
      { ...base, kid, jwk },
      { ...base, kid: thumbprint, jwk },
      { ...base, kid },
      { ...base, kid, jku: "https://evil.example" },
    ]) {
      expect(codeOf(await auth.verifyAccessToken(forge(header, claims, thief.privateKey, "ES256")))).toBe(1002);
    }
  });

  it("CVE-2022-21449: a signature of zeros is none; an ES256 signature in DER is none", async () => {
    const { auth } = createFixture({ signing: await loaded("ES256") });
    const { accessToken } = await auth.createTokenPair(SUBJECT);
    const input = accessToken.slice(0, accessToken.lastIndexOf("."));
    const der = sign("sha256", Buffer.from(input), createPrivateKey(pairOf("ES256").privateKey));
    for (const signature of [Buffer.alloc(64), Buffer.concat([Buffer.alloc(63), Buffer.of(1)]), Buffer.alloc(0), der]) {
      expect(codeOf(await auth.verifyAccessToken(`${input}.${signature.toString("base64url")}`))).toBe(1002);
    }
  });

  it("an ES256 signature has a twin, n - s: what ends the token ends it under both", async () => {
    const { auth } = createFixture({ signing: await loaded("ES256") });
    const { accessToken } = await auth.createTokenPair(SUBJECT);
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const at = accessToken.lastIndexOf(".") + 1;
    const signature = Buffer.from(accessToken.slice(at), "base64url");
    const s = BigInt(`0x${signature.subarray(32).toString("hex")}`);
    const twinS = Buffer.from((order - s).toString(16).padStart(64, "0"), "hex");
    const twin = accessToken.slice(0, at) + Buffer.concat([signature.subarray(0, 32), twinS]).toString("base64url");
    expect([codeOf(await auth.verifyAccessToken(accessToken)), codeOf(await auth.verifyAccessToken(twin))]).toEqual(["ok", "ok"]);
    await auth.logout(valueOf(await auth.verifyAccessToken(twin)));
    expect([codeOf(await auth.verifyAccessToken(accessToken)), codeOf(await auth.verifyAccessToken(twin))]).toEqual([1004, 1004]);
  });

  it("a refresh token under a key pair, or an access token of another type, is refused", async () => {
    const { auth } = createFixture({ signing: await loaded("EdDSA") });
    const { refreshToken } = await auth.createTokenPair(SUBJECT);
    const { kid, privateKey } = pairOf("EdDSA");
    const claims = decoded(refreshToken, 1);
    const forged = forge({ alg: "EdDSA", typ: "rt+jwt", kid }, claims, createPrivateKey(privateKey), "EdDSA");
    expect(codeOf(await auth.refresh(forged))).toBe(1002);
    expect(codeOf(await auth.verifyAccessToken(forged))).toBe(1002);
    expect(codeOf(await auth.verifyAccessToken(refreshToken))).toBe(1002);
  });
});

describe("rotation", () => {
  const build = (store: ReturnType<typeof createMemoryStore>, signing?: SigningKeys, secrets = SECRET) =>
    createAuth({
      store,
      users: createUserDirectory({ store }),
      secrets,
      apiKeyPeppers: PEPPER,
      ...(signing === undefined ? {} : { signing }),
    });

  it("by kid: the first signs, a retired public key verifies, a dropped one does not", async () => {
    const store = createMemoryStore();
    const before = build(store, await loaded("ES256"));
    const { accessToken } = await before.createTokenPair(SUBJECT);
    const during = build(store, await loadSigningKeys([pairOf("EdDSA").privateKey, pairOf("ES256").publicKey]));
    expect(codeOf(await during.verifyAccessToken(accessToken))).toBe("ok");
    const fresh = (await during.createTokenPair(SUBJECT)).accessToken;
    expect(decoded(fresh, 0)["alg"]).toBe("EdDSA");
    // Those that have not been restarted yet know the next key by its public half.
    const notYet = build(store, await loadSigningKeys([pairOf("ES256").privateKey, pairOf("EdDSA").publicKey]));
    expect(codeOf(await notYet.verifyAccessToken(fresh))).toBe("ok");
    const after = build(store, await loaded("EdDSA"));
    expect(codeOf(await after.verifyAccessToken(accessToken))).toBe(1002);
    expect(codeOf(await after.verifyAccessToken(fresh))).toBe("ok");
  });

  it("from secrets to a key pair and back: what was signed before is accepted while its key is listed", async () => {
    const store = createMemoryStore();
    const old = (await build(store).createTokenPair(SUBJECT)).accessToken;
    const switched = build(store, await loaded("ES256"));
    expect(codeOf(await switched.verifyAccessToken(old))).toBe("ok");
    const signed = (await switched.createTokenPair(SUBJECT)).accessToken;
    const rotated = build(store, await loaded("ES256"), `${OLD_SECRET},${SECRET}`);
    expect([codeOf(await rotated.verifyAccessToken(old)), codeOf(await rotated.verifyAccessToken(signed))]).toEqual(["ok", "ok"]);
    // The keyed hashes of a token are its secret's: where that is gone, so is the token.
    const dropped = build(store, await loaded("ES256"), OLD_SECRET);
    expect([codeOf(await dropped.verifyAccessToken(old)), codeOf(await dropped.verifyAccessToken(signed))]).toEqual([1002, 1002]);
    expect(codeOf(await build(store).verifyAccessToken(signed))).toBe(1002);
  });
});

describe("loadSigningKeys", () => {
  it("reads PEM, JWK, JSON and KeyObjects to one kid: the thumbprint (RFC 7638)", async () => {
    for (const algorithm of ALGORITHMS) {
      const { privateKey, publicKey, kid } = pairOf(algorithm);
      const object = createPrivateKey(privateKey);
      const jwk = { ...(await exportJWK(object)), kid: "chosen by somebody" };
      for (const source of [privateKey, object, jwk, JSON.stringify(jwk), { ...jwk, alg: algorithm, use: "sig", key_ops: ["sign"] }]) {
        const { jwks } = await loadSigningKeys(source);
        expect(jwks.keys.map((key) => [key.kid, key.alg, key.use])).toEqual([[kid, algorithm, "sig"]]);
      }
      expect(await calculateJwkThumbprint(await exportJWK(createPublicKey(publicKey)))).toBe(kid);
      if (algorithm === "EdDSA") expect((await loadSigningKeys({ ...jwk, alg: "Ed25519" })).jwks.keys[0]?.alg).toBe("EdDSA");
    }
  });

  it("publishes public members only, frozen", async () => {
    const { jwks } = await loaded(...ALGORITHMS);
    expect(jwks.keys.map((key) => Object.keys(key).sort())).toEqual([
      ["alg", "e", "kid", "kty", "n", "use"],
      ["alg", "crv", "kid", "kty", "use", "x", "y"],
      ["alg", "crv", "kid", "kty", "use", "x"],
    ]);
    for (const value of [jwks, jwks.keys, ...jwks.keys]) expect(Object.isFrozen(value)).toBe(true);
  });

  it("refuses what is weak, of another kind, for another use, twice there, or no key; no message shows one", async () => {
    const { privateKey, publicKey } = pairOf("ES256");
    const jwk = await exportJWK(createPrivateKey(privateKey));
    const canary = String(jwk.d);
    const weak = (options: { modulusLength: number; publicExponent?: number }) => generateKeyPairSync("rsa", options).privateKey;
    const bad: unknown[] = [
      [],
      undefined,
      null,
      "",
      42,
      SECRET,
      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
      [publicKey],
      [privateKey, privateKey],
      [privateKey, publicKey],
      Array.from({ length: 17 }, () => privateKey),
      weak({ modulusLength: 2047 }),
      weak({ modulusLength: 1024 }),
      weak({ modulusLength: 2048, publicExponent: 3 }),
      generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey,
      generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
      generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey,
      generateKeyPairSync("ed448").privateKey,
      generateKeyPairSync("x25519").privateKey,
      { ...jwk, use: "enc" },
      { ...jwk, alg: "ES384" },
      { ...jwk, alg: "HS256" },
      { ...jwk, key_ops: ["deriveBits"] },
      { ...jwk, key_ops: "sign" },
      { ...jwk, x: "AAAA" },
      { kty: "oct", k: randomBytes(32).toString("base64url") },
      JSON.stringify({ keys: [jwk] }),
      `{"kty":"EC",${JSON.stringify(jwk).slice(1)}`,
    ];
    for (const source of bad) {
      // @ts-expect-error: JavaScript callers can
      const error: unknown = await loadSigningKeys(source).catch((thrown: unknown) => thrown);
      expect(error, JSON.stringify(source)?.slice(0, 80)).toBeInstanceOf(ConfigurationError);
      expect(String(error)).not.toContain(canary);
      expect((error as Error).cause).toBeUndefined();
    }
  });

  it("createAuth takes nothing that it did not make", async () => {
    for (const signing of [pairOf("ES256").privateKey, {}, { jwks: { keys: [] } }, null]) {
      // @ts-expect-error: JavaScript callers can
      expect(() => createFixture({ signing })).toThrow(/signing/);
    }
    // @ts-expect-error: JavaScript callers can
    await expect(generateSigningKeys("HS256")).rejects.toThrow(ConfigurationError);
  });
});

describe("GET /.well-known/jwks.json", () => {
  const closers: (() => void)[] = [];
  afterAll(() => closers.forEach((close) => close()));

  it("lets jose verify our tokens over HTTP, by its createRemoteJWKSet, also after a rotation", async () => {
    const { auth, clock } = createFixture({ signing: await loaded("ES256", "RS256") });
    const handler = toFetchHandler(createApp({ routes: authRoutes(auth, { prefix: "/api/auth" }) }));
    let asked = 0;
    const server = createServer((request, response) => {
      asked += 1;
      void handler(new Request(`http://localhost${request.url ?? ""}`)).then(async (answer) => {
        response.writeHead(answer.status, Object.fromEntries(answer.headers));
        response.end(await answer.text());
      });
    }).listen(0, "127.0.0.1");
    closers.push(() => void server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    const remote = createRemoteJWKSet(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/jwks.json`));
    const options = { typ: "at+jwt", currentDate: new Date(clock.now()) };
    const { accessToken } = await auth.createTokenPair(SUBJECT);
    expect((await jwtVerify(accessToken, remote, options)).payload.sub).toBe("ada");
    // One made with the second key, as before a rotation.
    const key = await importPKCS8(pairOf("RS256").privateKey, "RS256");
    const retired = await new SignJWT(decoded(accessToken, 1))
      .setProtectedHeader({ alg: "RS256", typ: "at+jwt", kid: pairOf("RS256").kid })
      .sign(key);
    expect((await jwtVerify(retired, remote, options)).protectedHeader.alg).toBe("RS256");
    expect(asked).toBe(1);
  });

  it("is public, cacheable, at the root, and there only where there are keys", async () => {
    const { auth } = createFixture({ signing: await loaded("EdDSA") });
    const handler = toFetchHandler(createApp({ routes: authRoutes(auth, { prefix: "/api" }) }));
    const response = await handler(new Request("http://localhost/.well-known/jwks.json"));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain("json");
    expect(response.headers.get("cache-control")).toMatch(/^public, max-age=[1-9]\d*$/);
    expect(await response.json()).toEqual({
      keys: [{ kty: "OKP", crv: "Ed25519", x: expect.any(String) as string, use: "sig", alg: "EdDSA", kid: pairOf("EdDSA").kid }],
    });
    const without = createFixture().auth;
    expect(authRoutes(without).some(({ path }) => path.includes("jwks"))).toBe(false);
    expect(() => jwksRoute(without)).toThrow(ConfigurationError);
  });
});
