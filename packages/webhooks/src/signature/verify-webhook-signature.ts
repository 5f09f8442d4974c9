import { timingSafeEqual } from "node:crypto";
import { bodyMac, isMessageId, timestampedMac } from "./sign-webhook.js";

/** A received message, and what is expected of it. */
export interface WebhookVerificationOptions {
  /** All that are valid now: during a rotation the new and the old one. At least one. */
  readonly secrets: readonly string[];
  /** Names in lower case, or a Fetch `Headers`. */
  readonly headers: Headers | Readonly<Record<string, string | undefined>>;
  /** The bytes as received: never a text that was parsed and written again. */
  readonly body: Uint8Array | string;
  /** Epoch ms. */
  readonly now: number;
  /** How far the sender's clock and the time of travel may be off, both ways. Default 300. */
  readonly toleranceSeconds?: number;
  /**
   * Whether a message with nothing but `X-Webhook-Signature` counts. It carries no time and no id: whoever captured one can
   * send it again for ever. Default `refused`.
   */
  readonly bodyOnly?: "refused" | "accepted";
}

/** Whether a message is from a holder of the secret, and why not. */
export type WebhookVerification =
  | { readonly valid: true; readonly id: string | undefined; readonly timestampSeconds: number | undefined }
  | { readonly valid: false; readonly reason: WebhookRefusal };

/** Why a message is refused; for the log, not for the sender. */
export type WebhookRefusal =
  | "missing_header"
  | "malformed_id"
  | "malformed_timestamp"
  | "malformed_signature"
  | "too_old"
  | "too_new"
  | "wrong_signature";

const DEFAULT_TOLERANCE_SECONDS = 300;
// What a header may cost to check: a hostile sender chooses its length.
const MAX_SIGNATURES = 10;
const MAX_HEADER_LENGTH = 4096;
// Not Number(): it takes " 1", "+1", "1e9" and "0x1" for a time that is then signed in another spelling.
const TIMESTAMP = /^[0-9]{1,12}$/;
const V1 = /^v1,([A-Za-z0-9+/]{43}=)$/;
const BODY_ONLY = /^sha256=([0-9a-f]{64})$/;

/**
 * Whether exactly these bytes were signed with one of the secrets, within the tolerance. Pure.
 *
 * @throws {WebhookError} `invalid_secret`: one of our own secrets is malformed.
 * @throws {TypeError} There is no secret to verify with, the tolerance is no number of seconds, or `now` is no time.
 * @see Standard Webhooks §"Verifying webhook authenticity"
 * @example
 * ```ts
 * import { createWebhookSecret, signWebhook, verifyWebhookSignature } from "@portcullis/webhooks";
 *
 * const secrets = [createWebhookSecret()];
 * const headers = { ...signWebhook({ id: "msg_1", timestampSeconds: 1_893_456_000, body: "{}", secrets }) };
 * console.log(verifyWebhookSignature({ secrets, headers, body: "{}", now: 1_893_456_000_000 }).valid); // true
 * ```
 */
export function verifyWebhookSignature(options: WebhookVerificationOptions): WebhookVerification {
  const { secrets, body, now, toleranceSeconds = DEFAULT_TOLERANCE_SECONDS, bodyOnly = "refused" } = options;
  if (secrets.length === 0) throw new TypeError("Verifying takes at least one secret.");
  if (!(toleranceSeconds >= 0 && Number.isFinite(toleranceSeconds))) throw new TypeError("toleranceSeconds is 0 or more.");
  // Compared with NaN, no message would ever be too old.
  if (!Number.isFinite(now)) throw new TypeError("now is epoch ms.");
  const header = headerReader(options.headers);
  const id = header("webhook-id");
  const timestamp = header("webhook-timestamp");
  const signature = header("webhook-signature");
  if (id === undefined && timestamp === undefined && signature === undefined && bodyOnly === "accepted") {
    return verifyBodyOnly(header("x-webhook-signature"), body, secrets);
  }
  if (id === undefined || timestamp === undefined || signature === undefined) return refused("missing_header");
  if (!isMessageId(id)) return refused("malformed_id");
  if (!TIMESTAMP.test(timestamp)) return refused("malformed_timestamp");
  const presented = parseSignatures(signature);
  if (presented.length === 0) return refused("malformed_signature");
  // The signature first: a stranger learns nothing about our clock.
  if (
    !anyEqual(
      presented,
      secrets.map((secret) => timestampedMac(secret, id, timestamp, body)),
    )
  )
    return refused("wrong_signature");
  const timestampSeconds = Number(timestamp);
  const nowSeconds = Math.floor(now / 1000);
  if (timestampSeconds < nowSeconds - toleranceSeconds) return refused("too_old");
  if (timestampSeconds > nowSeconds + toleranceSeconds) return refused("too_new");
  return { valid: true, id, timestampSeconds };
}

function verifyBodyOnly(signature: string | undefined, body: Uint8Array | string, secrets: readonly string[]): WebhookVerification {
  if (signature === undefined) return refused("missing_header");
  const hex = BODY_ONLY.exec(signature)?.[1];
  if (hex === undefined) return refused("malformed_signature");
  const isValid = anyEqual(
    [Buffer.from(hex, "hex")],
    secrets.map((secret) => bodyMac(secret, body)),
  );
  return isValid ? { valid: true, id: undefined, timestampSeconds: undefined } : refused("wrong_signature");
}

function parseSignatures(header: string): readonly Buffer[] {
  if (header.length > MAX_HEADER_LENGTH) return [];
  // Entries of other versions (v1a) are none of ours and harmless.
  return header
    .split(" ", MAX_SIGNATURES)
    .map((entry) => V1.exec(entry)?.[1])
    .filter((encoded) => encoded !== undefined)
    .map((encoded) => Buffer.from(encoded, "base64"));
}

// Every pair is compared, in constant time: neither which secret nor which entry matched shows in the time it takes.
function anyEqual(presented: readonly Buffer[], expected: readonly Buffer[]): boolean {
  let matches = 0;
  for (const mac of expected) {
    for (const candidate of presented) matches |= Number(candidate.length === mac.length && timingSafeEqual(candidate, mac));
  }
  return matches !== 0;
}

function headerReader(headers: WebhookVerificationOptions["headers"]): (name: string) => string | undefined {
  if (headers instanceof Headers) return (name) => headers.get(name) ?? undefined;
  return (name) => (Object.hasOwn(headers, name) ? headers[name] : undefined);
}

function refused(reason: WebhookRefusal): WebhookVerification {
  return { valid: false, reason };
}
