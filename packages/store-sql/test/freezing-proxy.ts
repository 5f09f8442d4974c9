import { connect, createServer, type Socket } from "node:net";
import { setImmediate } from "node:timers";

/** Stands between a client and its server, and can fall silent with every connection open, as a stopped server does. */
export interface FreezingProxy {
  readonly port: number;
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

/** @param to The server's host and port. */
export async function startFreezingProxy(to: { readonly host: string; readonly port: number }): Promise<FreezingProxy> {
  const sockets = new Set<Socket>();
  let isFrozen = false;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    if (isFrozen) setImmediate(() => socket.pause());
    return socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    const upstream = keep(connect(to.port, to.host));
    keep(client).pipe(upstream).pipe(client);
    client.on("close", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  const all = (act: (socket: Socket) => void): void => [...sockets].forEach(act);
  return {
    port: address.port,
    freeze() {
      isFrozen = true;
      all((socket) => socket.pause());
    },
    thaw() {
      isFrozen = false;
      all((socket) => socket.resume());
    },
    async close() {
      all((socket) => socket.destroy());
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
