// Key pairs for tokens that others verify without a secret of ours: they fetch the public keys (JWKS, RFC 7517).

import { createPrivateKey, createPublicKey, KeyObject, type JsonWebKeyInput } from "node:crypto";
import { ConfigurationError, invalidOption, JsonRefused, parseStrictJson } from "@portcullis/core";
import type { JWK } from "jose";
import { privateJwsKey, publicJwsKey, type JwsKey, type JwsSigner, type SigningAlgorithm } from "./jws-key.js";

// By this way round: the name itself is in another place in each version of the types of Node.
type JsonWebKey = JsonWebKeyInput["key"];

/** A key as PEM (PKCS#8, SPKI, PKCS#1, SEC1), as a JWK or its JSON, or as a `KeyObject`. */
export type SigningKeySource = string | JsonWebKeyInput["key"] | JWK | KeyObject;

/** The public half of a key, as it is published. */
export interface PublicJwk {
  readonly kty: string;
  readonly use: "sig";
  readonly alg: SigningAlgorithm;
  readonly kid: string;
  readonly [member: string]: string;
}

/** Key pairs, made by {@link loadSigningKeys}. Nothing can be read out of it but the public keys. */
export interface SigningKeys {
  /** What `GET /.well-known/jwks.json` answers (RFC 7517 §5). */
  readonly jwks: { readonly keys: readonly PublicJwk[] };
}

/** Key pairs in order: the first signs, all verify. */
export interface SigningRing {
  readonly current: JwsSigner;
  readonly all: readonly JwsKey[];
  readonly jwks: SigningKeys["jwks"];
}

/** A new key pair. */
export interface GeneratedSigningKeys {
  readonly algorithm: SigningAlgorithm;
  /** Its thumbprint (RFC 7638): what tokens will name it by. */
  readonly kid: string;
  /** PKCS#8 PEM. Whoever has it signs tokens. */
  readonly privateKey: string;
  /** SPKI PEM. */
  readonly publicKey: string;
}

const MAX_KEYS = 16;
const MIN_RSA_BITS = 2048; // RFC 7518 §3.3
// Longer ones make each verification slow enough to be worth sending tokens for.
const MAX_RSA_BITS = 8192;
const MIN_RSA_EXPONENT = 65_537n;
const ACCEPTED =
  "an RSA key of 2048 to 8192 bits (RS256), an EC key on P-256 (ES256) or an Ed25519 key (EdDSA), as PEM, as a JWK or as a KeyObject";

const rings = new WeakMap<SigningKeys, SigningRing>();

/**
 * Reads the key pairs that sign access and system tokens: the first signs and must be private, all verify; of a retired one give
 * the public key.
 *
 * What kind of key it is says for which algorithm it serves, and it serves for no other. Its `kid` is its thumbprint (RFC 7638),
 * whatever a JWK calls it. To rotate, put the new key second as a public one until verifiers have fetched it, then first; drop the
 * old one when the longest token that it signed has expired.
 *
 * @param sources One key or a list of at most 16.
 * @throws {ConfigurationError} `invalid_option`: no such key, weak, meant for something else, or there twice. The message never
 *   shows one.
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { createAuth, createUserDirectory, generateSigningKeys, loadSigningKeys } from "@portcullis/auth";
 * import { createMemoryStore } from "@portcullis/core";
 *
 * const { privateKey } = await generateSigningKeys("ES256"); // once; then from your configuration
 * const signing = await loadSigningKeys([privateKey]);
 *
 * const store = createMemoryStore();
 * const secret = (): string => randomBytes(48).toString("base64");
 * createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret(), signing });
 * console.log(signing.jwks.keys[0]?.alg); // ES256
 * ```
 */
export async function loadSigningKeys(sources: SigningKeySource | readonly SigningKeySource[]): Promise<SigningKeys> {
  const entries: readonly unknown[] = Array.isArray(sources) ? [...sources] : [sources];
  if (entries.length === 0 || entries.length > MAX_KEYS) {
    throw invalidOption("signing", sources, `1 to ${MAX_KEYS} keys, the one that signs first`);
  }
  const read = await Promise.all(entries.map((entry, index) => readKey(`signing[${index}]`, entry)));
  const seen = new Set<string>();
  for (const [index, { jwk }] of read.entries()) {
    if (seen.has(jwk.kid)) throw refused(`signing[${index}]`, "the same key as one before it");
    seen.add(jwk.kid);
  }
  const current = read[0]?.signer;
  if (current === undefined) throw refused("signing[0]", "a public key; the first signs, so it must be private");
  const keys: SigningKeys = Object.freeze({ jwks: Object.freeze({ keys: Object.freeze(read.map(({ jwk }) => jwk)) }) });
  rings.set(keys, Object.freeze({ current, all: Object.freeze(read.map(({ key }) => key)), jwks: keys.jwks }));
  return keys;
}

/** @throws {ConfigurationError} `invalid_option`: it was not made by {@link loadSigningKeys}. */
export function readSigning(signing: SigningKeys | undefined): SigningRing | undefined {
  if (signing === undefined) return undefined;
  const ring = typeof signing === "object" ? rings.get(signing) : undefined;
  if (ring === undefined) throw invalidOption("signing", signing, "what loadSigningKeys resolved to");
  return ring;
}

/**
 * Makes a key pair: store the private key where your secrets are, and give it to {@link loadSigningKeys}. RSA keys have 3072 bits.
 *
 * @throws {ConfigurationError} `invalid_option`: no algorithm of those.
 */
export async function generateSigningKeys(algorithm: SigningAlgorithm): Promise<GeneratedSigningKeys> {
  if (!["RS256", "ES256", "EdDSA"].includes(algorithm)) throw invalidOption("algorithm", algorithm, '"RS256", "ES256" or "EdDSA"');
  const { exportPKCS8, exportSPKI, generateKeyPair } = await import("jose");
  const pair = await generateKeyPair(algorithm, { extractable: true, modulusLength: 3072 });
  const [privateKey, publicKey] = await Promise.all([exportPKCS8(pair.privateKey), exportSPKI(pair.publicKey)]);
  const { jwk } = await readKey("algorithm", privateKey);
  return Object.freeze({ algorithm, kid: jwk.kid, privateKey, publicKey });
}

interface ReadKey {
  readonly key: JwsKey;
  readonly signer: JwsSigner | undefined;
  readonly jwk: PublicJwk;
}

async function readKey(option: string, source: unknown): Promise<ReadKey> {
  const { key, algorithm: declared } = toKeyObject(option, source);
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  const algorithm = algorithmOf(option, publicKey);
  // "Ed25519" is what RFC 9864 calls EdDSA with this curve.
  const isDeclared = declared === undefined || declared === algorithm || (declared === "Ed25519" && algorithm === "EdDSA");
  if (!isDeclared) throw refused(option, "a key that says it is for another algorithm");
  // Loaded where there are key pairs only: most services sign with secrets, and start sooner without it.
  const { calculateJwkThumbprint, exportJWK } = await import("jose");
  const members = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(members, "sha256");
  // exportJWK of a public key gives public members only; they are strings for these kinds of keys.
  const jwk = Object.freeze({ ...members, use: "sig", alg: algorithm, kid }) as PublicJwk;
  const signer = key.type === "private" ? privateJwsKey(kid, algorithm, key, publicKey) : undefined;
  return { key: publicJwsKey(kid, algorithm, publicKey), signer, jwk };
}

function toKeyObject(option: string, source: unknown): { readonly key: KeyObject; readonly algorithm: unknown } {
  if (source instanceof KeyObject) {
    if (source.type === "secret") throw refused(option, "a secret; those belong into secrets");
    return { key: source, algorithm: undefined };
  }
  if (typeof source === "string" && !source.trimStart().startsWith("{")) return { key: parse(option, source), algorithm: undefined };
  const jwk = typeof source === "string" ? readJson(option, source) : source;
  if (typeof jwk !== "object" || jwk === null || Array.isArray(jwk)) throw invalidOption(option, source, ACCEPTED);
  const { use, alg, key_ops: operations } = jwk as JWK; // its members are checked here, or by whoever parses it
  if (use !== undefined && use !== "sig") throw refused(option, 'a key whose "use" is not "sig"');
  if (operations !== undefined && !(Array.isArray(operations) && operations.some((each) => each === "sign" || each === "verify"))) {
    throw refused(option, 'a key whose "key_ops" have neither "sign" nor "verify"');
  }
  return { key: parse(option, jwk as JsonWebKey), algorithm: alg };
}

function parse(option: string, source: string | JsonWebKey): KeyObject {
  const isPrivate = typeof source === "string" ? source.includes("PRIVATE KEY-----") : source.d !== undefined;
  try {
    if (typeof source !== "string") {
      return isPrivate ? createPrivateKey({ key: source, format: "jwk" }) : createPublicKey({ key: source, format: "jwk" });
    }
    return isPrivate ? createPrivateKey(source) : createPublicKey(source);
  } catch {
    // Without its cause: a parser's message may quote what it read.
    throw refused(option, "not a key that can be read");
  }
}

function readJson(option: string, text: string): unknown {
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (error instanceof JsonRefused) throw refused(option, "not a key that can be read");
    throw error;
  }
}

function algorithmOf(option: string, { asymmetricKeyType: kind, asymmetricKeyDetails: details = {} }: KeyObject): SigningAlgorithm {
  if (kind === "ed25519") return "EdDSA";
  if (kind === "ec" && details.namedCurve === "prime256v1") return "ES256";
  const { modulusLength = 0, publicExponent = 0n } = details;
  if (kind === "rsa" && modulusLength >= MIN_RSA_BITS && modulusLength <= MAX_RSA_BITS && publicExponent >= MIN_RSA_EXPONENT)
    return "RS256";
  throw refused(option, "a key of another kind or size");
}

function refused(option: string, is: string): ConfigurationError {
  return new ConfigurationError("invalid_option", `Option "${option}" is ${is}; it must be ${ACCEPTED}.`);
}
