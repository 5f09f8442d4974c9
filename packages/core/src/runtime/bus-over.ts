import type { Bus, BusSubscriber } from "../ports/bus.js";
import { StoreUnavailable } from "../problem/errors.js";
import { type BusChannels, createBusChannels, requireBusChannel, requireBusMessage } from "./bus-channels.js";
import { type Clock, systemClock } from "./clock.js";

/** A message and where it goes. */
export interface BusMessage {
  readonly channel: string;
  readonly message: string;
}

/** What a transport tells of its connection. */
export interface BusLink {
  onMessage(channel: string, message: string): void;
  /** Messages may have been lost, though the connection stands. */
  onGap(): void;
  /** The connection is gone. It will be closed, and another one asked for. */
  onLost(): void;
}

/** A connection that messages come by. */
export interface BusConnection {
  /** Resolves once what is sent from now on arrives. */
  readonly ready: Promise<unknown>;
  /** Rejects when nothing would come any more; asked now and then where there is one. A peer that is gone does not always say so. */
  check?(): Promise<unknown>;
  /** At any time, and harmless when called again. */
  close(): void;
}

/** How a store carries messages between processes. */
export interface BusTransport {
  /** Sends them in this order, to this process as well. @throws {StoreUnavailable} */
  send(messages: readonly BusMessage[]): Promise<unknown>;
  connect(link: BusLink): BusConnection;
  /** How long a connection may take to be ready, and to answer a check. */
  readonly connectWithinMs: number;
}

const MOST_AT_ONCE = 256;
const CHECK_EVERY_MS = 15_000;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 5_000;

/**
 * A bus on what a store has to carry messages: connected while somebody subscribes, and connected again when that breaks.
 *
 * @param clock For reconnecting and for what takes too long.
 * @returns the port, and what ends it with all its subscriptions.
 * @example
 * ```ts
 * import { type BusLink, createBusOver } from "@portcullis/core";
 *
 * const links = new Set<BusLink>(); // in place of a broker
 * const { bus, close } = createBusOver({
 *   connectWithinMs: 1_000,
 *   async send(messages) {
 *     for (const { channel, message } of messages) for (const link of links) link.onMessage(channel, message);
 *   },
 *   connect(link) {
 *     links.add(link);
 *     return { ready: Promise.resolve(), close: () => void links.delete(link) };
 *   },
 * });
 * await bus.subscribe("revoked", { onMessage: (id) => console.log(id) });
 * await bus.publish("revoked", "ada"); // ada
 * close();
 * ```
 */
export function createBusOver(transport: BusTransport, clock: Clock = systemClock): { readonly bus: Bus; readonly close: () => void } {
  const channels = createBusChannels();
  const send = createSender(transport);
  let connector: Connector | undefined;
  let isClosed = false;
  const requireOpen = (operation: string): void => {
    if (isClosed) throw new StoreUnavailable(operation, { cause: new Error("The store was closed.") });
  };
  const disconnect = (): void => {
    connector?.close();
    connector = undefined;
  };

  const bus: Bus = Object.freeze({
    async publish(channel: string, message: string): Promise<void> {
      requireBusChannel(channel);
      requireBusMessage(message);
      requireOpen("bus.publish");
      await send({ channel, message });
    },
    async subscribe(channel: string, subscriber: BusSubscriber): Promise<() => void> {
      requireBusChannel(channel);
      requireOpen("bus.subscribe");
      const end = channels.add(channel, subscriber);
      const unsubscribe = (): void => {
        end();
        if (channels.isEmpty) disconnect();
      };
      try {
        connector ??= new Connector(transport, channels, clock);
        await connector.connect();
        requireOpen("bus.subscribe");
      } catch (error) {
        unsubscribe();
        throw error;
      }
      return unsubscribe;
    },
  });
  return Object.freeze({
    bus,
    close(): void {
      isClosed = true;
      channels.clear();
      disconnect();
    },
  });
}

/**
 * One sending at a time, with all that came in meanwhile in the next one: so the order is kept whatever way a transport takes,
 * and nobody waits for more than two of its deadlines.
 */
function createSender(transport: BusTransport): (message: BusMessage) => Promise<void> {
  interface Waiting extends BusMessage {
    readonly resolve: () => void;
    readonly reject: (error: unknown) => void;
  }
  const queue: Waiting[] = [];
  let isSending = false;
  async function sendAll(): Promise<void> {
    isSending = true;
    while (queue.length > 0) {
      const batch = queue.splice(0, MOST_AT_ONCE);
      try {
        await transport.send(batch.map(({ channel, message }) => ({ channel, message })));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        // Those that came in meanwhile fail with it: each sending takes its deadline to fail, and theirs would add up.
        for (const { reject } of [...batch, ...queue.splice(0)]) reject(error);
      }
    }
    isSending = false;
  }
  return (message) =>
    new Promise((resolve, reject) => {
      queue.push({ ...message, resolve, reject });
      if (!isSending) void sendAll();
    });
}

/** Keeps a connection for as long as it is open itself. */
class Connector {
  #isOpen = true;
  #connection: BusConnection | undefined;
  /** Not ready yet. */
  #pending: BusConnection | undefined;
  #connecting: Promise<void> | undefined;
  #wasConnected = false;
  #cancelTimer = (): void => {};

  constructor(
    readonly transport: BusTransport,
    readonly channels: BusChannels,
    readonly clock: Clock,
  ) {}

  /** Resolves when connected; one attempt for all who ask meanwhile. */
  connect(): Promise<void> {
    if (this.#connection !== undefined) return Promise.resolve();
    this.#connecting ??= this.#attempt().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  close(): void {
    this.#isOpen = false;
    this.#cancelTimer();
    this.#connection?.close();
    this.#connection = undefined;
    this.#pending?.close();
  }

  async #attempt(): Promise<void> {
    const { transport, channels } = this;
    let isLost = false;
    let lose = (): void => {
      isLost = true;
    };
    const connection = transport.connect({
      onMessage: (channel, message) => {
        if (this.#isOpen && !isLost) channels.deliver(channel, message);
      },
      onGap: () => {
        if (this.#isOpen && !isLost) channels.reportGap();
      },
      onLost: () => lose(),
    });
    this.#pending = connection;
    try {
      await this.#within(connection.ready);
      if (!this.#isOpen || isLost) throw new Error("The connection ended at once.");
    } catch (error) {
      isLost = true;
      connection.close();
      throw error instanceof StoreUnavailable ? error : new StoreUnavailable("bus.subscribe", { cause: error });
    } finally {
      this.#pending = undefined;
    }
    this.#connection = connection;
    lose = () => {
      isLost = true;
      this.#lose(connection);
    };
    this.#checkLater(connection);
    if (this.#wasConnected) channels.reportGap();
    this.#wasConnected = true;
  }

  #lose(connection: BusConnection): void {
    connection.close();
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#retryIn(FIRST_RETRY_MS);
  }

  #retryIn(waitMs: number): void {
    this.#cancelTimer();
    if (!this.#isOpen) return;
    this.#cancelTimer = this.clock.after(waitMs, () => {
      this.connect().catch(() => this.#retryIn(Math.min(waitMs * 2, LONGEST_RETRY_MS)));
    });
  }

  #checkLater(connection: BusConnection): void {
    this.#cancelTimer();
    const check = connection.check?.bind(connection);
    if (check === undefined) return;
    this.#cancelTimer = this.clock.after(CHECK_EVERY_MS, () => {
      this.#within(check()).then(
        () => {
          if (this.#connection === connection) this.#checkLater(connection);
        },
        () => this.#lose(connection),
      );
    });
  }

  async #within<T>(answer: Promise<T>): Promise<T> {
    const deadlineMs = this.transport.connectWithinMs;
    let cancel = (): void => {};
    const deadline = new Promise<never>((_resolve, reject) => {
      cancel = this.clock.after(deadlineMs, () => reject(new Error(`There was no answer within ${deadlineMs} ms.`)));
    });
    try {
      return await Promise.race([answer, deadline]);
    } finally {
      cancel();
    }
  }
}
