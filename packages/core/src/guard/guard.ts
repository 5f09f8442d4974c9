import type { Answer } from "./answer.js";
import type { ClientCertificate } from "./client-certificate.js";
import type { Facts } from "./facts.js";
import type { HeaderList } from "./header-list.js";
import type { JsonValue, Problem } from "../problem/problem.js";

/** A value now, or a promise of it. Guards and ports that need no I/O answer now: no microtask on the hot path. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * One request as every guard sees it, whatever framework carries it.
 *
 * An adapter builds it; it holds no copy of the request, so reading is cheap and late.
 */
export interface GuardRequest {
  /** As sent, upper case for the standard methods. */
  readonly method: string;
  /** Path and query exactly as sent: not decoded, not normalised. */
  readonly target: string;
  /** Pattern of the matched route (`/workflows/:id`); `undefined` where the framework has not routed yet. */
  readonly route: string | undefined;
  /** Address of the socket's peer. Read the caller's address from `clientIpFact` instead: it knows the trusted proxies. */
  readonly ip: string | undefined;
  /**
   * The certificate of the caller that the TLS handshake verified against the server's authorities. `undefined` without TLS, without
   * a certificate, for one that was not verified, and on runtimes that do not show it. Header fields that tell of one
   * (`X-Forwarded-Client-Cert`) are never an input.
   */
  readonly clientCertificate: ClientCertificate | undefined;
  /** What earlier guards learned about this request. */
  readonly facts: Facts;
  /**
   * One header field's value, field lines joined by `, ` in the order sent (RFC 9110 §5.3; `cookie` by `; `).
   * Before trusting a field that may occur once only, ask `headerCount`: attackers send two.
   *
   * @param name Lower case.
   */
  header(name: string): string | undefined;
  /** How many field lines of that name were sent. @param name Lower case. */
  headerCount(name: string): number;
  /**
   * Takes a field out of the request, so that neither later guards nor the handler see it: all its lines, whatever their case.
   * Harmless where there is none. For fields that a caller may not speak for itself, e.g. an identity that only a proxy may add.
   *
   * What was made of the field before stays: mount the guard ahead of whatever copies or validates headers. Trailers stay as sent.
   *
   * @param name In any case.
   */
  removeHeader(name: string): void;
  /** A decoded route parameter; `undefined` where there is none or the framework has not routed yet. */
  param(name: string): string | undefined;
  /**
   * The exact bytes of the body, never re-serialised; the handler can still parse the body afterwards.
   * Repeated calls give the same bytes.
   *
   * @param maxBytes Bodies longer than this are refused.
   * @throws {ProblemError} 2003 body too large, 2004 the client left before it sent everything. No handler runs.
   * @throws {ConfigurationError} `mounted_after_parser`: someone consumed the body before; mount the guard before the body parser.
   */
  rawBody(maxBytes: number): Promise<Uint8Array>;
}

/** How a request ended: with a response of this status, or because the client went away first. */
export type Outcome = { readonly kind: "responded"; readonly status: number } | { readonly kind: "aborted" };

/** Runs after the response ended, exactly once, also when a later guard denied or the handler threw. */
export type Settle = (outcome: Outcome) => void | Promise<void>;

/**
 * What a guard decided.
 * - `allow`: go on; `headers` join the response, `settle` runs after it.
 * - `deny`: stop with a problem.
 * - `answer`: stop with an answer that is not an error (a CORS preflight's 204, an approval's 202).
 */
export type Verdict =
  | { readonly kind: "allow"; readonly headers?: HeaderList; readonly settle?: Settle }
  | {
      readonly kind: "deny";
      readonly problem: Problem;
      readonly headers?: HeaderList;
      readonly settle?: Settle;
    }
  | {
      readonly kind: "answer";
      readonly answer: Answer;
      readonly headers?: HeaderList;
      readonly settle?: Settle;
    };

/**
 * Decides about one request. A denial is a value; an exception is a fault, and a fault fails closed.
 *
 * @example
 * ```ts
 * import { ALLOW, deny, problems, type Guard } from "@portcullis/core";
 *
 * const noTrace: Guard = {
 *   name: "no-trace",
 *   check: (request) => (request.method === "TRACE" ? deny(problems.forbidden()) : ALLOW),
 * };
 * ```
 */
export interface Guard {
  /** For logs and metrics: kebab-case, unique within a chain. */
  readonly name: string;
  /** Of a guard made by `allOf`: what it is made of. A chain asks the parts, so that each fault is reported under its own name. */
  readonly parts?: readonly Guard[];
  /** What tools may know of the guard, e.g. `{ permission: "workflows.read" }`; OpenAPI carries it as `x-permission`. */
  readonly meta?: Readonly<Record<string, JsonValue>>;
  check(request: GuardRequest): MaybePromise<Verdict>;
}

/** The verdict of a guard with nothing to add. One frozen object: allowing costs no allocation. */
export const ALLOW: Verdict = Object.freeze({ kind: "allow" });

/** A denial with this problem. */
export function deny(problem: Problem, headers?: HeaderList): Verdict {
  return headers === undefined ? { kind: "deny", problem } : { kind: "deny", problem, headers };
}
