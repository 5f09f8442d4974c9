import type { IncomingMessage } from "node:http";
import { type App, createApp, defineRoute, type Facts, type Guard, type MaybePromise, type OnFault, type Route } from "@portcullis/core";

/** What an adapter under test can do by the nature of its platform. */
export type AdapterCapability =
  /** It sees the request as sent: field lines one by one, the target unnormalised, the peer's address. */
  | "raw-request"
  /** The framework has body parsers that may run before a guard. */
  | "parser"
  /** Routes of the framework itself run beside Portcullis, with their own replies and exceptions. */
  | "native-routes";

/** An adapter under test: how to start an application of its framework. */
export interface AdapterHost {
  /** For test names, e.g. `express 5`. */
  readonly name: string;
  readonly capabilities: readonly AdapterCapability[];
  /** How long a law may take before it counts as hanging. Default: 10 000. */
  readonly patienceMs?: number;
  /** Starts an application on a free port of 127.0.0.1. */
  start(setup: AdapterSetup): Promise<RunningAdapter>;
}

/** The application that a law needs, in the order it is mounted. */
export interface AdapterSetup {
  /** Parse JSON bodies with the framework's parser before every guard. Needs `parser`. */
  readonly parserFirst?: boolean;
  /** Look at a header field in each place that {@link NativeCall.header} looks at, before every guard. Needs `native-routes`. */
  readonly headersFirst?: boolean;
  /** Each is one `guard(...)`, mounted for all requests. */
  readonly mounts?: readonly (readonly Guard[])[];
  /** Routes of the framework itself. */
  readonly routes?: readonly NativeRoute[];
  /** Mounted after them; where it is absent, an application without routes. */
  readonly app?: App;
  readonly onFault?: OnFault;
}

/** A route in the framework's own terms. */
export interface NativeRoute {
  readonly method: "GET" | "POST";
  /** Literal and `:name` segments. */
  readonly path: string;
  /** One `guard(...)` on this route alone. */
  readonly guards?: readonly Guard[];
  handle(call: NativeCall): MaybePromise<NativeReply>;
}

/** What a native handler is given. */
export interface NativeCall {
  /** Through the adapter's `facts(...)` of the framework's own request. */
  readonly facts: Facts;
  /** The body, parsed by the framework's own JSON parser. */
  json(): Promise<unknown>;
  /**
   * What the framework's own request says of a header field, one entry for each place where a handler may look: `nodeHeader` and
   * `fetchHeader` know those of Node's and of Fetch's request. `undefined` where there is no such field.
   *
   * @param name Lower case.
   */
  header(name: string): readonly (string | undefined)[];
}

/** How a native handler replies. */
export type NativeReply =
  /** The framework's usual way: `res.send`, `return`, `c.text`. */
  | { readonly kind: "text"; readonly body: string; readonly headers?: Readonly<Record<string, string>> }
  /** A Fetch response with immutable headers, where the framework takes one; else its status and body as text. */
  | { readonly kind: "raw"; readonly body: string }
  /** Chunks as they come. */
  | { readonly kind: "stream"; readonly chunks: AsyncIterable<string> };

/** An application that listens. */
export interface RunningAdapter {
  readonly port: number;
  close(): Promise<void>;
}

/** The same setup as an application of Portcullis alone: native routes become its routes, all mounts its guards. */
export function toApp(setup: AdapterSetup): App {
  return createApp({
    guards: [...(setup.mounts ?? []).flat(), ...(setup.app?.guards ?? [])],
    routes: [...(setup.routes ?? []).map(toRoute), ...(setup.app?.routes ?? [])],
    ...(setup.onFault === undefined ? {} : { onFault: setup.onFault }),
  });
}

function toRoute(route: NativeRoute): Route {
  return defineRoute({
    method: route.method,
    path: route.path,
    operationId: `${route.method} ${route.path}`,
    summary: "A native route of a law",
    guards: route.guards ?? [],
    async handle(request, { facts }) {
      const reply = await route.handle({ facts, json: () => request.json(), header: (name) => fetchHeader(request, name) });
      return toFetchResponse(reply);
    },
  });
}

/** A header field in each place where a handler may look for it on Node's request. */
export function nodeHeader(request: IncomingMessage, name: string): readonly (string | undefined)[] {
  const lines = request.rawHeaders.filter((_, index, all) => index % 2 === 1 && all[index - 1]?.toLowerCase() === name);
  const joined = lines.length === 0 ? undefined : lines.join(", ");
  return [request.headers[name]?.toString(), request.headersDistinct[name]?.join(", "), joined];
}

/** A header field in each place where a handler may look for it on a Fetch request; of one whose body is unread, in a clone, too. */
export function fetchHeader(request: Request, name: string): readonly (string | undefined)[] {
  const places = request.bodyUsed ? [request] : [request, request.clone()];
  return places.flatMap(({ headers }) => [headers.get(name) ?? undefined, Object.fromEntries(headers)[name]]);
}

/** A native reply on the Fetch standard. */
export function toFetchResponse(reply: NativeReply): Response {
  switch (reply.kind) {
    case "text":
      return new Response(reply.body, { headers: { "content-type": "text/plain", ...reply.headers } });
    case "raw":
      return immutable(reply.body);
    case "stream":
      return new Response(toStream(reply.chunks));
  }
}

/** Chunks of text as a stream of bytes that reads no further than it is asked to. */
export function toStream(chunks: AsyncIterable<string>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await iterator.next();
        if (done === true) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

// What `fetch` returns and `Response.redirect` makes: fields that cannot be changed.
function immutable(body: string): Response {
  const response = new Response(body);
  const { headers } = response;
  const refuse = (): never => {
    throw new TypeError("immutable");
  };
  for (const method of ["append", "delete", "set"] as const) Object.defineProperty(headers, method, { value: refuse });
  return response;
}
