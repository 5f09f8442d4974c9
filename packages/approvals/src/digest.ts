import { createHash } from "node:crypto";
import { type JsonValue, parseStrictJson } from "@portcullis/core";
import { canonicalJson } from "./canonical-json.js";

/** What the digest of a body is taken over. */
export interface BodyDigest {
  readonly contentType: string | null;
  /** `json`: the canonical form, so that member order and white space do not matter; `raw`: the bytes. */
  readonly form: "json" | "raw";
  readonly sha256: string;
}

// Separates this digest from any other SHA-256 over JSON, and one version of its content from the next.
const DOMAIN = "portcullis/approval/v1\n";

const JSON_MEDIA_TYPE = /^application\/(?:json|[a-z0-9!#$&^_.+-]+\+json)\s*(?:;|$)/i;
// In two steps, without a group that repeats: a long text of escapes would overflow the stack of the regular expression.
const JSON_ESCAPE = /\\./g;
const JSON_STRING = /"[^"]*"/g;
// More digits than a double holds, or a negative zero: two texts that differ could parse alike, but not for every parser.
const INEXACT_NUMBER = /\d[\d.]{15,}|-0(?![.\d])/;

/** SHA-256, hex, over the domain-separated canonical form of what is to be approved. */
export function operationDigest(content: { readonly [name: string]: JsonValue }): string {
  return createHash("sha256").update(DOMAIN).update(canonicalJson(content)).digest("hex");
}

/** Whether a stored value is a digest of this version. */
export function isDigest(value: string): boolean {
  return /^[0-9a-f]{64}$/.test(value);
}

/**
 * The digest of a request's body.
 *
 * @throws {JsonRefused} A JSON body that is malformed or means two things (a duplicate member).
 * @throws {ApprovalError} `not_canonical`: a JSON body with a lone surrogate or a number out of range.
 */
export function digestBody(bytes: Uint8Array, contentType: string | undefined): BodyDigest {
  const json = parseJsonBody(bytes, contentType);
  const isExact =
    json !== undefined && !INEXACT_NUMBER.test(new TextDecoder().decode(bytes).replace(JSON_ESCAPE, "").replace(JSON_STRING, '""'));
  const covered = isExact ? canonicalJson(json.value) : bytes;
  return { contentType: contentType ?? null, form: isExact ? "json" : "raw", sha256: createHash("sha256").update(covered).digest("hex") };
}

/** The value of a JSON body; `undefined` for an empty body or another media type. @throws {JsonRefused} */
export function parseJsonBody(bytes: Uint8Array, contentType: string | undefined): { readonly value: JsonValue } | undefined {
  return bytes.length > 0 && JSON_MEDIA_TYPE.test(contentType ?? "") ? { value: parseStrictJson(bytes) } : undefined;
}
