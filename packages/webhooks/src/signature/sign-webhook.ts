import { createHmac } from "node:crypto";
import { secretKey } from "./secret.js";

/** One message to sign. */
export interface WebhookMessage {
  /** The same at every attempt; visible ASCII without `.`, 256 characters at most. */
  readonly id: string;
  /** Epoch seconds of this attempt, whole. */
  readonly timestampSeconds: number;
  /** Exactly what is sent; a text is sent as UTF-8. */
  readonly body: Uint8Array | string;
  /** The newest first; during a rotation there are two. At least one. */
  readonly secrets: readonly string[];
}

/** The header fields that prove who sent a message. */
export interface WebhookHeaders {
  readonly "webhook-id": string;
  readonly "webhook-timestamp": string;
  /** `v1,<base64>` for each secret, separated by spaces. */
  readonly "webhook-signature": string;
  /**
   * `sha256=<hex>` over the body alone, keyed by the newest secret's whole text. For receivers that know nothing else: it proves
   * no time, so a captured message can be sent again for ever.
   */
  readonly "x-webhook-signature": string;
}

// `.` separates the signed parts: an id with one could borrow digits from the timestamp.
const MESSAGE_ID = /^[\x21-\x2d\x2f-\x7e]{1,256}$/;

/** Whether a text can be the id of a message. */
export function isMessageId(id: string): boolean {
  return MESSAGE_ID.test(id);
}

/**
 * Signs exactly these bytes, at this time, under each secret.
 *
 * @throws {TypeError} The id or the timestamp is malformed, or there is no secret.
 * @throws {WebhookError} `invalid_secret`.
 * @see Standard Webhooks §"Signature scheme"
 * @example
 * ```ts
 * import { createWebhookSecret, signWebhook } from "@portcullis/webhooks";
 *
 * const headers = signWebhook({ id: "msg_1", timestampSeconds: 1_893_456_000, body: "{}", secrets: [createWebhookSecret()] });
 * console.log(headers["webhook-signature"].startsWith("v1,")); // true
 * ```
 */
export function signWebhook({ id, timestampSeconds, body, secrets }: WebhookMessage): WebhookHeaders {
  if (!isMessageId(id)) throw new TypeError("A webhook id is 1 to 256 visible ASCII characters without a dot.");
  if (!Number.isSafeInteger(timestampSeconds) || timestampSeconds < 0) throw new TypeError("timestampSeconds is whole epoch seconds.");
  const [newest] = secrets;
  if (newest === undefined) throw new TypeError("Signing takes at least one secret.");
  const timestamp = String(timestampSeconds);
  const signatures = secrets.map((secret) => `v1,${timestampedMac(secret, id, timestamp, body).toString("base64")}`);
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatures.join(" "),
    "x-webhook-signature": `sha256=${bodyMac(newest, body).toString("hex")}`,
  };
}

/** HMAC-SHA256 over `id.timestamp.body`, the header texts as they are sent. */
export function timestampedMac(secret: string, id: string, timestamp: string, body: Uint8Array | string): Buffer {
  return createHmac("sha256", secretKey(secret)).update(`${id}.${timestamp}.`).update(body).digest();
}

/** HMAC-SHA256 over the body alone. */
export function bodyMac(secret: string, body: Uint8Array | string): Buffer {
  secretKey(secret); // a weak secret is refused here too
  return createHmac("sha256", secret).update(body).digest();
}
