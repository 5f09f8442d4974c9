// What every configuration serves, and under which terms: two routes behind the same duties.
//
//   security headers · CORS for two origins · a correlation id · the client's address · a limit per address before
//   authentication and one per caller after it, both told in response headers · a signed token · a permission of the role
import { type Listening } from "@portcullis/core/node";
import { type Logger, pino } from "pino";

/** Origins whose pages may call; requests come from the first. */
export const ORIGINS: [string, string] = ["https://app.example.com", "https://admin.example.com"];
export const EXPOSED_HEADERS = [
  "x-request-id",
  "retry-after",
  "ratelimit",
  "ratelimit-policy",
  "location",
  "etag",
  "deprecation",
  "sunset",
];
export const CORS_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
export const CORS_REQUEST_HEADERS = ["authorization", "content-type", "idempotency-key", "if-match", "x-request-id", "approval-id"];
export const MINUTE_MS = 60_000;

/** Callers are members, except the one who may nothing. */
export const PERMITTED_ROLE = "member";
export const FORBIDDEN_ROLE = "guest";

/** `GET /workflows/:id` needs `workflows.read`, `POST /workflows` needs `workflows.create`. */
export const READ_PATH = "/workflows/42";
export const CREATE_PATH = "/workflows";
export const NEW_WORKFLOW = { name: "Weekly report", steps: [{ call: "collect" }, { call: "summarise" }], enabled: true };

/** How a configuration is set up. */
export interface Setting {
  /** How many callers have a token each. */
  readonly callers: number;
  /** Requests per caller and minute. */
  readonly callerLimit: number;
}

/** Credentials to try a configuration with. */
export interface Tokens {
  /** One for each caller. */
  readonly good: readonly string[];
  /** Well-formed, but its signature is wrong. */
  readonly bad: string;
  /** Of a role without the permissions. */
  readonly forbidden: string;
}

/** A configuration that runs. */
export interface Served {
  readonly listening: Pick<Listening, "port" | "close">;
  readonly tokens: Tokens;
}

/** No two configurations cache more than this many verified tokens, where they cache any. */
export const TOKEN_CACHE_ENTRIES = 20_000;

/** The limit of one address: every caller of the bench comes from the same. */
export function addressLimit({ callerLimit }: Setting): number {
  return callerLimit * 1000;
}

/** What reading answers. */
export function workflow(id: string, owner: string): object {
  return { id, name: NEW_WORKFLOW.name, owner, status: "enabled", steps: NEW_WORKFLOW.steps };
}

/** What creating answers: something of the body, so that it must have been parsed. */
export function created(body: unknown, owner: string): object {
  const { name, steps } = body as typeof NEW_WORKFLOW; // what the bench sends
  return { id: "43", name, owner, status: "enabled", steps: steps.length };
}

/** The logger of every configuration that logs: one line for each request, buffered, into nothing. */
export function nullLogger(): Logger {
  return pino(pino.destination({ dest: "/dev/null", sync: false, minLength: 4096 }));
}

/** The token with another signature. */
export function forged(token: string): string {
  const start = token.lastIndexOf(".") + 1;
  return `${token.slice(0, start)}${token[start] === "A" ? "B" : "A"}${token.slice(start + 1)}`;
}
