/** A WebSocket handshake: Node's `IncomingMessage`, or anything with the same two fields. */
export interface UpgradeRequest {
  /** Path and query as sent. */
  readonly url?: string | undefined;
  /** Names in lower case. */
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined };
}

/** What a handshake says that matters here. */
export interface Handshake {
  readonly ticket: string;
  readonly origin: string | undefined;
  readonly path: string;
}

const PROTOCOL_PREFIX = "portcullis.ticket.";

/** @returns `undefined` without a ticket, with several, or with a header that occurs twice. */
export function handshakeOf({ url = "", headers }: UpgradeRequest): Handshake | undefined {
  const origin = headers["origin"];
  const protocols = headers["sec-websocket-protocol"];
  // Node joins repeated lines of the second with commas and drops repeated ones of the first; others hand out a list.
  if (Array.isArray(origin) || Array.isArray(protocols)) return undefined;
  const queryStart = url.indexOf("?");
  const path = queryStart === -1 ? url : url.slice(0, queryStart);
  const tickets = queryStart === -1 ? [] : new URLSearchParams(url.slice(queryStart + 1)).getAll("ticket");
  for (const protocol of typeof protocols === "string" ? protocols.split(",") : []) {
    const name = protocol.trim();
    if (name.startsWith(PROTOCOL_PREFIX)) tickets.push(name.slice(PROTOCOL_PREFIX.length));
  }
  const [ticket] = tickets;
  return ticket === undefined || tickets.length > 1 ? undefined : { ticket, origin: typeof origin === "string" ? origin : undefined, path };
}
