import type { Clock } from "@portcullis/core";
import { type Agent, request } from "undici";
import { WebhookError } from "../errors.js";
import { parseRetryAfterMs } from "./retry.js";

/** How one attempt ended. */
export type SendResult =
  | {
      readonly kind: "response";
      readonly status: number;
      /** From sending to the status line. */
      readonly latencyMs: number;
      readonly retryAfterMs: number | undefined;
      /** What the receiver asks for with `webhook-delivery`. */
      readonly directive: "disable" | "abort-message" | undefined;
    }
  | { readonly kind: "failed"; readonly error: string }
  | { readonly kind: "blocked" };

/** One request to a receiver. */
export interface Sending {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Over connecting, headers and body together. */
  readonly timeoutMs: number;
  /** Gives the attempt up, e.g. at shutdown. */
  readonly signal: AbortSignal;
}

/** Nothing was decided: the attempt was given up, not failed. */
export class SendingAborted extends Error {
  override readonly name = "SendingAborted";
}

// Enough for a keep-alive connection to be used again; of more, the connection is closed instead.
const MAX_RESPONSE_BYTES = 16_384;

/**
 * Sends once. The status line decides; the body is thrown away, and a redirect is an answer like another.
 *
 * @throws {SendingAborted} The signal fired first.
 */
export async function send(agent: Agent, clock: Clock, { url, headers, body, timeoutMs, signal }: Sending): Promise<SendResult> {
  // undici's own timeouts restart with every chunk: a server that sends a byte a second would hold us for ever.
  const controller = new AbortController();
  let isTimedOut = false;
  const cancelDeadline = clock.after(timeoutMs, () => {
    isTimedOut = true;
    controller.abort();
  });
  const giveUp = (): void => controller.abort();
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  const startedAt = clock.monotonic();
  try {
    const response = await request(url, {
      ...{ dispatcher: agent, method: "POST", signal: controller.signal, body },
      // Ours last: an endpoint's own fields cannot replace them.
      headers: { ...headers, "user-agent": "portcullis-webhooks", "accept-encoding": "identity" },
    });
    const header = (name: string): string | undefined => [response.headers[name]].flat()[0];
    const directive = header("webhook-delivery");
    const result: SendResult = {
      kind: "response",
      status: response.statusCode,
      latencyMs: clock.monotonic() - startedAt,
      retryAfterMs: parseRetryAfterMs(header("retry-after"), header("date"), clock.now()),
      directive: directive === "disable" || directive === "abort-message" ? directive : undefined,
    };
    // Decided; whether the body ends well changes nothing.
    await response.body.dump({ limit: MAX_RESPONSE_BYTES, signal: controller.signal }).catch(() => {});
    return result;
  } catch (error) {
    if (signal.aborted) throw new SendingAborted("The attempt was given up.", { cause: error });
    if (isTimedOut) return { kind: "failed", error: "timeout" };
    if (error instanceof WebhookError && error.code === "egress_blocked") return { kind: "blocked" };
    return { kind: "failed", error: `network:${errorCode(error)}` };
  } finally {
    cancelDeadline();
    signal.removeEventListener("abort", giveUp);
  }
}

// A code, never a message: messages name addresses inside our network.
function errorCode(error: unknown): string {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^[A-Z0-9_]{1,64}$/.test(code) ? code : "UNKNOWN";
}
