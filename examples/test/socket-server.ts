// A process with a WebSocket server that lets in whoever has a ticket; see sockets-stores.test.ts.
//   node --import tsx --conditions=@portcullis/source socket-server.ts <target>
// Says its port; ends when its standard input does.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createSocketTickets } from "@portcullis/auth";
import { WebSocketServer } from "ws";
import { openWatchedAuth, type WatchTarget } from "./revocation-watch.js";
import { ENDED, ORIGIN } from "./socket-client.js";

const { auth, close } = await openWatchedAuth(JSON.parse(process.argv[2] ?? "") as WatchTarget); // as the test wrote it
// Nothing is found by looking again: what closes a socket within the hour was told.
const tickets = createSocketTickets({ auth, origins: [ORIGIN], recheckMs: 3_600_000 });
const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "live" });
const server = createServer().on("upgrade", (request, stream, head) => {
  void (async () => {
    const admitted = await tickets.admit(request);
    if (admitted.kind === "denied") return void stream.end(`HTTP/1.1 ${admitted.problem.status} Denied\r\n\r\n`);
    return sockets.handleUpgrade(request, stream, head, (socket) => {
      socket.on(
        "close",
        tickets.watch(admitted.value, () => socket.close(ENDED)),
      );
      socket.send("welcome");
    });
  })();
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
await once(process.stdin.resume(), "end");
for (const socket of sockets.clients) socket.terminate();
tickets.close();
server.close();
await close();
