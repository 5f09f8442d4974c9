// HTTP Message Signatures (RFC 9421), as far as a caller needs them to say on whose behalf it calls: HMAC-SHA256, one signature, a
// fixed set of components. What may vary is refused, since each freedom of a verifier is one of an attacker.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { GuardRequest } from "@portcullis/core";

/** What a signature says of itself. */
export interface SignatureParams {
  /** Epoch seconds. */
  readonly created: number;
  readonly keyid: string;
  readonly nonce: string;
  /** Whom the request is for: a signature for one service says nothing to another. */
  readonly tag: string;
}

/** A signature as it was sent, taken apart; not yet verified. */
export interface SentSignature {
  readonly params: SignatureParams;
  /** The covered components, in order. */
  readonly components: readonly string[];
  /** The value of `@signature-params`, as sent. */
  readonly input: string;
  readonly bytes: Uint8Array;
}

/** The parts of a request that are signed. */
export type SignedMessage = Pick<GuardRequest, "method" | "target" | "header">;

export const SIGNATURE_HEADERS = ["signature-input", "signature"] as const;

const LABEL = "[a-z*][a-z0-9_.*-]{0,63}";
const INPUT = new RegExp(
  `^(${LABEL})=((\\("[a-z0-9@-]+"(?: "[a-z0-9@-]+")*\\))((?:;[a-z]+=(?:\\d{1,15}|"[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]{0,256}"))+))$`,
);
// 32 bytes in base64. The last letter carries four bits: the other two are zero, or there would be four spellings of one signature.
const SIGNATURE = new RegExp(`^(${LABEL})=:([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=):$`);
const PARAM = /;([a-z]+)=(?:(\d{1,15})|"([^"]*)")/g;
const KNOWN_PARAMS = new Set(["created", "keyid", "nonce", "alg", "tag"]);
const ALGORITHM = "hmac-sha256";
const LEAST_NONCE = 16;
const MOST_NONCE = 128;

/** Reads the one signature of a request; `undefined` where it is not of the form that is accepted. */
export function parseSignature(request: Pick<GuardRequest, "header" | "headerCount">): SentSignature | undefined {
  if (SIGNATURE_HEADERS.some((name) => request.headerCount(name) !== 1)) return undefined;
  const input = INPUT.exec(request.header("signature-input") ?? "");
  const signature = SIGNATURE.exec(request.header("signature") ?? "");
  if (input === null || signature === null || input[1] !== signature[1]) return undefined;
  const [, , value = "", list = "", paramText = ""] = input;
  const params = parseParams(paramText);
  if (params === undefined) return undefined;
  const components = list.slice(2, -2).split('" "');
  // RFC 9421 §2: each component once.
  if (new Set(components).size < components.length) return undefined;
  return { params, components, input: value, bytes: Buffer.from(signature[2] ?? "", "base64") };
}

function parseParams(text: string): SignatureParams | undefined {
  const found = new Map<string, string | number>();
  for (const [, name = "", digits, quoted] of text.matchAll(PARAM)) {
    if (found.has(name) || !KNOWN_PARAMS.has(name)) return undefined;
    found.set(name, digits === undefined ? (quoted ?? "") : Number(digits));
  }
  const [created, keyid, nonce, tag, alg = ALGORITHM] = ["created", "keyid", "nonce", "tag", "alg"].map((name) => found.get(name));
  if (typeof created !== "number" || typeof keyid !== "string" || typeof nonce !== "string" || typeof tag !== "string") return undefined;
  if (alg !== ALGORITHM || nonce.length < LEAST_NONCE || nonce.length > MOST_NONCE) return undefined;
  return { created, keyid, nonce, tag };
}

/** Whether one of the secrets made the signature. */
export function verifySignature(message: SignedMessage, sent: SentSignature, secrets: readonly string[]): boolean {
  const base = signatureBase(message, sent.components, sent.input);
  if (base === undefined) return false;
  // All of them are tried: how long it takes does not tell which one fits.
  return secrets.map((secret) => isEqual(hmac(base, secret), sent.bytes)).includes(true);
}

/** The two fields that sign a message. */
export function makeSignature(
  message: SignedMessage,
  components: readonly string[],
  { created, keyid, nonce, tag }: SignatureParams,
  secret: string,
): Readonly<Record<(typeof SIGNATURE_HEADERS)[number], string>> {
  const list = components.map((component) => `"${component}"`).join(" ");
  const input = `(${list});created=${created};keyid="${keyid}";nonce="${nonce}";tag="${tag}";alg="${ALGORITHM}"`;
  const base = signatureBase(message, components, input) as string; // the components are those that the message has
  return { "signature-input": `identity=${input}`, signature: `identity=:${hmac(base, secret).toString("base64")}:` };
}

// RFC 9421 §2.5.
export function signatureBase(message: SignedMessage, components: readonly string[], input: string): string | undefined {
  const lines: string[] = [];
  for (const component of components) {
    const value = componentOf(message, component);
    if (value === undefined) return undefined;
    lines.push(`"${component}": ${value}`);
  }
  return [...lines, `"@signature-params": ${input}`].join("\n");
}

function componentOf(message: SignedMessage, component: string): string | undefined {
  // The white space about a value is gone already (RFC 9112 §5.1). trim() would take more than that: a no-break space is a byte of it.
  if (!component.startsWith("@")) return message.header(component);
  const { method, target } = message;
  const query = target.indexOf("?");
  switch (component) {
    case "@method":
      return method;
    case "@path":
      return query === -1 ? target : target.slice(0, query);
    // RFC 9421 §2.2.7: with its question mark, which stands alone where there is no query.
    case "@query":
      return query === -1 ? "?" : target.slice(query);
    default:
      return undefined;
  }
}

export function hmac(base: string, secret: string | Uint8Array): Buffer {
  return createHmac("sha256", secret).update(base).digest();
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
