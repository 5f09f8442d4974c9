import { createFacts } from "../guard/facts.js";
import type { GuardRequest } from "../guard/guard.js";
import { problems } from "../problem/catalogue.js";
import { ProblemError } from "../problem/errors.js";
import type { App } from "./app.js";

/** What only the host knows. */
export interface FetchHandlerOptions {
  /** The peer's address of a request, where the runtime tells. */
  readonly ipOf?: (request: Request) => string | undefined;
}

/**
 * Serves an application on anything that speaks Fetch: a test, a worker, a server of another framework.
 *
 * A Fetch request has its repeated field lines joined already, so `headerCount` is 0 or 1 here; serve through a Node
 * adapter where duplicates must be told apart.
 *
 * @example
 * ```ts
 * import { createApp, toFetchHandler } from "@portcullis/core";
 *
 * const handler = toFetchHandler(createApp({ routes: [] }));
 * console.log((await handler(new Request("http://localhost/nothing"))).status); // 404
 * ```
 */
export function toFetchHandler(app: App, options: FetchHandlerOptions = {}): (request: Request) => Promise<Response> {
  const { ipOf = () => undefined } = options;
  return async (request) => {
    const guarded = new FetchGuardRequest(request, ipOf(request));
    const { response, settle } = await app.handle(guarded, () => guarded.toRequest());
    if (settle === undefined) return response;
    return settleAfter(response, request.signal, settle);
  };
}

class FetchGuardRequest implements GuardRequest {
  readonly facts = createFacts();
  readonly method: string;
  readonly target: string;
  readonly route = undefined;
  #body: Promise<Uint8Array> | undefined;

  constructor(
    private readonly request: Request,
    readonly ip: string | undefined,
  ) {
    this.method = request.method;
    const url = request.url;
    const pathStart = url.indexOf("/", url.indexOf("//") + 2);
    this.target = pathStart === -1 ? "/" : url.slice(pathStart);
  }

  header(name: string): string | undefined {
    return this.request.headers.get(name) ?? undefined;
  }
  headerCount(name: string): number {
    return this.request.headers.has(name) ? 1 : 0;
  }
  param(): undefined {
    return undefined;
  }
  async rawBody(maxBytes: number): Promise<Uint8Array> {
    const bytes = await (this.#body ??= readAll(this.request, maxBytes));
    if (bytes.length > maxBytes) throw new ProblemError(problems.bodyTooLarge());
    return bytes;
  }
  /** The request a handler sees: with the body that guards have read already. */
  toRequest(): Request {
    if (this.#body === undefined) return this.request;
    const body = this.#body;
    return new Request(this.request.url, {
      method: this.method,
      headers: this.request.headers,
      signal: this.request.signal,
      body:
        this.method === "GET" || this.method === "HEAD"
          ? null
          : new ReadableStream({
              async pull(controller) {
                controller.enqueue(await body);
                controller.close();
              },
            }),
      duplex: "half",
    } as RequestInit); // `duplex` is required by Node's fetch and missing in the DOM type
  }
}

async function readAll(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (request.bodyUsed) throw new ProblemError(problems.bodyUnreadable());
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > maxBytes) throw new ProblemError(problems.bodyTooLarge());
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

// The response ends when its body was read to the end or given up; one without a body ends now.
function settleAfter(
  response: Response,
  signal: AbortSignal,
  settle: (outcome: { kind: "responded"; status: number } | { kind: "aborted" }) => void,
): Response {
  const responded = (): void => settle({ kind: "responded", status: response.status });
  if (response.body === null) {
    responded();
    return response;
  }
  signal.addEventListener("abort", () => settle({ kind: "aborted" }), { once: true });
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        responded();
        controller.close();
      } catch (error) {
        settle({ kind: "aborted" });
        controller.error(error);
      }
    },
    async cancel(reason) {
      settle({ kind: "aborted" });
      await reader.cancel(reason);
    },
  });
  return new Response(body, {
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
  });
}
