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
  readonly rawHeaders: readonly string[];
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
  readonly destroyed?: boolean | undefined;
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
