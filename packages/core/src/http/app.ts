import type { Guard, GuardRequest, MaybePromise, Outcome } from "../guard/guard.js";
import type { OnFault } from "../guard/run-guards.js";
import type { RenderProblem } from "./render-problem.js";
import type { Route } from "./route.js";

/** What an application is made of. */
export interface AppOptions {
  /** Asked on every request, unmatched ones (404, 405) included. */
  readonly guards?: readonly Guard[];
  readonly routes: readonly Route[];
  /** Default: RFC 9457 `application/problem+json`. */
  readonly renderProblem?: RenderProblem;
  /** Told of exceptions; log them under the correlation id. Clients see a 500 or 503 without detail. */
  readonly onFault?: OnFault;
}

/** A response and what must happen after it was sent. */
export interface AppReply {
  readonly response: Response;
  /** Call exactly once, when the response was sent or the client left. Never throws. */
  readonly settle: ((outcome: Outcome) => void) | undefined;
}

/** A framework-free application: guards around routes. Mount it with an adapter, or serve it with `toFetchHandler`. */
export interface App {
  readonly guards: readonly Guard[];
  readonly routes: readonly Route[];
  /**
   * Answers one request; never throws or rejects.
   *
   * @param request The adapter's view of the request, not routed yet.
   * @param toRequest Makes the Fetch request that the handler sees; called at most once, and only when a handler runs.
   */
  handle(request: GuardRequest, toRequest: () => Request): MaybePromise<AppReply>;
}
