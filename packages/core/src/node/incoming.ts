import type { NodeCertificate } from "./client-certificate.js";

/**
 * The part of Node's `http.IncomingMessage` that adapters need, as a structure: core imports nothing of Node, and the test
 * doubles of frameworks (Fastify's `inject`) fit as well.
 */
export interface NodeIncoming {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** Set by frameworks that rewrite `url` while routing. */
  readonly originalUrl?: string | undefined;
  /** Names and values in turn, one pair for each field line. */
  readonly rawHeaders: string[];
  /** Made of `rawHeaders` when first read, as is the next. */
  readonly headers?: Record<string, unknown> | undefined;
  /** Every line apart; test doubles have none. */
  readonly headersDistinct?: Record<string, unknown> | undefined;
  readonly socket: NodeSocket;
  /** Whether the whole message was received; absent on test doubles. */
  readonly complete?: boolean | undefined;
  readonly destroyed: boolean;
  readonly readableDidRead: boolean;
  readonly readableFlowing: boolean | null;
  readonly readableLength: number;
  read(): unknown;
  resume(): unknown;
  unshift(chunk: Uint8Array): void;
  on(event: "readable" | "end" | "close", listener: () => void): unknown;
  off(event: "readable" | "end" | "close", listener: () => void): unknown;
  [Symbol.asyncIterator](): AsyncIterator<unknown>;
}

/** The part of a socket that adapters need. */
export interface NodeSocket {
  readonly remoteAddress?: string | undefined;
  readonly encrypted?: boolean | undefined;
  /** On TLS: whether the handshake verified the peer. */
  readonly authorized?: boolean | undefined;
  readonly destroyed?: boolean | undefined;
  getPeerX509Certificate?(): NodeCertificate | undefined;
  once(event: "close", listener: () => void): unknown;
}

/** The part of Node's `http.ServerResponse` that adapters need, as a structure. */
export interface NodeOutgoing {
  statusCode: number;
  readonly destroyed: boolean;
  readonly headersSent: boolean;
  /** `null` while a pipelined response waits for the ones before it. */
  readonly socket: unknown;
  readonly writableEnded: boolean;
  readonly writableFinished: boolean;
  setHeader(name: string, value: string): unknown;
  appendHeader(name: string, value: string): unknown;
  flushHeaders(): void;
  write(chunk: Uint8Array): boolean;
  end(chunk?: string | Uint8Array): unknown;
  destroy(error?: Error): unknown;
  on(event: "close", listener: () => void): unknown;
  once(event: "close" | "drain", listener: () => void): unknown;
  off(event: "close" | "drain", listener: () => void): unknown;
}
