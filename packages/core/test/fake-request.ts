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
  const { method = "GET", target = "/", ip, counts = {}, body = "" } = parts;
  const headers = new Map(Object.entries(parts.headers ?? {}));
  return {
    method,
    target,
    ip,
    route: undefined,
    facts: createFacts(),
    clientCertificate: undefined,
    header: (name) => headers.get(name),
    headerCount: (name) => (headers.has(name) ? (counts[name] ?? 1) : 0),
    removeHeader: (name) => void headers.delete(name.toLowerCase()),
    param: () => undefined,
    rawBody: async () => new TextEncoder().encode(body),
  };
}
