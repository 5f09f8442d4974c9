// A browser's side of a WebSocket.
import { once } from "node:events";
import { WebSocket } from "ws";

export const ORIGIN = "https://app.example.com";
/** The close code of a session that ended. */
export const ENDED = 4401;

/** @returns the socket once the server let it in; the HTTP status when it did not. */
export async function openSocket(port: string, ticket: string): Promise<WebSocket | number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/live`, ["live", `portcullis.ticket.${ticket}`], { origin: ORIGIN });
  return new Promise((resolve, reject) => {
    socket.on("message", () => resolve(socket));
    socket.on("unexpected-response", (_request, response) => {
      resolve(response.statusCode ?? 0);
      socket.on("error", () => {}); // of a handshake that was given up
      socket.terminate();
    });
    socket.on("error", reject);
  });
}

/** The code that the server closed it with. */
export async function closed(socket: WebSocket): Promise<number> {
  const [code] = (await once(socket, "close")) as [number];
  return code;
}
