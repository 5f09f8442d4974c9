// Delivery `code`: the browser carries a code, the page that asked for the login exchanges it. The code is worth nothing to whoever
// finds it in a history, a log or a Referer: it works once, for a minute, and only with the verifier of the challenge.

import type { SubjectState } from "@portcullis/core";
import type { AuthSettings } from "../auth-settings.js";
import { MINUTE_MS } from "../settings/option-checks.js";
import { isSameDigest, sha256 } from "./digest.js";

export interface PendingLogin {
  readonly identityId: string;
  readonly provider: string;
  /** As it was when the provider vouched. */
  readonly state: SubjectState;
}

export interface OneTimeCodes {
  issue(login: PendingLogin, challenge: string): Promise<string>;
  /** Uses the code up, whatever the verifier. @returns to one of many callers; `undefined` for all others. */
  redeem(code: string, verifier: string): Promise<PendingLogin | undefined>;
}

const TTL_MS = MINUTE_MS;
const CODE_BYTES = 32;

export function createOneTimeCodes({ random, store }: AuthSettings): OneTimeCodes {
  const keyOf = (code: string): string => `oauth:code:${sha256(code)}`;
  return Object.freeze({
    async issue(login: PendingLogin, challenge: string): Promise<string> {
      const code = Buffer.from(random(CODE_BYTES)).toString("base64url");
      if (!(await store.tickets.put(keyOf(code), JSON.stringify({ login, challenge }), TTL_MS))) {
        throw new Error("The random source repeats itself.");
      }
      return code;
    },
    async redeem(code: string, verifier: string): Promise<PendingLogin | undefined> {
      const text = await store.tickets.take(keyOf(code));
      if (text === undefined) return undefined;
      const { login, challenge } = JSON.parse(text) as { readonly login: PendingLogin; readonly challenge: string }; // written above
      return isSameDigest(sha256(verifier), challenge) ? login : undefined;
    },
  });
}
