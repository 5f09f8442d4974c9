import { invalidOption } from "../problem/errors.js";
import { type Clock, systemClock } from "../runtime/clock.js";

/** Where to listen. */
export interface ListenOptions {
  /** 0 to 65535; 0 takes a free port. */
  readonly port: number;
  /** Default: every address of the machine. */
  readonly host?: string;
  /** How long requests in flight may take to finish once the server closes; then they are cut off. Default: 10 000. */
  readonly closeTimeoutMs?: number;
  readonly clock?: Clock;
}

/** A server that listens. */
export interface Listening {
  readonly port: number;
  readonly url: string;
  /** Stops accepting, closes connections without a request, lets requests in flight finish. Harmless when called again. */
  close(): Promise<void>;
}

/** The part of Node's `http.Server` that listening needs, as a structure. */
export interface NodeServer {
  listen(options: { readonly port: number; readonly host?: string }, callback: () => void): unknown;
  address(): unknown;
  close(callback: (error?: Error) => void): unknown;
  closeIdleConnections(): void;
  closeAllConnections(): void;
  on(event: "connection", listener: (socket: NodeConnection) => void): unknown;
  once(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
}

/** The part of a server's socket that closing needs. */
export interface NodeConnection {
  readonly bytesRead: number;
  once(event: "close", listener: () => void): unknown;
  destroy(): unknown;
}

const DEFAULTS = Object.freeze({ closeTimeoutMs: 10_000 });

// How often connections that fell idle during the shutdown are looked for.
const IDLE_SWEEP_MS = 20;

/**
 * Listens, and closes gracefully.
 *
 * @param close Replaces `server.close()` where a framework has its own.
 * @throws {ConfigurationError} `invalid_option`: the port is no port, the timeout no duration.
 * @throws {Error} The system's: `EADDRINUSE`, `EACCES`. Nothing listens.
 */
export async function listenOn(server: NodeServer, options: ListenOptions, close?: () => Promise<void>): Promise<Listening> {
  const { port, host, closeTimeoutMs = DEFAULTS.closeTimeoutMs, clock = systemClock } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalidOption("port", port, "an integer from 0 to 65535");
  if (!Number.isFinite(closeTimeoutMs) || closeTimeoutMs < 0) {
    throw invalidOption("closeTimeoutMs", closeTimeoutMs, "a number of milliseconds, 0 or more");
  }
  const connections = new Set<NodeConnection>();
  server.on("connection", (connection) => {
    connections.add(connection);
    connection.once("close", () => connections.delete(connection));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const bound = portOf(server.address()) ?? port;
  let closing: Promise<void> | undefined;
  const closeGracefully = async (): Promise<void> => {
    const closed = close === undefined ? closeServer(server) : close();
    let cancelSweep = (): void => {};
    const sweep = (): void => {
      server.closeIdleConnections();
      // Node takes a connection that never sent a byte (browsers open some in advance) for one whose request is coming.
      for (const connection of connections) if (connection.bytesRead === 0) connection.destroy();
      cancelSweep = clock.after(IDLE_SWEEP_MS, sweep);
    };
    sweep();
    const cancelCut = clock.after(closeTimeoutMs, () => server.closeAllConnections());
    await closed.finally(() => {
      cancelSweep();
      cancelCut();
    });
  };
  return {
    port: bound,
    url: `http://${host === undefined ? "localhost" : host.includes(":") ? `[${host}]` : host}:${bound}`,
    close: () => (closing ??= closeGracefully()),
  };
}

function closeServer(server: NodeServer): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)));
  });
}

function portOf(address: unknown): number | undefined {
  return typeof address === "object" && address !== null && "port" in address && typeof address.port === "number"
    ? address.port
    : undefined;
}
