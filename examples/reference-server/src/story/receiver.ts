import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";

/** A delivery that reached the receiver and verified. */
export interface ReceivedEvent {
  readonly id: string;
  readonly payload: { readonly [name: string]: unknown };
}

/** Somebody else's service: it verifies each webhook with a library that is not ours. */
export interface Receiver {
  readonly url: string;
  /** `127.0.0.1:port`, for the server's list of private receivers. */
  readonly address: string;
  readonly events: readonly ReceivedEvent[];
  /** Deliveries that did not verify. */
  readonly rejected: () => number;
  /** The endpoint's secret, once the server told it. */
  useSecret(secret: string): void;
  /** Resolves when an event satisfies the condition. @throws after `timeoutMs`. */
  waitFor(condition: (events: readonly ReceivedEvent[]) => boolean, timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts a receiver on a private port. */
export async function startReceiver(): Promise<Receiver> {
  const events: ReceivedEvent[] = [];
  const waiting = new Set<() => void>();
  let rejected = 0;
  let webhook: Webhook | undefined;
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      try {
        if (webhook === undefined) throw new Error("no secret yet");
        const payload = webhook.verify(Buffer.concat(chunks).toString("utf8"), request.headers as Record<string, string>); // the three it reads occur once
        events.push({ id: String(request.headers["webhook-id"]), payload: payload as ReceivedEvent["payload"] });
        response.writeHead(204).end();
        for (const check of waiting) check();
      } catch {
        rejected += 1;
        response.writeHead(400).end();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // listening on TCP
  return {
    url: `http://127.0.0.1:${port}/hooks`,
    address: `127.0.0.1:${port}`,
    events,
    rejected: () => rejected,
    useSecret: (secret) => (webhook = new Webhook(secret)),
    waitFor: (condition, timeoutMs) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (!condition(events)) return;
          clearTimeout(timer);
          waiting.delete(check);
          resolve();
        };
        const timer = setTimeout(() => {
          waiting.delete(check);
          reject(new Error(`The receiver waited ${timeoutMs} ms in vain; it has ${events.length} events and rejected ${rejected}.`));
        }, timeoutMs);
        waiting.add(check);
        check();
      }),
    close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))),
  };
}
