import { correlationId, correlationIdFact, cors, createGuardChain, type GuardRun, securityHeaders } from "@portcullis/core";
import { describe, expect, it } from "vitest";
import { requestOf } from "./fake-request.js";

const run = (guard: ReturnType<typeof cors>, request: ReturnType<typeof requestOf>): GuardRun =>
  createGuardChain([guard]).run(request) as GuardRun;
const headersOf = ({ headers, stop }: GuardRun): Record<string, string> =>
  Object.fromEntries([...headers, ...(stop?.kind === "answer" ? (stop.answer.headers ?? []) : [])]);

describe("correlation id", () => {
  it("takes a well-formed id and returns it", () => {
    const request = requestOf({ headers: { "x-request-id": "req-42" } });
    expect(headersOf(run(correlationId(), request))).toEqual({ "x-request-id": "req-42" });
    expect(request.facts.get(correlationIdFact)).toBe("req-42");
  });

  it.each([[""], ["a b"], ["a\nb"], ["é"], ["x".repeat(129)]])("replaces the malformed %j", (id) => {
    const guard = correlationId({ createId: () => "made" });
    expect(headersOf(run(guard, requestOf({ headers: { "x-request-id": id } })))["x-request-id"]).toBe("made");
  });

  it.each([[""], ["a\r\nb"], ["é"]])("fails when its own ids are malformed, like %j, before they reach a header", (id) => {
    expect(run(correlationId({ createId: () => id }), requestOf())).toMatchObject({
      stop: { kind: "deny", problem: { status: 500 } },
      headers: [],
    });
  });

  it("replaces an id that was sent twice", () => {
    const request = requestOf({ headers: { "x-request-id": "a,b" }, counts: { "x-request-id": 2 } });
    expect(headersOf(run(correlationId({ createId: () => "made" }), request))["x-request-id"]).toBe("made");
  });
});

describe("security headers", () => {
  it("are the same frozen verdict for every request", () => {
    const guard = securityHeaders();
    expect(guard.check(requestOf())).toBe(guard.check(requestOf()));
    expect(headersOf(run(guard, requestOf()))).toMatchObject({
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "cache-control": "no-store",
      "strict-transport-security": "max-age=63072000; includeSubDomains",
      "content-security-policy": expect.stringContaining("default-src 'none'"),
    });
  });

  it("give documents a policy without unsafe-inline, with the hashes they need", () => {
    const policy = headersOf(run(securityHeaders({ preset: "document", scriptHashes: ["sha256-abc="] }), requestOf()))[
      "content-security-policy"
    ];
    expect(policy).toContain("script-src 'self' 'sha256-abc='");
    expect(policy).not.toContain("unsafe");
  });

  it("refuse what would break out of the policy", () => {
    expect(() => securityHeaders({ scriptHashes: ["sha256-x'; script-src *"] })).toThrowError(
      expect.objectContaining({ code: "invalid_option" }),
    );
    expect(() => securityHeaders({ preset: "strict" as "api" })).toThrowError(expect.objectContaining({ code: "invalid_option" }));
    expect(() => securityHeaders({ hstsMaxAgeSeconds: -1 })).toThrowError(expect.objectContaining({ code: "invalid_option" }));
  });
});

describe("CORS", () => {
  const guard = cors({ origins: ["https://app.example"], credentials: true });
  const preflight = (origin: string) => requestOf({ method: "OPTIONS", headers: { origin, "access-control-request-method": "PUT" } });

  it("answers the preflight of a listed origin with 204", () => {
    const result = run(guard, preflight("https://app.example"));
    expect(result.stop).toMatchObject({ kind: "answer", answer: { status: 204 } });
    expect(headersOf(result)).toMatchObject({
      "access-control-allow-origin": "https://app.example",
      "access-control-allow-credentials": "true",
      "access-control-max-age": "600",
      vary: "Origin",
    });
  });

  it.each([["https://evil.example"], ["https://app.example.evil"], ["null"], ["HTTPS://APP.EXAMPLE"], ["https://app.example:8443"]])(
    "refuses the preflight of %s",
    (origin) => {
      expect(run(guard, preflight(origin)).stop).toMatchObject({ kind: "deny", problem: { code: 1107 } });
    },
  );

  it("leaves a request of another origin without CORS headers, and varies", () => {
    expect(headersOf(run(guard, requestOf({ headers: { origin: "https://evil.example" } })))).toEqual({ vary: "Origin" });
    expect(headersOf(run(guard, requestOf()))).toEqual({ vary: "Origin" });
  });

  it("an OPTIONS request that is no preflight goes on", () => {
    expect(run(guard, requestOf({ method: "OPTIONS", headers: { origin: "https://app.example" } })).stop).toBeUndefined();
  });

  it("with * every origin is answered, without varying", () => {
    const open = cors({ origins: "*" });
    expect(headersOf(run(open, requestOf({ headers: { origin: "https://any.example" } })))).toMatchObject({
      "access-control-allow-origin": "*",
    });
    expect(headersOf(run(open, preflight("null")))).toMatchObject({ "access-control-allow-origin": "*" });
    expect(headersOf(run(open, requestOf()))).toEqual({});
  });

  it.each([
    [{ origins: "*", credentials: true } as const],
    [{ origins: ["https://app.example/"] }],
    [{ origins: ["null"] }],
    [{ origins: ["*"] }],
    [{ origins: ["app.example"] }],
    [{ origins: ["https://*.app.example"] }],
    [{ origins: undefined as never }], // a configuration that names none
    [{ origins: "https://app.example" as never }],
    [{ origins: ["https://app.example"], maxAgeSeconds: Number.NaN }],
  ])("refuses %j at construction", (options) => {
    const build = () => cors(options);

    return expect(build).toThrowError(expect.objectContaining({ code: "invalid_option" }));
  });
});
