// A client that costs little, so that the cores are left to the servers: requests are bytes made beforehand, of responses
// only the status, the length and the count are looked at.
import { connect, type Socket } from "node:net";

/** Connections to one server that are kept alive. */
export interface HttpLoad {
  /**
   * Sends the requests, one on each connection at a time, and consumes every response to its last byte.
   *
   * @throws {Error} A response has another status than 200.
   */
  send(requests: readonly Buffer[]): Promise<void>;
  close(): void;
}

/** Opens connections. */
export async function openLoad(port: number, connections: number): Promise<HttpLoad> {
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)));
  return {
    send: (requests) => new Promise((resolve, reject) => drive(sockets, requests, resolve, reject)),
    close: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** The bytes of one request. */
export function requestBytes(method: string, path: string, headers: Readonly<Record<string, string>>, body = ""): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = body === "" ? "" : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}${length}\r\n${body}`);
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.off("error", reject);
      resolve(socket.setNoDelay(true));
    });
    socket.once("error", reject);
  });
}

// In volleys: one request on every connection, then all answers. Every server, fast or slow, then finds its requests in the
// same portions; otherwise a slow one would answer one at a time, and pay a wake-up of the client for each.
function drive(sockets: readonly Socket[], requests: readonly Buffer[], done: () => void, fail: (error: Error) => void): void {
  let sent = 0;
  let unanswered = 0;
  let isOver = false;
  const readers = sockets.map((socket) => {
    // Bytes of the response still to come; 0 between two responses.
    let missing = 0;
    const read = (chunk: Buffer): void => {
      if (missing === 0) missing = responseLength(chunk);
      if (Number.isNaN(missing)) return end(new Error(`Not the response that is measured: ${chunk.toString("latin1").slice(0, 300)}`));
      missing -= chunk.length;
      if (missing > 0) return;
      unanswered -= 1;
      if (unanswered === 0) fire();
    };
    socket.on("data", read);
    return read;
  });
  const onClose = (): void => end(new Error("The server closed a connection."));
  for (const socket of sockets) socket.once("close", onClose);
  const end = (error?: Error): void => {
    isOver = true;
    for (const [index, socket] of sockets.entries()) socket.off("data", readers[index] as (chunk: Buffer) => void).off("close", onClose); // one for each
    if (error === undefined) done();
    else fail(error);
  };
  const fire = (): void => {
    const volley = requests.slice(sent, sent + sockets.length);
    if (volley.length === 0) return end();
    sent += volley.length;
    unanswered = volley.length;
    for (const [index, request] of volley.entries()) sockets[index]?.write(request);
  };
  // Never asleep: a server that wakes its client pays for it, and only a server that is slower than the client has to.
  const stayAwake = (): void => {
    if (!isOver) setImmediate(stayAwake);
  };
  fire();
  stayAwake();
}

const STATUS = Buffer.from("HTTP/1.1 200 ");
const END_OF_HEAD = Buffer.from("\r\n\r\n");

// NaN for a response that is not 200 with a declared length; the heads of these servers fit into one segment.
function responseLength(chunk: Buffer): number {
  const headBytes = chunk.indexOf(END_OF_HEAD);
  if (headBytes === -1 || chunk.compare(STATUS, 0, STATUS.length, 0, STATUS.length) !== 0) return Number.NaN;
  const length = /\r\ncontent-length: (\d+)/i.exec(chunk.toString("latin1", 0, headBytes))?.[1];
  return length === undefined ? Number.NaN : headBytes + END_OF_HEAD.length + Number(length);
}
