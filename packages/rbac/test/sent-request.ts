import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { type Guard, type Principal, principalFact, type Problem } from "@portcullis/core";
import { nodeRequest, type NodeRequest } from "@portcullis/core/node";
import { run } from "./request.js";

/** A field line as it was sent. */
export type Line = readonly [name: string, value: string];

/** A request as it came over a socket, to the letter. */
export interface SentRequest {
  readonly lines?: readonly Line[];
  readonly method?: string;
  readonly target?: string;
  /** Address of the socket's peer; `undefined` on a socket of the file system. */
  readonly ip?: string | undefined;
  /** As Node shows a certificate that the handshake verified. */
  readonly certificate?: { readonly subject?: string; readonly subjectAltName?: string };
  /** Whom authentication found. */
  readonly principal?: Principal;
}

/** What guards see of it: through core's own reading of Node's message. */
export function sent({ lines = [], method = "GET", target = "/", certificate, principal, ...from }: SentRequest): NodeRequest {
  const socket = new Socket();
  Object.defineProperty(socket, "remoteAddress", { value: "ip" in from ? from.ip : "10.0.0.7" });
  if (certificate !== undefined) {
    const shown = { subject: undefined, subjectAltName: undefined, fingerprint256: "AA:BB", ...certificate };
    Object.assign(socket, { authorized: true, getPeerX509Certificate: () => shown });
  }
  const incoming = new IncomingMessage(socket);
  Object.assign(incoming, { method, url: target, rawHeaders: lines.flat() });
  const request = nodeRequest(incoming, { route: () => undefined, param: () => undefined }, undefined);
  if (principal !== undefined) request.facts.set(principalFact, principal);
  return request;
}

/** What became of a request. */
export interface Answered {
  /** The problem's name by its code; absent: the handler may run. */
  readonly problem: Pick<Problem, "status" | "code"> | undefined;
  readonly principal: Principal | undefined;
  /** Field lines that are left for the handler. */
  readonly left: readonly string[];
}

/** Asks a guard as an application does. */
export async function ask(guard: Guard, message: SentRequest | NodeRequest): Promise<Answered> {
  const request = "facts" in message ? message : sent(message);
  const { stop } = await run([guard], request);
  return {
    problem: stop?.kind === "deny" ? { status: stop.problem.status, code: stop.problem.code } : undefined,
    principal: request.facts.get(principalFact),
    left: request.incoming.rawHeaders.filter((_, index) => index % 2 === 0),
  };
}

/** `X-User-ID`, `X-Org-ID` and `X-User-Roles` of a well-formed identity, some of it replaced; `undefined` leaves a line out. */
export function identityLines(replaced: Readonly<Record<string, string | undefined>> = {}): readonly Line[] {
  const all: Readonly<Record<string, string | undefined>> = {
    "X-User-ID": "ada",
    "X-Org-ID": "acme",
    "X-User-Roles": "member",
    ...replaced,
  };
  return Object.entries(all).flatMap(([name, value]): readonly Line[] => (value === undefined ? [] : [[name, value]]));
}

/** The code of what a wrong definition throws. */
export function definitionCode(define: () => unknown): unknown {
  try {
    define();
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
  return "nothing was thrown";
}
