import { WebhookError } from "./errors.js";

/** What every message says. */
export interface MessageBody {
  readonly type: string;
  /** When it happened, epoch ms; RFC 3339 on the wire. */
  readonly occurredAt: number;
  readonly data: unknown;
}

/**
 * The bytes of a message: `{"type":…,"timestamp":…,"data":…}`. Made once; every attempt sends and signs these.
 *
 * @throws {WebhookError} `payload_not_json`, `payload_too_large`.
 * @see Standard Webhooks §"Payload structure"
 */
export function encodeMessage({ type, occurredAt, data }: MessageBody, maxBytes: number): Uint8Array {
  const bytes = new TextEncoder().encode(stringify({ type, timestamp: new Date(occurredAt).toISOString(), data }));
  if (bytes.length > maxBytes)
    throw new WebhookError(
      "payload_too_large",
      `The message has ${bytes.length} bytes; at most ${maxBytes} are sent. Send an id to fetch it by.`,
    );
  return bytes;
}

/** When a stored message says that it happened. */
export function occurredAtOf(body: Uint8Array): number {
  const message: unknown = JSON.parse(new TextDecoder().decode(body));
  const timestamp = typeof message === "object" && message !== null && "timestamp" in message ? message.timestamp : undefined;
  return typeof timestamp === "string" ? Date.parse(timestamp) : Number.NaN;
}

function stringify(message: { readonly type: string; readonly timestamp: string; readonly data: unknown }): string {
  let text: string;
  try {
    text = JSON.stringify(message);
  } catch (cause) {
    throw new WebhookError("payload_not_json", "The payload has no JSON form: it holds a bigint or refers to itself.", { cause });
  }
  // JSON.stringify leaves out what it cannot say: a message without its data would be a lie.
  if (!Object.hasOwn(JSON.parse(text) as object, "data"))
    throw new WebhookError("payload_not_json", "The payload has no JSON form: it is undefined, a function or a symbol.");
  return text;
}
