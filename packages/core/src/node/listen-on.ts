import { invalidOption } from "../problem/errors.js";

/** Where to listen. */
export interface ListenOptions {
  /** 0 to 65535; 0 takes a free port. */
  readonly port: number;
  /** Default: every address of the machine. */
  readonly host?: string;
}

/** A server that listens. */
export interface Listening {
  readonly port: number;
  readonly url: string;
  /** Stops accepting, lets requests in flight finish, closes idle connections. Harmless when called again. */
  close(): Promise<void>;
}

/** The part of Node's `http.Server` that listening needs, as a structure. */
export interface NodeServer {
  listen(options: { readonly port: number; readonly host?: string }, callback: () => void): unknown;
  address(): unknown;
  close(callback: (error?: Error) => void): unknown;
  closeIdleConnections(): void;
  once(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
}

// How often connections that fell idle during the shutdown are looked for.
const IDLE_SWEEP_MS = 20;

/**
 * Listens, and closes gracefully.
 *
 * @param close Replaces `server.close()` where a framework has its own.
 * @throws {ConfigurationError} `invalid_option`: the port is no port.
 * @throws {Error} The system's: `EADDRINUSE`, `EACCES`. Nothing listens.
 */
export async function listenOn(server: NodeServer, options: ListenOptions, close?: () => Promise<void>): Promise<Listening> {
  const { port, host } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalidOption("port", port, "an integer from 0 to 65535");
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const bound = portOf(server.address()) ?? port;
  let closing: Promise<void> | undefined;
  return {
    port: bound,
    url: `http://${host === undefined ? "localhost" : host.includes(":") ? `[${host}]` : host}:${bound}`,
    close: () => (closing ??= closeGracefully(server, close)),
  };
}

async function closeGracefully(server: NodeServer, close = (): Promise<void> => closeServer(server)): Promise<void> {
  // Node closes what is idle now; a keep-alive connection whose request ends later would hold the server for seconds.
  const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS);
  try {
    await close();
  } finally {
    clearInterval(sweep);
  }
}

function closeServer(server: NodeServer): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)));
    server.closeIdleConnections();
  });
}

function portOf(address: unknown): number | undefined {
  return typeof address === "object" && address !== null && "port" in address && typeof address.port === "number"
    ? address.port
    : undefined;
}
