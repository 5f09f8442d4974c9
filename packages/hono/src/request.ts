import { FetchGuardRequest, type HeaderList, withoutHeader } from "@portcullis/core";
import { type NodeIncoming, type NodeOutgoing, type NodeRequest, nodeRequest, type Routing } from "@portcullis/core/node";
import type { Context } from "hono";
import { routePath } from "hono/route";

const routing: Routing<Context> = {
  route: (c) => {
    const pattern = routePath(c);
    // The pattern of a middleware is not that of the route, and where nothing matched Hono says "".
    return pattern === "" || pattern.includes("*") ? undefined : pattern;
  },
  param: (c, name) => c.req.param(name),
  // Hono reads header fields of the Fetch request, which may have been made of Node's before. It is asked first whether there is
  // anything to remove: that it copies its fields costs more than all else here.
  removeHeader: (c, name) => {
    if (requestOf(c).headerCount(name) === 0 && !c.req.raw.headers.has(name)) return;
    c.req.raw = withoutHeader(c.req.raw, name);
  },
};

/** A guard request on a runtime without Node: from the Fetch request alone. */
export class HonoFetchRequest extends FetchGuardRequest {
  pendingHeaders: HeaderList = [];

  constructor(private readonly context: Context) {
    super(context.req.raw, undefined);
  }
  override get route(): string | undefined {
    return routing.route(this.context);
  }
  override param(name: string): string | undefined {
    return routing.param(this.context, name);
  }
}

/** What the guards of a request share: its facts, and the fields for the response that does not exist yet. */
export type MountedRequest = NodeRequest | HonoFetchRequest;

/** What `@hono/node-server` puts into a request's environment; `outgoing` is absent during a WebSocket handshake. */
export interface NodeEnvironment {
  readonly incoming?: NodeIncoming & { rawBody?: Uint8Array };
  readonly outgoing?: NodeOutgoing;
}

const ELSEWHERE: NodeEnvironment = Object.freeze({});
const REQUEST = Symbol("portcullis-request");

/** Node's own objects behind a request; empty on every other runtime. */
export function nodeOf(c: Context): NodeEnvironment {
  const environment: NodeEnvironment | undefined = c.env;
  return environment?.incoming?.rawHeaders === undefined ? ELSEWHERE : environment;
}

/** The guards' view of a request: the same object for every guard mounted on it. */
export function requestOf(c: Context & { [REQUEST]?: HonoFetchRequest }): MountedRequest {
  const { incoming } = nodeOf(c);
  // Only Node has the raw field lines and the peer's address.
  return incoming === undefined ? (c[REQUEST] ??= new HonoFetchRequest(c)) : nodeRequest(incoming, routing, c);
}

/** Gives the handler the body that guards have read: Hono itself cannot read it a second time. */
export function replayBody(request: MountedRequest, c: Context): void {
  if (request instanceof HonoFetchRequest) c.req.raw = request.toRequest();
  else if (request.bytes !== undefined) {
    const { incoming } = nodeOf(c);
    // `@hono/node-server` takes a Buffer of this name for the body.
    if (incoming !== undefined) incoming.rawBody = Buffer.from(request.bytes.buffer, request.bytes.byteOffset, request.bytes.byteLength);
  }
}
