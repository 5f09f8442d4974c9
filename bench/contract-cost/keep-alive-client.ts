// A client that costs next to nothing, so that two cores are left to the server: it knows the length of every response
// after the first, and only counts bytes.
import { connect, type Socket } from "node:net";

const REQUEST = Buffer.from("GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n");

/** Connections to one server that are kept alive. */
export interface KeepAliveClient {
  /** Sends that many requests, each connection one at a time; resolves when all are answered. */
  send(requests: number): Promise<void>;
  close(): void;
}

/** Opens connections and learns how long a response is. */
export async function openClient(port: number, connections: number): Promise<KeepAliveClient> {
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)));
  const [first] = sockets;
  if (first === undefined) throw new RangeError("connections must be at least 1");
  const responseBytes = await lengthOfResponse(first);
  return {
    send: (requests) =>
      new Promise((resolve, reject) => {
        for (const socket of sockets) socket.once("close", () => reject(new Error("The server closed a connection.")));
        drive(sockets, requests, responseBytes, resolve);
      }),
    close: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket.setNoDelay(true)));
    socket.once("error", reject);
  });
}

function lengthOfResponse(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("data", function read(chunk) {
      text += chunk.toString("latin1");
      if (!text.endsWith("\r\n\r\nhello")) return;
      socket.off("data", read);
      if (text.startsWith("HTTP/1.1 200")) resolve(text.length);
      else reject(new Error(`The server does not say hello: ${text}`));
    });
    socket.write(REQUEST);
  });
}

function drive(sockets: readonly Socket[], requests: number, responseBytes: number, done: () => void): void {
  let unsent = requests;
  let unanswered = requests;
  for (const socket of sockets) {
    let missing = 0;
    const next = (): void => {
      if (unsent === 0) return void socket.off("data", read);
      unsent -= 1;
      missing = responseBytes;
      socket.write(REQUEST);
    };
    const read = (chunk: Buffer): void => {
      missing -= chunk.length;
      if (missing > 0) return;
      unanswered -= 1;
      next();
      if (unanswered === 0) done();
    };
    socket.on("data", read);
    next();
  }
}
