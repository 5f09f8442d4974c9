import {
  createMountChain,
  type Facts,
  type Guard,
  type GuardRun,
  mergeHeaders,
  type MountOptions,
  stopResponse,
  type WriteField,
  writeFields,
} from "@portcullis/core";
import { settleAfter } from "@portcullis/core/node";
import type { Context, MiddlewareHandler, Next } from "hono";
import { addHeaders, settleWith, toResponse } from "./response.js";
import { type MountedRequest, nodeOf, replayBody, requestOf } from "./request.js";

/**
 * Makes a `guard` with its own way of rendering problems and reporting faults.
 *
 * @example
 * ```ts
 * import { createGuard } from "@portcullis/hono";
 *
 * const guard = createGuard({ onFault: ({ source, error }) => console.error(source, error) });
 * ```
 */
export function createGuard(options: MountOptions = {}): (...guards: readonly Guard[]) => MiddlewareHandler {
  const settings = Object.freeze({ ...options });
  return (...guards) => {
    const chain = createMountChain(guards, settings);
    return (c, next) => {
      const request = requestOf(c);
      const run = chain.run(request);
      return run instanceof Promise
        ? run.then((late) => proceed(late, request, c, next, settings))
        : proceed(run, request, c, next, settings);
    };
  };
}

/**
 * Asks guards in order before what is mounted after it: `app.use(guard(a, b))`, or on one route.
 *
 * @throws {ConfigurationError} `invalid_option`: an argument is no guard.
 */
export const guard: (...guards: readonly Guard[]) => MiddlewareHandler = createGuard();

/** What the guards learned about a request: the same facts for every guard and handler of it. */
export function facts(c: Context): Facts {
  return requestOf(c).facts;
}

function proceed(run: GuardRun, request: MountedRequest, c: Context, next: Next, options: MountOptions): Promise<Response | void> {
  const { incoming, outgoing } = nodeOf(c);
  const { settle } = run;
  if (settle !== undefined && incoming !== undefined && outgoing !== undefined) settleAfter(incoming, outgoing, settle);
  // Without Node, a response ends with its body.
  const settleLater = outgoing === undefined ? settle : undefined;
  const pending = request.pendingHeaders;
  const headers = run.headers.length === 0 ? pending : mergeHeaders(pending, run.headers);
  if (run.stop !== undefined) {
    request.pendingHeaders = [];
    const response = toResponse(stopResponse(run.stop, request, headers, options));
    return Promise.resolve(settleLater === undefined ? response : settleWith(response, c, settleLater));
  }
  replayBody(request, c);
  request.pendingHeaders = headers;
  // The signal knows of the client from the moment it is first read: before the work starts.
  if (settleLater !== undefined) c.req.raw.signal.addEventListener("abort", () => settleLater({ kind: "aborted" }), { once: true });
  // The outermost mount writes the fields of all, so that later guards overwrite earlier ones.
  if (settleLater === undefined && (headers.length === 0 || pending.length > 0)) return next();
  return next().then(
    () => finish(request, c, settleLater),
    (thrown: unknown) => fail(thrown, request, c, settleLater),
  );
}

function finish(request: MountedRequest, c: Context, settle: Settled): void {
  addHeaders(c, request.pendingHeaders);
  request.pendingHeaders = [];
  if (settle === undefined) return;
  const response = settleWith(c.res, c, settle);
  c.res = undefined; // or Hono would merge the fields of the two
  c.res = response;
}

// Hono hands an Error to its error handler and lets everything else through, past all headers.
function fail(thrown: unknown, request: MountedRequest, c: Context, settle: Settled): never {
  writeFields(c, request.pendingHeaders, setField, addField);
  request.pendingHeaders = [];
  settle?.({ kind: "responded", status: 500 });
  throw thrown instanceof Error ? thrown : new Error("A handler threw something that is no Error.", { cause: thrown });
}

const setField: WriteField<Context> = (c, name, value) => c.header(name, value);
const addField: WriteField<Context> = (c, name, value) => c.header(name, value, { append: true });

type Settled = GuardRun["settle"];
