// What a server is asked: reading or creating, by one caller or by many.
import { requestBytes } from "../harness/http-load.js";
import type { ConfigurationKind } from "./configurations.js";
import { CREATE_PATH, NEW_WORKFLOW, READ_PATH, type Tokens } from "./service.js";
import { headersOf } from "./verify.js";

/** A kind of requests. */
export interface Workload {
  readonly name: string;
  readonly method: "GET" | "POST";
  /** Whose tokens are used in turn: `callers` of them, from the first one after `from`. */
  readonly from: number;
  readonly callers: number;
  /** Whether each token is met for the first time: then nothing warms up, and the callers must suffice for all turns. */
  readonly isFirstSight: boolean;
}

/** What is measured side by side. */
export interface Phase {
  readonly kinds: readonly ConfigurationKind[];
  readonly workloads: readonly Workload[];
}

const ONE = { from: 0, callers: 1, isFirstSight: false };
const MANY = { from: 0, callers: 10_000, isFirstSight: false };
const NEW = { from: 10_000, callers: 8_000, isFirstSight: true };

export const PHASES: readonly Phase[] = [
  { kinds: ["bare", "guard"], workloads: [{ name: "GET, guards alone", method: "GET", ...ONE }] },
  {
    kinds: ["bare", "chain", "popular"],
    workloads: [
      { name: "GET, 1 caller", method: "GET", ...ONE },
      { name: "GET, 10,000 callers", method: "GET", ...MANY },
      { name: "GET, each caller's first", method: "GET", ...NEW },
      { name: "POST, 1 caller", method: "POST", ...ONE },
      { name: "POST, 10,000 callers", method: "POST", ...MANY },
    ],
  },
];

/** How many callers need a token. */
export function callersOf({ workloads }: Phase): number {
  return Math.max(...workloads.map(({ from, callers }) => from + callers));
}

/** The workload's requests: each call gives the next `count` of them, callers in turn. */
export function requestsOf({ method, from, callers }: Workload, { good }: Tokens, port: number): (count: number) => readonly Buffer[] {
  // A configuration that reads no token has one.
  const tokens = good.length === 1 ? good : good.slice(from, from + callers);
  if (tokens.length === 0) throw new RangeError(`There are no tokens from ${from} on.`);
  const requests = tokens.map((token) => {
    const headers = { Host: `127.0.0.1:${port}`, Connection: "keep-alive", ...headersOf(token) };
    return method === "GET"
      ? requestBytes(method, READ_PATH, headers)
      : requestBytes(method, CREATE_PATH, headers, JSON.stringify(NEW_WORKFLOW));
  });
  let next = 0;
  return (count) => Array.from({ length: count }, () => requests[next++ % requests.length] as Buffer); // there is at least one caller
}
