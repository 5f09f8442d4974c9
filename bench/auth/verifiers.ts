// Everybody who verifies an access token, from the least that it can cost to the whole check.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Request, Response } from "express";
import { expressjwt } from "express-jwt";
import { createVerifier } from "fast-jwt";
import { jwtVerify } from "jose";
import jsonwebtoken from "jsonwebtoken";
// Not public: whoever verifies a token with us looks at more.
import { createCompactJws } from "../../packages/auth/src/jwt/compact-jws.js";
import { createSecretRing } from "../../packages/auth/src/jwt/secret-ring.js";
import type { Variant } from "../harness/measure.js";
import { authOn, CACHE_ENTRIES, type Callers, copyOf, ORDER } from "./callers.js";

/** HMAC of node:crypto, the claims decoded, `exp` looked at: nothing else. */
export const RAW = "raw: HMAC, decode, exp";
/** As far as the others go: signature, strict reading of header and claims, `exp`. */
export const OURS_VERIFY = "portcullis, its verification alone";
export const OURS = "portcullis, whole check";
export const OURS_CACHED = "portcullis, remembered";
export const FAST_JWT = "fast-jwt";
export const FAST_JWT_CACHED = "fast-jwt, cache";
export const JOSE = "jose";
export const JSONWEBTOKEN = "jsonwebtoken";
export const EXPRESS_JWT = "express-jwt, its middleware";

/** Verifies one token. @returns Whose it is; `undefined`: it is refused. */
type Verify = (token: string) => string | undefined | Promise<string | undefined>;

/** One that is measured, and its answers. */
export interface Verifier {
  readonly variant: Variant;
  readonly verify: Verify;
}

interface Claims {
  readonly sub: string;
  readonly exp: number;
}

export function raw({ tokens, key }: Callers): Verifier {
  return synchronous(RAW, tokens, (token) => {
    const end = token.lastIndexOf(".");
    const expected = createHmac("sha256", key).update(token.slice(0, end)).digest();
    const given = Buffer.from(token.slice(end + 1), "base64url");
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    const payload = Buffer.from(token.slice(token.indexOf(".") + 1, end), "base64url").toString("utf8");
    const { sub, exp } = JSON.parse(payload) as Claims; // as it was signed
    return Date.now() < exp * 1000 ? sub : undefined;
  });
}

export function oursVerify({ tokens, keyBytes }: Callers): Verifier {
  const jws = createCompactJws(createSecretRing("secrets", keyBytes.toString()), "at+jwt");
  return synchronous(OURS_VERIFY, tokens, (token) => {
    const opened = jws.open(token);
    if (opened.kind === "refused") return undefined;
    const { sub, exp } = opened.claims;
    return typeof sub === "string" && typeof exp === "number" && Date.now() < exp * 1000 ? sub : undefined;
  });
}

/** The whole check: signature, claims, time, and by the memory store whether session, version, password and id still count. */
export function ours({ tokens, store }: Callers): Verifier {
  return oursOn(OURS, tokens, authOn(store, 0));
}

/** The same, of tokens that were verified before: everything but the signature and the claims is looked at each time. */
export function oursCached({ tokens, store }: Callers): Verifier {
  return oursOn(OURS_CACHED, tokens, authOn(store));
}

function oursOn(name: string, tokens: readonly string[], auth: ReturnType<typeof authOn>): Verifier {
  return synchronous(name, tokens, (token) => {
    const result = auth.verifyAccessToken(token);
    if (result instanceof Promise) throw new Error("The memory store answers without a promise.");
    return result.kind === "ok" ? result.value.principal.id : undefined;
  });
}

export function fastJwt(callers: Callers): Verifier {
  return fastJwtWith(FAST_JWT, callers, false);
}

export function fastJwtCached(callers: Callers): Verifier {
  return fastJwtWith(FAST_JWT_CACHED, callers, CACHE_ENTRIES);
}

function fastJwtWith(name: string, { tokens, keyBytes }: Callers, cache: number | false): Verifier {
  const verify = createVerifier({ key: keyBytes, algorithms: ["HS256"], cache });
  return synchronous(name, tokens, (token) => {
    try {
      return (verify(token) as Claims).sub; // as it was signed
    } catch {
      return undefined;
    }
  });
}

export function jsonWebToken({ tokens, key }: Callers): Verifier {
  return synchronous(JSONWEBTOKEN, tokens, (token) => {
    try {
      return (jsonwebtoken.verify(token, key, { algorithms: ["HS256"] }) as Claims).sub; // as it was signed
    } catch {
      return undefined;
    }
  });
}

/** With the key imported once: a key object would be imported for each token. */
export async function jose({ tokens, keyBytes }: Callers): Promise<Verifier> {
  const key = await crypto.subtle.importKey("raw", keyBytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  return asynchronous(JOSE, tokens, async (token) => {
    try {
      return (await jwtVerify(token, key, { algorithms: ["HS256"] })).payload.sub;
    } catch {
      return undefined;
    }
  });
}

/** Called as Express calls it, with what it reads of a request. */
export function expressJwt({ tokens, key }: Callers): Verifier {
  const middleware = expressjwt({ secret: key, algorithms: ["HS256"] });
  return asynchronous(
    EXPRESS_JWT,
    tokens,
    (token) =>
      new Promise((resolve) => {
        const request = { method: "GET", headers: { authorization: `Bearer ${token}` }, auth: undefined as Claims | undefined };
        const next = (error?: unknown): void => resolve(error === undefined ? request.auth?.sub : undefined);
        void middleware(request as unknown as Request, {} as Response, next); // all that it reads
      }),
  );
}

function synchronous(name: string, tokens: readonly string[], verify: (token: string) => string | undefined): Verifier {
  const texts = copiesOf(tokens);
  let next = 0;
  return {
    verify,
    variant: {
      name,
      turn(count) {
        let accepted = 0;
        for (let index = 0; index < count; index += 1) if (verify(texts[next++ & (ORDER - 1)] as string) !== undefined) accepted += 1; // masked
        return accepted;
      },
    },
  };
}

function asynchronous(name: string, tokens: readonly string[], verify: (token: string) => Promise<string | undefined>): Verifier {
  const texts = copiesOf(tokens);
  let next = 0;
  return {
    verify,
    variant: {
      name,
      async turn(count) {
        let accepted = 0;
        for (let index = 0; index < count; index += 1) {
          if ((await verify(texts[next++ & (ORDER - 1)] as string)) !== undefined) accepted += 1; // masked
        }
        return accepted;
      },
    },
  };
}

// One for each caller, as the parser of a request has just made it: in the processor's cache, but no string that was seen before.
function copiesOf(tokens: readonly string[]): readonly string[] {
  const copies = new Map([...new Set(tokens)].map((token) => [token, copyOf(token)]));
  return tokens.map((token) => copies.get(token) ?? token);
}

/** Asks for tokens that are good, that were forged, and that have expired. @throws {Error} Somebody decides otherwise. */
export async function checkVerifier({ variant: { name }, verify }: Verifier, { tokens, key }: Callers): Promise<void> {
  for (const token of tokens.slice(0, 200)) {
    const { sub } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Claims; // as it was signed
    for (let time = 0; time < 2; time += 1) {
      if ((await verify(copyOf(token))) !== sub) throw new Error(`${name} refuses a good token, or gives it to somebody else.`);
    }
    const [header = "", payload = "", signature = ""] = token.split(".");
    const other = `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
    const later = { ...(JSON.parse(Buffer.from(payload, "base64url").toString()) as Claims), iat: 1, exp: 2 };
    const old = `${header}.${Buffer.from(JSON.stringify(later)).toString("base64url")}`;
    for (const bad of [`${header}.${payload}.${other}`, `${old}.${createHmac("sha256", key).update(old).digest("base64url")}`]) {
      if ((await verify(bad)) !== undefined) throw new Error(`${name} accepts a token that was forged or has expired.`);
    }
  }
}
