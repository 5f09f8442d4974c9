import { StoreUnavailable } from "@portcullis/core";
import type { RedisClient } from "./redis-client.js";

/** A connection for subscriptions: the part of an ioredis `Redis` that is used. */
export interface RedisSubscriber {
  on(event: "message", listener: (channel: string, text: string) => void): unknown;
  on(event: "error" | "end", listener: () => void): unknown;
  subscribe(channel: string): Promise<unknown>;
  disconnect(): void;
  /** The socket, once there is one. */
  readonly stream?: { unref?(): unknown };
}

interface Connection {
  duplicate(options: object): RedisSubscriber;
}

// It is not mended but replaced: only whoever knows that it broke can say that messages may be missing.
const OPTIONS = Object.freeze({
  retryStrategy: () => null,
  autoResubscribe: false,
  lazyConnect: true,
  enableOfflineQueue: true,
  // The channel's name has it already.
  keyPrefix: "",
});

/** Makes a connection like the client's; of a Cluster, to any master: each of them passes every message on. */
export function openSubscriber(client: RedisClient): RedisSubscriber {
  const nodes = "nodes" in client && typeof client.nodes === "function" ? (client.nodes("master") as readonly object[]) : [client];
  const node = nodes[Math.floor(Math.random() * nodes.length)];
  if (node === undefined || !isConnection(node)) {
    throw new StoreUnavailable("bus.subscribe", { cause: new Error("The Redis client has no connection that can be duplicated.") });
  }
  return node.duplicate(OPTIONS);
}

function isConnection(node: object): node is Connection {
  return "duplicate" in node && typeof node.duplicate === "function";
}
