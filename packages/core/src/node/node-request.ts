import type { ClientCertificate } from "../guard/client-certificate.js";
import { createFacts, type Facts } from "../guard/facts.js";
import type { GuardRequest } from "../guard/guard.js";
import type { HeaderList } from "../guard/header-list.js";
import { problems } from "../problem/catalogue.js";
import { ConfigurationError, ProblemError } from "../problem/errors.js";
import { clientCertificateOf } from "./client-certificate.js";
import type { NodeIncoming, NodeOutgoing } from "./incoming.js";
import { readBody } from "./read-body.js";

/** Where a framework keeps what it learned by routing. `native` is its own request object. */
export interface Routing<Native> {
  route(native: Native): string | undefined;
  param(native: Native, name: string): string | undefined;
  /** Takes a field out of what the framework keeps beside Node's own request. @param name Lower case. */
  removeHeader?(native: Native, name: string): void;
}

const NOT_ROUTED: Routing<unknown> = { route: () => undefined, param: () => undefined };
const NO_HEADERS: HeaderList = Object.freeze([]);

// Registered, so that two copies of this module in one process still share the facts of a request.
const REQUEST = Symbol.for("@portcullis/request");

// Kept on the list of field lines, which Node makes for each request: Express gives every request a hidden class of its own,
// and a property more on such an object costs more than all guards that read it.
type RawHeaders = string[] & { [REQUEST]?: NodeRequest };

/**
 * The guards' view of a Node request: the same object for every guard mounted on it, however often the framework asks.
 *
 * @param routing How the framework tells the matched route; asked late, because it may not have routed yet.
 * @throws {ConfigurationError} `wrong_adapter`: this is no request of Node; the guard belongs to another framework.
 */
export function nodeRequest<Native>(incoming: NodeIncoming, routing: Routing<Native>, native: Native): NodeRequest {
  const rawHeaders: RawHeaders | undefined = incoming?.rawHeaders;
  const known = rawHeaders?.[REQUEST];
  // A host that gave two requests one list would otherwise give the second the first one's principal.
  const request = known !== undefined && known.incoming === incoming ? known : adopt(incoming, rawHeaders);
  request.routing = routing;
  request.native = native;
  return request;
}

/** A guard request over `http.IncomingMessage`. Make it with {@link nodeRequest}. */
export class NodeRequest implements GuardRequest {
  /** @internal */
  routing: Routing<unknown> = NOT_ROUTED;
  /** @internal */
  native: unknown = undefined;
  /** Fields that wait for a response which does not exist yet (frameworks that make it after the handler). */
  pendingHeaders: HeaderList = NO_HEADERS;
  /** The body, where a guard has read it. */
  bytes: Uint8Array | undefined = undefined;
  private lazyFacts: Facts | undefined = undefined;
  private body: Promise<Uint8Array> | undefined = undefined;

  constructor(
    /** @internal */
    readonly incoming: NodeIncoming,
    private readonly rawHeaders: string[],
  ) {}

  get method(): string {
    return this.incoming.method ?? "GET";
  }
  get target(): string {
    return this.incoming.originalUrl ?? this.incoming.url ?? "/";
  }
  get route(): string | undefined {
    return this.routing.route(this.native);
  }
  get ip(): string | undefined {
    return this.incoming.socket.remoteAddress;
  }
  get clientCertificate(): ClientCertificate | undefined {
    return clientCertificateOf(this.incoming.socket);
  }
  get facts(): Facts {
    return (this.lazyFacts ??= createFacts());
  }
  param(name: string): string | undefined {
    return this.routing.param(this.native, name);
  }

  // From the raw field lines, not `headers`: Node drops the second line of some fields and joins others.
  header(name: string): string | undefined {
    const { rawHeaders } = this;
    let value: string | undefined;
    for (let index = 0; index < rawHeaders.length; index += 2) {
      if (!isField(rawHeaders[index], name)) continue;
      const line = rawHeaders[index + 1] as string; // names and values come in pairs
      value = value === undefined ? line : `${value}${name === "cookie" ? "; " : ", "}${line}`;
    }
    return value;
  }
  headerCount(name: string): number {
    const { rawHeaders } = this;
    let count = 0;
    for (let index = 0; index < rawHeaders.length; index += 2) if (isField(rawHeaders[index], name)) count += 1;
    return count;
  }

  private framing: { readonly declaredBytes: number | undefined } | undefined = undefined;

  removeHeader(name: string): void {
    const field = name.toLowerCase();
    const { incoming } = this;
    this.routing.removeHeader?.(this.native, field);
    // Also where no line has it: a middleware may have put it there.
    if (incoming.headers !== undefined && Object.hasOwn(incoming.headers, field)) delete incoming.headers[field];
    if (this.headerCount(field) === 0) return;
    // How the body is framed is a matter of the message: it is as long as it was sent, whatever fields are hidden.
    this.framing ??= { declaredBytes: this.declaredBytes() };
    removeLines(incoming, field);
  }

  async rawBody(maxBytes: number): Promise<Uint8Array> {
    this.bytes = await (this.body ??= readBody(this.incoming, this.declaredBytes(), maxBytes));
    if (this.bytes.length > maxBytes) throw new ProblemError(problems.bodyTooLarge());
    return this.bytes;
  }

  /**
   * The same request for a Fetch handler. Its body is the stream of the Node request; its `signal` aborts when the client leaves.
   *
   * @throws {TypeError} Fetch knows no such request: the method is CONNECT, TRACE or TRACK.
   */
  toRequest(outgoing: NodeOutgoing): Request {
    const { method, target, incoming } = this;
    const scheme = incoming.socket.encrypted === true ? "https" : "http";
    const host = this.header("host") ?? "localhost";
    const path = target.startsWith("/") ? target : "/";
    // A Host that is no host must not fail the request here: whoever cares about it reads the header.
    const url = URL.canParse(`${scheme}://${host}`) ? `${scheme}://${host}${path}` : `${scheme}://localhost${path}`;
    const body = method === "GET" || method === "HEAD" || this.declaredBytes() === 0 ? null : streamOf(incoming);
    const request = new Request(url, { method, headers: headersOf(this.rawHeaders), body, duplex: "half" });
    return Object.defineProperty(request, "signal", { configurable: true, get: () => this.abortSignal(outgoing) });
  }

  private signal: AbortSignal | undefined = undefined;

  // Made when somebody asks: an AbortController and a listener for each request are dear, and few handlers look.
  private abortSignal(outgoing: NodeOutgoing): AbortSignal {
    if (this.signal !== undefined) return this.signal;
    const controller = new AbortController();
    const onClose = (): void => {
      if (!outgoing.writableFinished) controller.abort();
    };
    if (outgoing.destroyed) onClose();
    else outgoing.once("close", onClose);
    return (this.signal = controller.signal);
  }

  private declaredBytes(): number | undefined {
    if (this.framing !== undefined) return this.framing.declaredBytes;
    // RFC 9112 §6.3: Transfer-Encoding overrides Content-Length, and a request with neither has no body.
    if (this.header("transfer-encoding") !== undefined) return undefined;
    return Number(this.header("content-length") ?? 0);
  }
}

// Called by a framework, so types have not checked that there is a request of Node.
function adopt(incoming: NodeIncoming, rawHeaders: RawHeaders | undefined): NodeRequest {
  if (!Array.isArray(rawHeaders)) {
    throw new ConfigurationError(
      "wrong_adapter",
      "A guard got something that is no request of its framework. Import guard from the adapter of the framework it is mounted on.",
    );
  }
  const kept: RawHeaders = rawHeaders;
  return (kept[REQUEST] = new NodeRequest(incoming, rawHeaders));
}

function isField(rawName: string | undefined, name: string): boolean {
  if (rawName === undefined || rawName.length !== name.length) return false;
  // Most names of the right length differ in the first letter: no lower-case copy is made of those.
  return rawName === name || ((rawName.charCodeAt(0) | 0x20) === (name.charCodeAt(0) | 0x20) && rawName.toLowerCase() === name);
}

function removeLines(incoming: NodeIncoming, name: string): void {
  // Node makes this late, as it does `headers`, and of as many lines as it once counted: it must be there before they are fewer.
  const { rawHeaders, headersDistinct } = incoming;
  if (headersDistinct !== undefined) delete headersDistinct[name];
  let kept = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (isField(rawHeaders[index], name)) continue;
    rawHeaders[kept] = rawHeaders[index] as string; // names and values come in pairs
    rawHeaders[kept + 1] = rawHeaders[index + 1] as string;
    kept += 2;
  }
  rawHeaders.length = kept; // in place: everyone who reads the request reads this list
}

function headersOf(rawHeaders: readonly string[]): Headers {
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index] as string, rawHeaders[index + 1] as string); // names and values come in pairs
  }
  return headers;
}

function streamOf(incoming: NodeIncoming): ReadableStream<Uint8Array> {
  let iterator: AsyncIterator<unknown> | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await (iterator ??= incoming[Symbol.asyncIterator]()).next();
        if (done === true) controller.close();
        else if (value instanceof Uint8Array) controller.enqueue(value);
        else controller.error(new TypeError("The body was decoded before it was read."));
      },
    },
    { highWaterMark: 0 }, // nothing is read before the handler asks
  );
}
