import {
  type Clock,
  createFactKey,
  deny,
  type FactKey,
  type Guard,
  invalidOption,
  problems,
  quietly,
  systemClock,
  type Verdict,
} from "@portcullis/core";
import { secretKey } from "./secret.js";
import { verifyWebhookSignature, type WebhookRefusal } from "./verify-webhook-signature.js";

/** Options of {@link verifyWebhook}. */
export interface VerifyWebhookOptions {
  /** All that are valid now: during a rotation the new and the old one. */
  readonly secrets: readonly string[];
  /** How far the sender's clock and the time of travel may be off, both ways; 1 to 3600. Default 300. */
  readonly toleranceSeconds?: number;
  /** Whether a message with nothing but `X-Webhook-Signature`, which can be replayed for ever, counts. Default `refused`. */
  readonly bodyOnly?: "refused" | "accepted";
  /** Longer messages are refused. Default 1 MiB. */
  readonly maxBodyBytes?: number;
  readonly clock?: Clock;
  /** Told why a message was refused; the sender is not. What it throws is dropped. */
  readonly onRefused?: (refusal: { readonly reason: WebhookRefusal | "repeated_header"; readonly id: string | undefined }) => void;
}

/** A message whose signature was verified. */
export interface ReceivedWebhook {
  /** The same at every attempt of the sender: remember it to recognise a repeat. `undefined` where only the body is signed. */
  readonly id: string | undefined;
  /** Epoch ms of the sender's attempt. */
  readonly sentAt: number | undefined;
  /** The bytes that were verified: parse these. */
  readonly body: Uint8Array;
}

/** The message that {@link verifyWebhook} let through. */
export const webhookFact: FactKey<ReceivedWebhook> = createFactKey<ReceivedWebhook>("webhook");

const HEADERS = ["webhook-id", "webhook-timestamp", "webhook-signature", "x-webhook-signature"] as const;

/**
 * Lets a webhook through only when a holder of a secret signed exactly these bytes within the last minutes; 401 otherwise.
 *
 * @throws {ConfigurationError} `invalid_option`; {WebhookError} `invalid_secret`. Both at construction.
 * @see Standard Webhooks §"Verifying webhook authenticity"
 * @example
 * ```ts
 * import { createApp, defineRoute } from "@portcullis/core";
 * import { createWebhookSecret, verifyWebhook, webhookFact } from "@portcullis/webhooks";
 *
 * const receive = defineRoute({
 *   method: "POST",
 *   path: "/hooks",
 *   operationId: "receiveHook",
 *   summary: "Receives events",
 *   guards: [verifyWebhook({ secrets: [createWebhookSecret()] })],
 *   handle: (_request, { facts }) => Response.json({ got: facts.get(webhookFact)?.id }),
 * });
 * export const app = createApp({ routes: [receive] });
 * ```
 */
export function verifyWebhook(options: VerifyWebhookOptions): Guard {
  const { toleranceSeconds = 300, bodyOnly = "refused", maxBodyBytes = 1_048_576, clock = systemClock } = options;
  const onRefused = quietly(options.onRefused ?? (() => {}));
  const secrets = Array.isArray(options.secrets) ? [...options.secrets] : [];
  if (secrets.length === 0) throw invalidOption("secrets", options.secrets, "a list of at least one secret");
  for (const secret of secrets) secretKey(secret);
  if (!(toleranceSeconds >= 1 && toleranceSeconds <= 3600)) throw invalidOption("toleranceSeconds", toleranceSeconds, "1 to 3600");
  if (!Number.isInteger(maxBodyBytes) || maxBodyBytes < 1) throw invalidOption("maxBodyBytes", maxBodyBytes, "a whole number, 1 or more");

  return Object.freeze({
    name: "verify-webhook",
    async check(request): Promise<Verdict> {
      const refuse = (reason: WebhookRefusal | "repeated_header"): Verdict => {
        onRefused({ reason, id: request.header("webhook-id") });
        return deny(problems.signatureInvalid());
      };
      // Two values of one field: this check would read both joined, something behind it perhaps the first only.
      if (HEADERS.some((name) => request.headerCount(name) > 1)) return refuse("repeated_header");
      const headers = Object.fromEntries(HEADERS.map((name) => [name, request.header(name)]));
      // A copy: what a later guard does to the shared bytes must not change what was verified.
      const body = Uint8Array.from(await request.rawBody(maxBodyBytes)); // not slice(): a Buffer's shares its memory
      const result = verifyWebhookSignature({ secrets, headers, body, now: clock.now(), toleranceSeconds, bodyOnly });
      if (!result.valid) return refuse(result.reason);
      const { id, timestampSeconds } = result;
      request.facts.set(
        webhookFact,
        Object.freeze({ id, sentAt: timestampSeconds === undefined ? undefined : timestampSeconds * 1000, body }),
      );
      return { kind: "allow" };
    },
  } satisfies Guard);
}
