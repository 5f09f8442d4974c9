import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import {
  createApp,
  createMountChain,
  errorResponse,
  type Facts,
  type Guard,
  type GuardRequest,
  type GuardRun,
  type HeaderList,
  type MaybePromise,
  type Outcome,
  type ProblemResponse,
  stopResponse,
} from "@portcullis/core";
import { listenOn, type NodeRequest, nodeRequest, type Routing, sendResponse, settleAfter, writeHeaders } from "@portcullis/core/node";
import {
  type AdapterCapability,
  type AdapterHost,
  type AdapterSetup,
  type NativeReply,
  type NativeRoute,
  nodeHeader,
  type RunningAdapter,
} from "../adapter-laws/adapter-host.js";

/** The native route that a request matched; `undefined` before routing. */
export type Matched = { readonly route: NativeRoute; readonly params: Readonly<Record<string, string>> } | undefined;

const routing: Routing<Matched> = {
  route: (matched) => matched?.route.path,
  param: (matched, name) => (matched !== undefined && Object.hasOwn(matched.params, name) ? matched.params[name] : undefined),
};

/**
 * The smallest adapter that obeys the laws: Node's own server, no framework. A pattern for new adapters, and what the
 * mutants spoil, one method each.
 */
export class NodeAdapter implements AdapterHost {
  readonly name: string = "node:http";
  readonly capabilities: readonly AdapterCapability[] = ["raw-request", "parser", "native-routes"];

  async start(setup: AdapterSetup): Promise<RunningAdapter> {
    const mounts = (setup.mounts ?? []).map((guards) => this.prepare(guards, setup));
    const routes = (setup.routes ?? []).map((route) => ({ route, chain: this.prepare(route.guards ?? [], setup) }));
    const app = setup.app ?? createApp({ routes: [] });
    const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
      const parsed = setup.parserFirst === true ? await readJson(req) : undefined;
      if (setup.headersFirst === true) nodeHeader(req, "host");
      const request = this.requestOf(req, undefined);
      for (const chain of mounts) if (!(await this.pass(chain, request, req, res, setup))) return;
      const matched = match(routes, req);
      if (matched === undefined) return this.serveApp(app, request, req, res);
      if (!(await this.pass(matched.chain, this.requestOf(req, matched), req, res, setup))) return;
      try {
        const json = async (): Promise<unknown> => parsed ?? readJson(req);
        const header = (name: string) => nodeHeader(req, name);
        await send(await matched.route.handle({ facts: this.factsOf(request), json, header }), res);
      } catch (error) {
        this.respond(res, errorResponse(error, request, setup));
      }
    };
    const server = createServer((req, res) => void serve(req, res));
    const listening = await listenOn(server, { port: 0, host: "127.0.0.1" });
    return { port: listening.port, close: () => this.close(server, listening) };
  }

  protected prepare(guards: readonly Guard[], setup: AdapterSetup): Chain {
    return createMountChain(guards, setup);
  }

  protected requestOf(req: IncomingMessage, matched: Matched): GuardRequest {
    return this.nodeRequest(req, matched);
  }

  protected nodeRequest(req: IncomingMessage, matched: Matched): NodeRequest {
    return nodeRequest(req, routing, matched);
  }

  protected factsOf(request: GuardRequest): Facts {
    return request.facts;
  }

  /** Asks the guards; `false` when the response is written already. */
  protected async pass(
    chain: Chain,
    request: GuardRequest,
    req: IncomingMessage,
    res: ServerResponse,
    setup: AdapterSetup,
  ): Promise<boolean> {
    const run = await this.ask(chain, request);
    if (run.settle !== undefined) this.settle(req, res, run.settle);
    if (run.stop !== undefined) {
      this.respond(res, stopResponse(run.stop, request, run.headers, setup));
      return false;
    }
    this.addHeaders(res, run.headers);
    return true;
  }

  protected ask(chain: Chain, request: GuardRequest): MaybePromise<GuardRun> {
    return chain.run(request);
  }

  protected settle(req: IncomingMessage, res: ServerResponse, settle: (outcome: Outcome) => void): void {
    settleAfter(req, res, settle);
  }

  protected addHeaders(res: ServerResponse, headers: HeaderList): void {
    writeHeaders(res, headers);
  }

  protected respond(res: ServerResponse, { status, headers, body }: ProblemResponse): void {
    res.statusCode = status;
    this.addHeaders(res, headers);
    res.end(body);
  }

  protected async serveApp(
    app: ReturnType<typeof createApp>,
    request: GuardRequest,
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<void> {
    const native = this.nodeRequest(req, undefined);
    const { response, settle } = await app.handle(request, () => native.toRequest(res));
    if (settle !== undefined) this.settle(req, res, settle);
    await sendResponse(response, res);
  }

  protected close(_server: ReturnType<typeof createServer>, listening: { close(): Promise<void> }): Promise<void> {
    return listening.close();
  }
}

/** A prepared mount. */
export interface Chain {
  run(request: GuardRequest): MaybePromise<GuardRun>;
}

function match(routes: readonly { readonly route: NativeRoute; readonly chain: Chain }[], req: IncomingMessage) {
  const method = req.method === "HEAD" ? "GET" : req.method;
  const segments = (req.url ?? "/").replace(/\?.*/, "").split("/");
  for (const { route, chain } of routes) {
    const pattern = route.path.split("/");
    if (route.method !== method || pattern.length !== segments.length) continue;
    const params: Record<string, string> = {};
    const fits = pattern.every((part, index) => {
      const segment = segments[index] as string; // as many segments as parts
      if (!part.startsWith(":")) return part === segment;
      params[part.slice(1)] = decode(segment);
      return true;
    });
    if (fits) return { route, chain, params };
  }
  return undefined;
}

// A handler never sees one that cannot be decoded: the guards' chain refuses it.
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

async function readJson(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

async function send(reply: NativeReply, res: ServerResponse): Promise<void> {
  if (reply.kind === "text") for (const [name, value] of Object.entries(reply.headers ?? {})) res.setHeader(name, value);
  if (reply.kind !== "stream") return void res.end(reply.body);
  for await (const chunk of reply.chunks) {
    if (res.destroyed) return;
    res.write(chunk);
  }
  res.end();
}
