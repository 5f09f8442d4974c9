import { ALLOW, createFactKey, deny, type Guard, type GuardRequest, invalidOption, type Outcome, problems } from "@portcullis/core";
import type { Audit } from "../audit.js";
import type { AuditEventInput, AuditOutcome } from "../event/audit-event.js";
import { requestAccess, requestParties } from "./request-parties.js";

/** How requests are recorded. */
export interface AuditRequestsOptions {
  /**
   * - `outcome` (default): after the response, with its status. A request whose event cannot be stored has been answered by then;
   *   `onEvent` and the application's `onFault` are told.
   * - `strict`: before the handler, without the status; a request that cannot be recorded is refused with 503 and its handler
   *   does not run. Mount it after authentication, so that the event names the caller.
   */
  readonly mode?: "outcome" | "strict";
  /** Requests that are not recorded, e.g. health checks. */
  readonly skip?: (request: GuardRequest) => boolean;
}

// Mounted on the application and again on a route, it records once.
const recordedFact = createFactKey<true>("audit-request-recorded");

/**
 * Records exactly one event for each request: whatever it ends with, also an unknown path, a denial by a later guard, an
 * exception or a client that left. The event has method, target without its secrets, route, status, caller, address and
 * correlation id; never the body.
 *
 * @throws {ConfigurationError} `invalid_option`.
 * @example
 * ```ts
 * import { createApp, createMemoryStore, toFetchHandler } from "@portcullis/core";
 * import { auditRequests, createAudit } from "@portcullis/audit";
 *
 * const audit = createAudit({ store: createMemoryStore(), name: "example.com/audit" });
 * const handler = toFetchHandler(createApp({ guards: [auditRequests(audit)], routes: [] }));
 * await (await handler(new Request("http://localhost/nothing"))).text();
 * await audit.flush();
 * console.log((await audit.query()).entries[0]?.event.outcome); // failure
 * ```
 */
export function auditRequests(audit: Pick<Audit, "append">, options: AuditRequestsOptions = {}): Guard {
  const { mode = "outcome", skip = () => false } = options;
  if (mode !== "outcome" && mode !== "strict") throw invalidOption("mode", mode, '"outcome" or "strict"');
  const isRecorded = (request: GuardRequest): boolean => {
    if (request.facts.get(recordedFact) === true || skip(request)) return true;
    request.facts.set(recordedFact, true);
    return false;
  };
  if (mode === "strict") {
    return {
      name: "audit-requests",
      async check(request) {
        if (isRecorded(request)) return ALLOW;
        try {
          await audit.append(requestEvent(request, "attempted", undefined));
          return ALLOW;
        } catch {
          // The log has told of it. What cannot be recorded must not happen.
          return deny(problems.serviceUnavailable());
        }
      },
    };
  }
  return {
    name: "audit-requests",
    check(request) {
      if (isRecorded(request)) return ALLOW;
      return {
        kind: "allow",
        async settle(outcome) {
          const status = outcome.kind === "responded" ? outcome.status : undefined;
          await audit.append(requestEvent(request, outcomeOf(outcome), status));
        },
      };
    },
  };
}

function requestEvent(request: GuardRequest, outcome: AuditOutcome, status: number | undefined): AuditEventInput {
  const { method, target, route } = request;
  return {
    ...requestParties(request.facts, request.ip),
    category: "data",
    action: /^[A-Za-z-]{1,32}$/.test(method) ? `http.${method.toLowerCase()}` : "http.other",
    outcome,
    target: route === undefined ? undefined : { type: "route", id: route },
    userAgent: request.header("user-agent"),
    details: { method, target, status, access: requestAccess(request.facts) },
  };
}

function outcomeOf(outcome: Outcome): AuditOutcome {
  if (outcome.kind === "aborted") return "aborted";
  const { status } = outcome;
  if (status < 400) return "success";
  if (status >= 500) return "error";
  return status === 401 || status === 403 || status === 429 ? "denied" : "failure";
}
