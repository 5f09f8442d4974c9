import { clientIpFact, type Facts } from "@portcullis/core";
import type { ClientContext } from "../sessions/session-data.js";

/** From where a request came: its address where the `clientIp` guard runs, and what the client calls itself. */
export function clientOf(request: Request, facts: Facts): ClientContext {
  return { ip: facts.get(clientIpFact)?.address, userAgent: request.headers.get("user-agent") ?? undefined };
}
