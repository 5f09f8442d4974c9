import type { App } from "./app.js";
import { FetchGuardRequest } from "./fetch-guard-request.js";
import { settleAfterBody } from "./settle-after-body.js";

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
    return settleAfterBody(response, request.signal, settle);
  };
}
