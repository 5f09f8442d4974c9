import { createFactKey, type FactKey } from "../guard/facts.js";
import type { Guard } from "../guard/guard.js";
import { invalidOption } from "../problem/errors.js";

/** The id that ties together the response, the log lines, the audit event and the webhooks of one request. */
export const correlationIdFact: FactKey<string> = createFactKey<string>("correlation-id");

// Visible ASCII only: anything else could forge log lines (CWE-117) or split headers.
const WELL_FORMED = /^[\x21-\x7e]{1,128}$/;

/** What {@link correlationId} may be told. */
export interface CorrelationIdOptions {
  /** Makes an id where the caller sent none or a malformed one: 1 to 128 visible ASCII characters, else the request fails. Default: a random UUID. */
  readonly createId?: () => string;
}

/**
 * Publishes the request's id under {@link correlationIdFact} and returns it as `X-Request-ID`.
 * Takes the caller's `X-Request-ID` when it is 1 to 128 visible ASCII characters and sent once; makes a new one otherwise.
 */
export function correlationId(options: CorrelationIdOptions = {}): Guard {
  const { createId } = options;
  const newId = createId === undefined ? () => crypto.randomUUID() : () => made(createId());
  return {
    name: "correlation-id",
    check(request) {
      const sent = request.header("x-request-id");
      const id = sent !== undefined && WELL_FORMED.test(sent) && request.headerCount("x-request-id") === 1 ? sent : newId();
      request.facts.set(correlationIdFact, id);
      return { kind: "allow", headers: [["x-request-id", id]] };
    },
  };
}

function made(id: string): string {
  if (typeof id !== "string" || !WELL_FORMED.test(id))
    throw invalidOption("createId", id, "a function that returns 1 to 128 visible ASCII characters");
  return id;
}
