import type { MaybePromise } from "../guard/guard.js";

/** Who listens to a channel. What either function throws is dropped. */
export interface BusSubscriber {
  /** One message, as it was published. */
  onMessage(message: string): void;
  /** Messages may have been lost before this moment (the connection was down): forget what was kept on their account. */
  onGap?(): void;
}

/**
 * Tells all processes of something, soon: revocations, invalidations.
 *
 * Best effort and at most once. A message reaches every subscriber of the channel on the store, those of the publishing process
 * included, in the order in which one process published. Nothing may be right only because a message arrived: whoever keeps
 * something on account of the bus also bounds how long.
 */
export interface Bus {
  /**
   * @param channel 1 to 64 of `a-z 0-9 - _ . :`.
   * @param message Up to 4,096 bytes of UTF-8; a lone surrogate is none.
   * @throws {RangeError} The channel or the message is none; nothing was sent. @throws {StoreUnavailable}
   */
  publish(channel: string, message: string): MaybePromise<void>;
  /**
   * @returns a function that ends the subscription, once messages published from now on will arrive.
   * @throws {RangeError} @throws {StoreUnavailable}
   */
  subscribe(channel: string, subscriber: BusSubscriber): MaybePromise<() => MaybePromise<void>>;
}
