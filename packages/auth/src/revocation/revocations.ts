// Who is told that a credential ended: what this process remembers, its listeners, and the other processes.

import { invalidOption, type MaybePromise, quietly } from "@portcullis/core";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments, RevocationKind } from "../instruments.js";
import { type BusLink, createBusLink } from "./bus-link.js";
import { readRevocation, type Revocation, writeRevocation } from "./revocation-message.js";

/** A credential ended before its time, in this process or another. */
export interface Revoked {
  readonly subjectId: string;
  /** The session that ended; `undefined`: all of the subject's. */
  readonly sessionId: string | undefined;
  /**
   * Why: `token` (one access token; its session goes on), `session` (logout, eviction), `family` (a refresh token was sent twice),
   * `user` (all sessions, or the account was disabled), `password` (it was changed), `api_key`, `claims` (access tokens must be
   * refreshed; sessions go on).
   */
  readonly kind: RevocationKind;
}

/** Tells of what ended. Every path that ends a credential goes through here. */
export interface Revocations {
  /** Tells of what has ended in the store already; counts it. Never throws. */
  announce(revocation: Revocation): void;
  /**
   * Ends something in the store, then tells of it, also when the store failed: what it did before it failed may count.
   *
   * @param write Ends it in the store.
   * @throws what `write` threw.
   */
  ending<T>(revocation: Revocation, write: () => MaybePromise<T>): Promise<T>;
  /** @returns a function that ends the listening. @throws {ConfigurationError} `invalid_option`: no function. */
  onRevoked(listener: (revoked: Revoked) => void): () => void;
  /** Told when messages of other processes may have been lost: nothing heard so far is complete. @returns as above. */
  onGap(listener: () => void): () => void;
  /** Called whenever something is remembered on account of the messages. */
  listen(): void;
  close(): Promise<void>;
}

/** What forgets on account of a revocation; asked before any listener. */
export interface Forgetful {
  forget(revocation: Revocation): void;
  forgetAll(): void;
}

const CHANNEL = "portcullis.auth";
const ORIGIN_BYTES = 12;

export function createRevocations(settings: AuthSettings, memory: Forgetful, instruments: Instruments): Revocations {
  const { clock, random, store } = settings;
  const from = Buffer.from(random(ORIGIN_BYTES)).toString("base64url");
  // Wrappers of their own: one function given twice is two listeners.
  const listeners = new Set<{ readonly tell: (revoked: Revoked) => void }>();
  const gapListeners = new Set<{ readonly tell: (gap: undefined) => void }>();

  function apply(revocation: Revocation): void {
    memory.forget(revocation);
    const { subjectId, sessionId, kind } = revocation;
    const revoked = Object.freeze({ subjectId, sessionId, kind });
    for (const { tell } of [...listeners]) tell(revoked);
  }

  const link: BusLink | undefined =
    store.bus &&
    createBusLink(
      store.bus,
      CHANNEL,
      {
        onMessage(text) {
          const message = readRevocation(text);
          // Our own took effect when it was announced.
          if (message === undefined || message.from === from) return;
          apply(message);
          instruments.revocationLag(Math.max(0, clock.now() - message.at));
        },
        onGap() {
          memory.forgetAll();
          for (const { tell } of [...gapListeners]) tell(undefined);
        },
      },
      clock,
    );

  function tell(revocation: Revocation): void {
    apply(revocation);
    link?.publish(writeRevocation({ ...revocation, from, at: clock.now() }));
  }

  function announce(revocation: Revocation): void {
    tell(revocation);
    instruments.revoked(revocation.kind);
  }

  return Object.freeze({
    announce,
    async ending<T>(revocation: Revocation, write: () => MaybePromise<T>): Promise<T> {
      let written: T;
      try {
        written = await write();
      } catch (error) {
        tell(revocation);
        throw error;
      }
      announce(revocation);
      return written;
    },
    onRevoked(listener: (revoked: Revoked) => void): () => void {
      if (typeof listener !== "function") throw invalidOption("onRevoked.listener", listener, "a function");
      const entry = { tell: quietly(listener) };
      listeners.add(entry);
      link?.listen();
      return () => void listeners.delete(entry);
    },
    onGap(listener: () => void): () => void {
      const entry = { tell: quietly(() => listener()) };
      gapListeners.add(entry);
      return () => void gapListeners.delete(entry);
    },
    listen: () => link?.listen(),
    close: async () => link?.close(),
  });
}
