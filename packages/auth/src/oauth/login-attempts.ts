// A login on its way to a provider and back. The store keeps it under the hash of its state, once, for ten minutes; what the provider
// must echo is derived from the state and a secret of ours, so that whoever reads the store can finish no login.

import { createHmac } from "node:crypto";
import type { AuthSettings } from "../auth-settings.js";
import type { RingSecret } from "../jwt/secret-ring.js";
import { MINUTE_MS } from "../settings/option-checks.js";
import { bindingHash } from "./browser-binding.js";
import { isSameDigest, sha256 } from "./digest.js";
import type { AttemptSecrets } from "./provider-client.js";

/** What is known when the browser comes back. */
export interface Attempt {
  readonly provider: string;
  /** Checked against the allowlist when it was given; canonical. */
  readonly redirect: string;
  /** The client's own, echoed to it. */
  readonly clientState: string | undefined;
  /** Whoever redeems the one-time code must have its preimage; with delivery `code`. */
  readonly codeChallenge: string | undefined;
  /** For whom an identity is linked; a login otherwise. */
  readonly link: { readonly userId: string; readonly sessionId: string } | undefined;
}

export interface LoginAttempts {
  begin(attempt: Attempt): Promise<{ readonly secrets: AttemptSecrets; readonly binding: string }>;
  /**
   * Takes the attempt out of the store, whoever asks and whatever comes of it: a state works once.
   *
   * @returns `undefined`: no such state (any more), of another provider, or of another browser.
   */
  take(
    provider: string,
    state: string | undefined,
    binding: (state: string) => string | undefined,
  ): Promise<{ readonly attempt: Attempt; readonly secrets: AttemptSecrets } | undefined>;
}

// Deadlines of the store are half-open: after exactly ten minutes the state still counts, a millisecond later it does not.
const TTL_MS = 10 * MINUTE_MS + 1;
const SECRET_BYTES = 32;
const STATE = /^[A-Za-z0-9_-]{43}$/;

type Stored = Attempt & { readonly bindingHash: string; readonly secretId: string };

export function createLoginAttempts(settings: AuthSettings): LoginAttempts {
  const { random, secrets, store } = settings;
  const randomText = (): string => Buffer.from(random(SECRET_BYTES)).toString("base64url");
  const keyOf = (state: string): string => `oauth:state:${sha256(state)}`;

  return Object.freeze({
    async begin(attempt: Attempt): Promise<{ readonly secrets: AttemptSecrets; readonly binding: string }> {
      const state = randomText();
      const binding = randomText();
      const secret = secrets.current;
      const stored: Stored = { ...attempt, bindingHash: bindingHash(binding), secretId: secret.id };
      // 256 random bits were never there before; a source of randomness that repeats itself must not overwrite a login.
      if (!(await store.tickets.put(keyOf(state), JSON.stringify(stored), TTL_MS))) throw new Error("The random source repeats itself.");
      return { secrets: secretsOf(state, secret), binding };
    },
    async take(
      provider: string,
      state: string | undefined,
      binding: (state: string) => string | undefined,
    ): Promise<{ readonly attempt: Attempt; readonly secrets: AttemptSecrets } | undefined> {
      if (state === undefined || !STATE.test(state)) return undefined;
      const text = await store.tickets.take(keyOf(state));
      if (text === undefined) return undefined;
      const { bindingHash: expected, secretId, ...attempt } = JSON.parse(text) as Stored; // only this file writes the key
      const brought = binding(state);
      const secret = secrets.byId(secretId);
      const isBound = brought !== undefined && isSameDigest(bindingHash(brought), expected);
      if (!isBound || attempt.provider !== provider || secret === undefined) return undefined;
      return { attempt, secrets: secretsOf(state, secret) };
    },
  });
}

function secretsOf(state: string, secret: RingSecret): AttemptSecrets {
  const derive = (purpose: string): string => createHmac("sha256", secret.key).update(`oauth ${purpose}\0${state}`).digest("base64url");
  return { state, verifier: derive("pkce"), nonce: derive("nonce") };
}
