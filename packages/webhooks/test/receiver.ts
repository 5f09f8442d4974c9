import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One request as it arrived. */
export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly path: string;
}
/** A real HTTP server that answers as it is told. */
export interface Receiver {
  readonly port: number;
  readonly url: string;
  readonly received: Received[];
  /** Answers every request from now on; by default with 204. */
  answer: (response: ServerResponse, request: Received) => void;
  /** Resolves when that many requests have arrived in all. */
  arrived(count: number): Promise<void>;
  close(): Promise<void>;
}

export async function createReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  let waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const entry = { headers: request.headers, body: Buffer.concat(chunks), path: request.url ?? "" };
      received.push(entry);
      receiver.answer(response, entry);
      for (const { count, resolve } of waiting) if (received.length >= count) resolve();
      waiting = waiting.filter(({ count }) => received.length < count);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server that listens has one
  const receiver: Receiver = {
    port,
    url: `http://127.0.0.1:${port}/hooks`,
    received,
    answer: (response) => void response.writeHead(204).end(),
    arrived: (count) => new Promise((resolve) => (received.length >= count ? resolve() : void waiting.push({ count, resolve }))),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

/** Answers with this status. */
export function status(code: number, headers: Record<string, string> = {}): Receiver["answer"] {
  return (response) => void response.writeHead(code, headers).end();
}
