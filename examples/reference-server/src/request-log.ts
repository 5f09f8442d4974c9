import { clientIpFact, correlationIdFact, type Guard, principalFact } from "@portcullis/core";
import type { Logger } from "pino";

/** One log line for each request, when it ended. The query is left out: it may hold what nobody should read later. */
export function requestLog(logger: Logger): Guard {
  return {
    name: "request-log",
    check(request) {
      const startedAt = performance.now();
      return {
        kind: "allow",
        settle(outcome) {
          logger.info(
            {
              requestId: request.facts.get(correlationIdFact),
              method: request.method,
              path: request.target.split("?", 1)[0],
              status: outcome.kind === "responded" ? outcome.status : "aborted",
              ms: Math.round(performance.now() - startedAt),
              ip: request.facts.get(clientIpFact)?.address,
              principal: request.facts.get(principalFact)?.id,
            },
            "request",
          );
        },
      };
    },
  };
}
