import { createFacts } from "../guard/facts.js";
import type { GuardRequest } from "../guard/guard.js";
import { consumedBefore } from "../node/read-body.js";
import { problems } from "../problem/catalogue.js";
import { ProblemError } from "../problem/errors.js";
import { withoutHeader } from "./without-header.js";

/**
 * A guard request over a Fetch request. Repeated field lines are joined already, so `headerCount` is 0 or 1.
 */
export class FetchGuardRequest implements GuardRequest {
  readonly facts = createFacts();
  readonly method: string;
  readonly target: string;
  // A request that was made by hand or came over HTTP/2 has its host in the URL alone.
  #host: string | undefined;
  #body: Promise<Uint8Array> | undefined;

  constructor(
    private request: Request,
    readonly ip: string | undefined,
  ) {
    this.method = request.method;
    const url = request.url;
    const hostStart = url.indexOf("//") + 2;
    const pathStart = url.indexOf("/", hostStart);
    this.#host = url.slice(hostStart, pathStart === -1 ? undefined : pathStart);
    this.target = pathStart === -1 ? "/" : url.slice(pathStart);
  }

  header(name: string): string | undefined {
    return this.request.headers.get(name) ?? (name === "host" ? this.#host : undefined);
  }
  headerCount(name: string): number {
    return this.header(name) === undefined ? 0 : 1;
  }
  removeHeader(name: string): void {
    if (name.toLowerCase() === "host") this.#host = undefined;
    this.request = withoutHeader(this.request, name);
  }
  get clientCertificate(): undefined {
    return undefined;
  }
  get route(): string | undefined {
    return undefined;
  }
  param(_name: string): string | undefined {
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
    });
  }
}

async function readAll(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (request.bodyUsed) throw consumedBefore();
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > maxBytes) throw new ProblemError(problems.bodyTooLarge());
      chunks.push(chunk);
    }
  } catch (cause) {
    throw cause instanceof ProblemError ? cause : new ProblemError(problems.bodyUnreadable(), { cause });
  }
  return Buffer.concat(chunks);
}
