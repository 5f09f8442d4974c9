import type { Outcome } from "../guard/guard.js";
import { type HeaderList, writeFields } from "../guard/header-list.js";
import type { NodeIncoming, NodeOutgoing, NodeSocket } from "./incoming.js";
import { readyBody } from "./ready-body.js";

/** Adds fields to a response that is not sent yet, overwriting or appending as the field demands. */
export function writeHeaders(outgoing: NodeOutgoing, headers: HeaderList): void {
  // Looked up once for all fields: Express gives every response a prototype, and with it a hidden class, of its own.
  const { setHeader, appendHeader } = outgoing;
  writeFields(
    outgoing,
    headers,
    (_, name, value) => void setHeader.call(outgoing, name, value),
    (_, name, value) => void appendHeader.call(outgoing, name, value),
  );
}

/** Calls `settle` once, when the response was sent or the client left, also where it left before this call. */
export function settleAfter(incoming: NodeIncoming, outgoing: NodeOutgoing, settle: (outcome: Outcome) => void): void {
  if (outgoing.destroyed || incoming.socket.destroyed === true) return settle({ kind: "aborted" });
  const onClose = (): void => {
    if (waiting !== undefined && !waiting.delete(onClose)) return;
    settle(isSent(incoming, outgoing) ? { kind: "responded", status: outgoing.statusCode } : { kind: "aborted" });
  };
  // A pipelined response that waits for its turn has no socket, and Node does not tell it when the connection dies.
  const waiting = outgoing.socket === null ? waitingOn(incoming.socket).add(onClose) : undefined;
  outgoing.on("close", onClose); // it closes once: unsubscribing would cost more than the hook
}

/** Writes a Fetch response; its fields join those that are set already. Never rejects: a body that fails cuts the connection. */
export async function sendResponse(response: Response, outgoing: NodeOutgoing): Promise<void> {
  outgoing.statusCode = response.status;
  writeHeaders(outgoing, [...response.headers]);
  try {
    const body = await readyBody(response);
    if (body instanceof ReadableStream) await pump(body, outgoing);
    else outgoing.end(body);
  } catch {
    outgoing.destroy(); // a truncated response must not look complete
  }
}

// A test double (Fastify's `inject`) never flushes, and has no connection that could break after `end`.
function isSent(incoming: NodeIncoming, outgoing: NodeOutgoing): boolean {
  return outgoing.writableFinished || (incoming.complete === undefined && outgoing.writableEnded);
}

const WAITING = Symbol("portcullis-waiting");

// One listener for all responses that wait on a connection: a deep pipeline must not look like a listener leak.
function waitingOn(socket: NodeSocket & { [WAITING]?: Set<() => void> }): Set<() => void> {
  if (socket[WAITING] !== undefined) return socket[WAITING];
  const waiting = (socket[WAITING] = new Set<() => void>());
  socket.once("close", () => {
    for (const onClose of waiting) onClose();
  });
  return waiting;
}

async function pump(body: ReadableStream<Uint8Array>, outgoing: NodeOutgoing): Promise<void> {
  const reader = body.getReader();
  const onClose = (): void => void reader.cancel().catch(() => {}); // nobody is left to hear that cancelling failed
  if (outgoing.destroyed) return onClose();
  outgoing.once("close", onClose);
  outgoing.flushHeaders(); // a stream that is silent at first has a status already
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!outgoing.write(value) && !outgoing.destroyed) await drained(outgoing);
  }
  outgoing.off("close", onClose);
  outgoing.end();
}

function drained(outgoing: NodeOutgoing): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      outgoing.off("drain", go);
      outgoing.off("close", go);
      resolve();
    };
    outgoing.once("drain", go);
    outgoing.once("close", go);
  });
}
