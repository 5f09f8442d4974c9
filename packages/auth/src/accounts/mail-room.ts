import { createHmac } from "node:crypto";
import { problems, type MaybePromise } from "@portcullis/core";
import { denied, ok, type AuthResult } from "../auth-result.js";
import type { AuthInternals } from "../auth-internals.js";
import { networkOf } from "../login/password-lockout.js";
import { HashQueue } from "../passwords/hash-queue.js";
import type { ClientContext } from "../sessions/session-data.js";
import { normaliseEmail } from "../users/normalise-email.js";
import type { MailPurpose } from "./account-mail-event.js";
import { LIMIT_WINDOW_MS, type AccountMailSettings } from "./account-mail-settings.js";

/** The request was taken. Whether there is an account, or a letter was sent, is not said. */
export interface MailAccepted {
  readonly accepted: true;
}

/** A letter that is to be sent. */
export interface OutgoingLetter {
  readonly purpose: MailPurpose;
  readonly userId: string | undefined;
  send(): MaybePromise<void>;
}

/** Takes requests for letters and answers all alike; looks for the account and sends after that. */
export interface MailRoom {
  /**
   * Counts a request, and has `write` find out what to send, once it is answered. Denied: `operationRateLimited` for the caller's
   * network, `serviceUnavailable` when too many letters are under way.
   */
  request(
    purpose: MailPurpose,
    email: string,
    client: ClientContext,
    write: (email: string) => Promise<OutgoingLetter | undefined>,
  ): Promise<AuthResult<MailAccepted>>;
  /** When all letters under way were sent, or could not be. */
  settled(): Promise<void>;
}

const LETTERS_AT_ONCE = 16;
const LETTERS_WAITING = 1000;
const BUSY_RETRY_MS = 5000;
const DELIVERY_MS = 30_000;
const ACCEPTED: MailAccepted = Object.freeze({ accepted: true });

export function createMailRoom({ settings, instruments, lockout }: AuthInternals, limits: AccountMailSettings): MailRoom {
  const { clock, secrets, store } = settings;
  const queue = new HashQueue(LETTERS_AT_ONCE, LETTERS_WAITING, () => {});
  const underWay = new Set<Promise<void>>();
  const networkHash = (ip: string): string =>
    createHmac("sha256", secrets.current.key)
      .update(`mail network\0${networkOf(ip)}`)
      .digest("base64url")
      .slice(0, 22);

  async function deliver(
    purpose: MailPurpose,
    email: string,
    write: (email: string) => Promise<OutgoingLetter | undefined>,
  ): Promise<void> {
    let letter: OutgoingLetter | undefined;
    let cancel: (() => void) | undefined;
    try {
      letter = await write(email);
      if (letter === undefined) return;
      const late = new Promise<never>((_resolve, reject) => {
        cancel = clock.after(DELIVERY_MS, () => reject(new Error("The letter took too long.")));
      });
      await Promise.race([letter.send(), late]);
      instruments.emit({ kind: "account_mail_sent", purpose: letter.purpose, userId: letter.userId });
    } catch {
      // Its message may hold the address or the link: `deliver` itself is the place to log it.
      instruments.emit({ kind: "account_mail_failed", purpose: letter?.purpose ?? purpose, userId: letter?.userId });
    } finally {
      cancel?.();
    }
  }

  return Object.freeze({
    async request(
      purpose: MailPurpose,
      rawEmail: string,
      client: ClientContext,
      write: (email: string) => Promise<OutgoingLetter | undefined>,
    ): Promise<AuthResult<MailAccepted>> {
      if (client.ip !== undefined) {
        const bound = { limit: limits.requestsPerHour, windowMs: LIMIT_WINDOW_MS };
        const counted = await store.counters.add(`auth:mail-requests:${networkHash(client.ip)}`, 1, bound);
        if (!counted.accepted) return denied(problems.operationRateLimited({ retryAfterMs: counted.remainingMs }));
      }
      const email = normaliseEmail(rawEmail);
      if (email === undefined) return ok(ACCEPTED);
      const place = queue.enter();
      if (place === undefined) return denied(problems.serviceUnavailable({ retryAfterMs: BUSY_RETRY_MS }));
      let isHandedOver = false;
      try {
        const identifierHash = lockout.hashOf(email);
        const bound = { limit: limits.lettersPerHour, windowMs: LIMIT_WINDOW_MS };
        const counted = await store.counters.add(`auth:letters:${purpose}:${identifierHash}`, 1, bound);
        if (!counted.accepted) {
          instruments.emit({ kind: "account_mail_limited", purpose, identifierHash });
          return ok(ACCEPTED);
        }
        isHandedOver = true;
        // The answer is on its way before the first difference between an address with and one without an account.
        const delivery = new Promise<void>((resolve) => setImmediate(resolve))
          .then(async () => place.run(async () => deliver(purpose, email, write)))
          .finally(() => {
            place.leave();
            underWay.delete(delivery);
          });
        underWay.add(delivery);
        return ok(ACCEPTED);
      } finally {
        if (!isHandedOver) place.leave();
      }
    },
    async settled(): Promise<void> {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  });
}
