import { ALLOW, deny, type Guard, type GuardRequest, invalidOption, problems } from "@portcullis/core";
import type { Audit } from "../audit.js";
import { requestAccess, requestParties } from "./request-parties.js";

/** How access to something secret is recorded. */
export interface AuditSensitiveAccessOptions {
  /** Which one it is, e.g. `(request) => request.param("id")`. */
  readonly targetId?: (request: GuardRequest) => string | undefined;
}

const WORD = /^[A-Za-z0-9_-]{1,60}$/;

/**
 * Records that someone is about to do something with something secret, before it is done. Mount it last, behind
 * authentication and permission: a request that cannot be recorded is refused with 503, and its handler does not run.
 *
 * @param resource E.g. `api_key`; becomes the target's type.
 * @param action E.g. `read`; the event's action is `api_key.read`, its outcome `attempted`.
 * @throws {ConfigurationError} `invalid_option`.
 * @example
 * ```ts
 * import { createMemoryStore } from "@portcullis/core";
 * import { auditSensitiveAccess, createAudit } from "@portcullis/audit";
 *
 * const audit = createAudit({ store: createMemoryStore(), name: "example.com/audit" });
 * export const guard = auditSensitiveAccess(audit, "api_key", "read", { targetId: (request) => request.param("id") });
 * ```
 */
export function auditSensitiveAccess(
  audit: Pick<Audit, "sensitiveAccess">,
  resource: string,
  action: string,
  options: AuditSensitiveAccessOptions = {},
): Guard {
  if (!WORD.test(resource)) throw invalidOption("resource", resource, "1 to 60 letters, digits, dashes or underscores");
  if (!WORD.test(action)) throw invalidOption("action", action, "1 to 60 letters, digits, dashes or underscores");
  const { targetId = () => undefined } = options;
  return {
    name: "audit-sensitive-access",
    async check(request) {
      try {
        await audit.sensitiveAccess(resource, action, {
          ...requestParties(request.facts, request.ip),
          outcome: "attempted",
          target: { type: resource, id: targetId(request) },
          userAgent: request.header("user-agent"),
          details: { method: request.method, target: request.target, access: requestAccess(request.facts) },
        });
        return ALLOW;
      } catch {
        // The log has told of it. What cannot be recorded must not happen.
        return deny(problems.serviceUnavailable());
      }
    },
  };
}
