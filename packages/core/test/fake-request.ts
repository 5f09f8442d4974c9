import { createFacts, type GuardRequest } from "@portcullis/core";

/** A request as data, for tests of single guards. Header names lower case. */
export function requestOf(
  parts: {
    method?: string;
    target?: string;
    ip?: string;
    headers?: Record<string, string>;
    counts?: Record<string, number>;
    body?: string;
  } = {},
): GuardRequest {
  const { method = "GET", target = "/", ip, headers = {}, counts = {}, body = "" } = parts;
  return {
    method,
    target,
    ip,
    route: undefined,
    facts: createFacts(),
    header: (name) => headers[name],
    headerCount: (name) => counts[name] ?? (name in headers ? 1 : 0),
    param: () => undefined,
    rawBody: async () => new TextEncoder().encode(body),
  };
}
