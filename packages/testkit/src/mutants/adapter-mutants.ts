import type { createServer, IncomingMessage, ServerResponse } from "node:http";
import {
  createFacts,
  createGuardChain,
  type Facts,
  type Guard,
  type GuardRequest,
  type GuardRun,
  type HeaderList,
  type MaybePromise,
  type Outcome,
  type ProblemResponse,
} from "@portcullis/core";
import type { AdapterSetup } from "../adapter-laws/adapter-host.js";
import { type Chain, NodeAdapter } from "./node-adapter.js";

/** An adapter with one mistake, and the laws that must notice it. */
export interface AdapterMutant {
  /** What it does wrong. */
  readonly mistake: string;
  /** At least these laws fail. */
  readonly breaks: readonly string[];
  readonly host: NodeAdapter;
}

/** A request with some members replaced. */
function changed(request: GuardRequest, changes: Partial<GuardRequest>): GuardRequest {
  return new Proxy(request, {
    get(target, name) {
      if (Object.hasOwn(changes, name)) return Reflect.get(changes, name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

class Mutant extends NodeAdapter {
  /** Hanging is one way to fail: the laws need not wait long for it. */
  readonly patienceMs = 300;
}

class SharesFacts extends Mutant {
  private readonly shared = createFacts();
  protected override requestOf(...args: Parameters<NodeAdapter["requestOf"]>): GuardRequest {
    return changed(super.requestOf(...args), { facts: this.shared });
  }
}

class ForgetsFacts extends Mutant {
  protected override factsOf(): Facts {
    return createFacts();
  }
}

class IgnoresLateVerdicts extends Mutant {
  protected override ask(chain: Chain, request: GuardRequest): MaybePromise<GuardRun> {
    const run = chain.run(request);
    return run instanceof Promise ? { stop: undefined, headers: [], settle: undefined } : run;
  }
}

class GoesOnAfterFault extends Mutant {
  protected override async ask(chain: Chain, request: GuardRequest): Promise<GuardRun> {
    const run = await chain.run(request);
    return run.stop?.kind === "deny" && run.stop.problem.status >= 500 ? { ...run, stop: undefined } : run;
  }
}

class LosesRepeatedHeaders extends Mutant {
  protected override addHeaders(res: ServerResponse, headers: HeaderList): void {
    for (const [name, value] of headers) res.setHeader(name, value);
  }
}

class AppendsEveryHeader extends Mutant {
  protected override addHeaders(res: ServerResponse, headers: HeaderList): void {
    for (const [name, value] of headers) res.appendHeader(name, value);
  }
}

class DropsHeadersOnErrors extends Mutant {
  protected override respond(res: ServerResponse, response: ProblemResponse): void {
    for (const name of res.getHeaderNames()) res.removeHeader(name);
    super.respond(res, response);
  }
}

class SettlesTwice extends Mutant {
  protected override ask(chain: Chain, request: GuardRequest): MaybePromise<GuardRun> {
    // A run settles once, whoever calls: it takes two runs of the chain to call a hook twice.
    const [first, second] = [chain.run(request), chain.run(request)];
    if (first instanceof Promise || second instanceof Promise) return first;
    return { ...first, settle: (outcome) => (first.settle?.(outcome), second.settle?.(outcome)) };
  }
}

class SettlesOnlyResponses extends Mutant {
  protected override settle(_req: IncomingMessage, res: ServerResponse, settle: (outcome: Outcome) => void): void {
    res.once("finish", () => settle({ kind: "responded", status: res.statusCode }));
  }
}

class SettlesTooEarly extends Mutant {
  protected override settle(_req: IncomingMessage, res: ServerResponse, settle: (outcome: Outcome) => void): void {
    setImmediate(() => settle({ kind: "responded", status: res.statusCode }));
  }
}

// Listens on the response's socket; a response that waits for its turn has none yet.
class ForgetsQueuedResponses extends Mutant {
  protected override settle(req: IncomingMessage, res: ServerResponse, settle: (outcome: Outcome) => void): void {
    if (res.socket !== null) return super.settle(req, res, settle);
    res.once("finish", () => settle({ kind: "responded", status: res.statusCode }));
  }
}

class ReserialisesBody extends Mutant {
  protected override requestOf(...args: Parameters<NodeAdapter["requestOf"]>): GuardRequest {
    const request = super.requestOf(...args);
    const rawBody = async (maxBytes: number): Promise<Uint8Array> => {
      const bytes = await request.rawBody(maxBytes);
      return bytes.length === 0 ? bytes : Buffer.from(JSON.stringify(JSON.parse(Buffer.from(bytes).toString("utf8"))));
    };
    return changed(request, { rawBody });
  }
}

class EatsBody extends Mutant {
  protected override requestOf(req: IncomingMessage, matched: undefined): GuardRequest {
    const request = super.requestOf(req, matched);
    const rawBody = async (): Promise<Uint8Array> => {
      const chunks: Buffer[] = [];
      for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk);
      return Buffer.concat(chunks);
    };
    return changed(request, { rawBody });
  }
}

class WaitsForConsumedBody extends Mutant {
  protected override requestOf(req: IncomingMessage, matched: undefined): GuardRequest {
    const request = super.requestOf(req, matched);
    const rawBody = (maxBytes: number): Promise<Uint8Array> =>
      req.readableEnded ? new Promise((resolve) => req.once("end", () => resolve(Buffer.alloc(0)))) : request.rawBody(maxBytes);
    return changed(request, { rawBody });
  }
}

class IgnoresBodyLimit extends Mutant {
  protected override requestOf(...args: Parameters<NodeAdapter["requestOf"]>): GuardRequest {
    const request = super.requestOf(...args);
    return changed(request, { rawBody: () => request.rawBody(Number.MAX_SAFE_INTEGER) });
  }
}

class TrustsNodesHeaders extends Mutant {
  protected override requestOf(req: IncomingMessage, matched: undefined): GuardRequest {
    const header = (name: string): string | undefined => req.headers[name]?.toString();
    return changed(super.requestOf(req, matched), { header, headerCount: (name) => (header(name) === undefined ? 0 : 1) });
  }
}

// In the places that Node makes of the lines a removed field is gone; among the lines themselves some stay.
function removeLines(req: IncomingMessage, name: string, isRemoved: (line: string, earlier: number) => boolean): void {
  const { rawHeaders, headers, headersDistinct } = req; // made before the list is shorter
  let earlier = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const line = rawHeaders[index] ?? "";
    if (line.toLowerCase() === name && isRemoved(line, earlier++)) index -= rawHeaders.splice(index, 2).length;
  }
  delete headers[name];
  delete headersDistinct[name];
}

class RemovesFirstLine extends Mutant {
  protected override requestOf(req: IncomingMessage, matched: undefined): GuardRequest {
    const removeHeader = (name: string): void => removeLines(req, name.toLowerCase(), (_, earlier) => earlier === 0);
    return changed(super.requestOf(req, matched), { removeHeader });
  }
}

class RemovesOneSpelling extends Mutant {
  protected override requestOf(req: IncomingMessage, matched: undefined): GuardRequest {
    const removeHeader = (name: string): void => removeLines(req, name.toLowerCase(), (line) => line === name);
    return changed(super.requestOf(req, matched), { removeHeader });
  }
}

class HidesFromGuardsOnly extends Mutant {
  private readonly hidden = new WeakMap<IncomingMessage, Set<string>>();

  protected override requestOf(req: IncomingMessage, matched: undefined): GuardRequest {
    const request = super.requestOf(req, matched);
    const hidden = this.hidden.get(req) ?? new Set();
    this.hidden.set(req, hidden);
    return changed(request, {
      header: (name) => (hidden.has(name) ? undefined : request.header(name)),
      headerCount: (name) => (hidden.has(name) ? 0 : request.headerCount(name)),
      removeHeader: (name) => void hidden.add(name.toLowerCase()),
    });
  }
}

class LeavesHeadersAlreadyRead extends Mutant {
  protected override requestOf(req: IncomingMessage, matched: undefined): GuardRequest {
    const request = super.requestOf(req, matched);
    const removeHeader = (name: string): void => {
      const { headersDistinct } = req;
      const before = { ...headersDistinct };
      request.removeHeader(name);
      Object.assign(headersDistinct, before);
    };
    return changed(request, { removeHeader });
  }
}

// As gateways do that hand header fields on as environment variables.
class RemovesLookalikes extends Mutant {
  protected override requestOf(req: IncomingMessage, matched: undefined): GuardRequest {
    const request = super.requestOf(req, matched);
    const removeHeader = (name: string): void => {
      for (const field of Object.keys(req.headers)) if (field.replaceAll("_", "-") === name.toLowerCase()) request.removeHeader(field);
    };
    return changed(request, { removeHeader });
  }
}

class RemovesTheBodyToo extends Mutant {
  protected override requestOf(req: IncomingMessage, matched: undefined): GuardRequest {
    const request = super.requestOf(req, matched);
    return changed(request, { removeHeader: (name) => (request.removeHeader(name), void req.resume()) });
  }
}

class TrustsForwardedFor extends Mutant {
  protected override requestOf(req: IncomingMessage, matched: undefined): GuardRequest {
    return changed(super.requestOf(req, matched), { ip: req.headers["x-forwarded-for"]?.toString() });
  }
}

class NormalisesTarget extends Mutant {
  protected override requestOf(req: IncomingMessage, matched: undefined): GuardRequest {
    const { pathname, search } = new URL(`http://host${req.url}`);
    return changed(super.requestOf(req, matched), { target: pathname + search });
  }
}

class LetsMalformedPathsThrough extends Mutant {
  protected override prepare(guards: readonly Guard[], setup: AdapterSetup): Chain {
    return createGuardChain(guards, setup.onFault);
  }
}

class AnswersUnmatchedAlone extends Mutant {
  protected override async serveApp(...[, , , res]: Parameters<NodeAdapter["serveApp"]>): Promise<void> {
    res.writeHead(404, { "content-type": "text/html" }).end("<h1>Not found</h1>");
  }
}

class CutsConnections extends Mutant {
  protected override close(server: ReturnType<typeof createServer>, listening: { close(): Promise<void> }): Promise<void> {
    server.closeAllConnections();
    return listening.close();
  }
}

/** Adapters that the laws must reject: each has one mistake that real adapters made. */
export const adapterMutants: readonly AdapterMutant[] = Object.freeze([
  { mistake: "shares its facts between requests", breaks: ["AD-07", "AD-50"], host: new SharesFacts() },
  { mistake: "gives the handler facts of its own", breaks: ["AD-01"], host: new ForgetsFacts() },
  { mistake: "takes a late verdict for an allow", breaks: ["AD-03", "AD-05", "AD-06"], host: new IgnoresLateVerdicts() },
  { mistake: "runs the handler after a fault", breaks: ["AD-05", "AD-06"], host: new GoesOnAfterFault() },
  { mistake: "loses repeated headers", breaks: ["AD-10", "AD-12"], host: new LosesRepeatedHeaders() },
  { mistake: "appends every header", breaks: ["AD-12"], host: new AppendsEveryHeader() },
  { mistake: "drops the guards' headers on errors", breaks: ["AD-10"], host: new DropsHeadersOnErrors() },
  { mistake: "settles twice", breaks: ["AD-20", "AD-22"], host: new SettlesTwice() },
  { mistake: "settles only what was responded to", breaks: ["AD-23", "AD-36"], host: new SettlesOnlyResponses() },
  { mistake: "settles before the response has ended", breaks: ["AD-25"], host: new SettlesTooEarly() },
  { mistake: "forgets responses that wait in a pipeline", breaks: ["AD-51"], host: new ForgetsQueuedResponses() },
  { mistake: "serialises the body again", breaks: ["AD-30"], host: new ReserialisesBody() },
  { mistake: "eats the body", breaks: ["AD-30", "AD-34"], host: new EatsBody() },
  { mistake: "waits for a body that was consumed", breaks: ["AD-35"], host: new WaitsForConsumedBody() },
  { mistake: "ignores the body limit", breaks: ["AD-34"], host: new IgnoresBodyLimit() },
  { mistake: "trusts the headers that Node joined or dropped", breaks: ["AD-42"], host: new TrustsNodesHeaders() },
  { mistake: "removes the first line of a field only", breaks: ["AD-60", "AD-61", "AD-63", "AD-65"], host: new RemovesFirstLine() },
  { mistake: "hides a removed field from guards only", breaks: ["AD-61", "AD-62", "AD-63"], host: new HidesFromGuardsOnly() },
  { mistake: "leaves a removed field where it was read before", breaks: ["AD-61", "AD-63"], host: new LeavesHeadersAlreadyRead() },
  { mistake: "removes a field in one spelling only", breaks: ["AD-60", "AD-61", "AD-62"], host: new RemovesOneSpelling() },
  { mistake: "removes fields that look alike", breaks: ["AD-61"], host: new RemovesLookalikes() },
  { mistake: "loses the body with a removed field", breaks: ["AD-64"], host: new RemovesTheBodyToo() },
  { mistake: "trusts X-Forwarded-For", breaks: ["AD-43"], host: new TrustsForwardedFor() },
  { mistake: "normalises the target", breaks: ["AD-40"], host: new NormalisesTarget() },
  { mistake: "lets malformed paths through", breaks: ["AD-45"], host: new LetsMalformedPathsThrough() },
  { mistake: "answers unmatched requests itself", breaks: ["AD-46"], host: new AnswersUnmatchedAlone() },
  { mistake: "cuts connections when it closes", breaks: ["AD-52"], host: new CutsConnections() },
]);
