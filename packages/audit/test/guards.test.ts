import {
  accessFact,
  clientIp,
  correlationId,
  createApp,
  createMemoryStore,
  deny,
  defineRoute,
  freezePrincipal,
  type Guard,
  type Log,
  type Principal,
  principalFact,
  problems,
  StoreUnavailable,
  toFetchHandler,
} from "@portcullis/core";
import { auditRequests, auditSensitiveAccess } from "@portcullis/audit";
import { describe, expect, it } from "vitest";
import { auditOver } from "./fixture.js";

const BASE = { orgId: undefined, workspaceId: "w1", roles: [], orgRoles: [], scopes: undefined } as const;
const KEY: Principal = freezePrincipal({ ...BASE, type: "apiKey", id: "k1", keyId: "k1", ownerId: "ada", authMethod: "apiKey" });

const signIn = (principal: Principal): Guard => ({
  name: "sign-in",
  check(request) {
    request.facts.set(principalFact, principal);
    request.facts.set(accessFact, { permission: "things.read", role: "reader", grant: "things.*", policyVersion: 3 });
    return { kind: "allow" };
  },
});

let handled = 0;
const routes = [
  defineRoute({
    method: "GET",
    path: "/things/:id",
    operationId: "thing",
    summary: "A thing",
    handle: () => ((handled += 1), Response.json({ ok: true })),
  }),
  defineRoute({ method: "POST", path: "/fail", operationId: "fail", summary: "Fails", handle: () => Promise.reject(new Error("boom")) }),
  defineRoute({
    method: "GET",
    path: "/denied",
    operationId: "denied",
    summary: "Denied",
    guards: [{ name: "no", check: () => deny(problems.forbidden()) }],
    handle: () => new Response(),
  }),
  defineRoute({
    method: "GET",
    path: "/stream",
    operationId: "stream",
    summary: "Streams",
    handle: () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            for (let n = 0; n < 3; n += 1) controller.enqueue(new TextEncoder().encode("x"));
            controller.close();
          },
        }),
      ),
  }),
];

function serviceOver(log: Log, options?: Parameters<typeof auditRequests>[1], more: readonly Guard[] = []) {
  const audit = auditOver(log);
  const guards = [correlationId(), clientIp(), signIn(KEY), auditRequests(audit, options), ...more];
  const faults: unknown[] = [];
  const handler = toFetchHandler(createApp({ guards, routes, onFault: ({ error }) => void faults.push(error) }), {
    ipOf: () => "192.0.2.7",
  });
  const call = async (path: string, init?: RequestInit) => {
    const response = await handler(new Request(`http://localhost${path}`, init));
    await response.text();
    await audit.flush();
    return response;
  };
  return { audit, call, handler, faults };
}

describe("auditRequests", () => {
  it("AUD-19 records exactly one event for each request, whatever its end", async () => {
    const { audit, call } = serviceOver(createMemoryStore().log);
    await call("/things/7?q=1");
    await call("/things/7", { method: "HEAD" });
    await call("/things/7", { method: "DELETE" });
    await call("/nothing");
    await call("/denied");
    await call("/fail", { method: "POST", body: "secret body" });
    await call("/stream");
    const { entries } = await audit.query();
    expect(entries.map(({ event }) => [event.action, event.outcome, (event.details as { readonly status?: number }).status])).toEqual([
      ["http.get", "success", 200],
      ["http.head", "success", 200],
      ["http.delete", "failure", 405],
      ["http.get", "failure", 404],
      ["http.get", "denied", 403],
      ["http.post", "error", 500],
      ["http.get", "success", 200],
    ]);
    expect(JSON.stringify(entries)).not.toContain("secret body");
  });

  it("AUD-19 records a client that left", async () => {
    const { audit, handler } = serviceOver(createMemoryStore().log);
    const response = await handler(new Request("http://localhost/stream"));
    await response.body?.cancel();
    await audit.flush();
    const { entries } = await audit.query();
    expect(entries.map(({ event }) => event.outcome)).toEqual(["aborted"]);
    expect(entries[0]?.event.details).not.toHaveProperty("status");
  });

  it("says who, on whose behalf, from where, by what right and under which id", async () => {
    const { audit, call } = serviceOver(createMemoryStore().log);
    await call("/things/7?token=abc&q=1", { headers: { "x-request-id": "req-1", "user-agent": "curl/8" } });
    expect((await audit.query()).entries[0]?.event).toMatchObject({
      category: "data",
      actor: { type: "apiKey", id: "k1" },
      onBehalfOf: { type: "user", id: "ada" },
      ip: "192.0.2.7",
      userAgent: "curl/8",
      correlationId: "req-1",
      workspaceId: "w1",
      details: {
        method: "GET",
        target: "/things/7?token=[redacted]&q=1",
        access: { permission: "things.read", role: "reader", grant: "things.*", policyVersion: 3 },
      },
      redacted: ["/details/target"],
    });
  });

  it("RBAC-24 the trusted caller that vouches for a user is the actor, for whom it acted stands beside it, whether it may or not", async () => {
    const forwarded: Principal = freezePrincipal({
      ...BASE,
      type: "user",
      id: "ada",
      authMethod: "forwarded",
      via: "billing",
      email: undefined,
      sessionId: undefined,
      tokenVersion: 0,
      mfaAt: undefined,
      mustChangePassword: false,
    });
    const audit = auditOver(createMemoryStore().log);
    const identified: Guard = { name: "identified", check: ({ facts }) => (facts.set(principalFact, forwarded), { kind: "allow" }) };
    const app = createApp({ guards: [identified, auditRequests(audit), auditSensitiveAccess(audit, "thing", "read")], routes });
    for (const path of ["/things/7", "/denied"]) await (await toFetchHandler(app)(new Request(`http://localhost${path}`))).text();
    await audit.flush();
    const { entries } = await audit.query();
    expect(entries.map(({ event: { outcome } }) => outcome).toSorted()).toEqual(["attempted", "attempted", "denied", "success"]);
    for (const { event } of entries)
      expect(event).toMatchObject({ actor: { type: "service", id: "billing" }, onBehalfOf: { type: "user", id: "ada" } });
  });

  it("an anonymous caller and a strange method are recorded too", async () => {
    const audit = auditOver(createMemoryStore().log);
    const handler = toFetchHandler(createApp({ guards: [auditRequests(audit)], routes: [] }));
    await (await handler(new Request("http://localhost/x", { method: "M-SEARCH" }))).text();
    await (await handler(new Request("http://localhost/x", { method: "A!B" }))).text();
    await audit.flush();
    const { entries } = await audit.query();
    expect(entries.map(({ event }) => [event.action, event.actor])).toEqual([
      ["http.m-search", { type: "anonymous", id: "anonymous" }],
      ["http.other", { type: "anonymous", id: "anonymous" }],
    ]);
  });

  it("mounted twice it records once; what is to be skipped is skipped", async () => {
    const { log } = createMemoryStore();
    const { audit, call } = serviceOver(log, { skip: (request) => request.target.startsWith("/stream") }, [auditRequests(auditOver(log))]);
    await call("/things/1");
    expect((await audit.head()).size).toBe(1);
    const alone = serviceOver(createMemoryStore().log, { skip: () => true });
    await alone.call("/things/1");
    expect((await alone.audit.head()).size).toBe(0);
  });

  it("AUD-19 a hundred at once are a hundred events, each with its own caller's id", async () => {
    const { audit, call } = serviceOver(createMemoryStore().log);
    await Promise.all(Array.from({ length: 100 }, (_, n) => call(`/things/${n}`, { headers: { "x-request-id": `r${n}` } })));
    const { entries } = await audit.query({}, { limit: 1000 });
    expect(new Set(entries.map(({ event }) => event.correlationId)).size).toBe(100);
    for (const { event } of entries)
      expect((event.details as { readonly target: string }).target).toBe(`/things/${event.correlationId?.slice(1)}`);
  });

  it("after a response that could not be recorded the application is told", async () => {
    const { call, faults } = serviceOver(deadLog());
    expect((await call("/things/1")).status).toBe(200);
    await Promise.resolve();
    expect(faults).toEqual([expect.any(StoreUnavailable)]);
  });

  it("strict: recorded before the handler; what cannot be recorded is refused with 503 and does not happen", async () => {
    const { audit, call } = serviceOver(createMemoryStore().log, { mode: "strict" });
    handled = 0;
    expect((await call("/things/1")).status).toBe(200);
    expect((await audit.query()).entries.map(({ event }) => event.outcome)).toEqual(["attempted"]);
    const dead = serviceOver(deadLog(), { mode: "strict" });
    const response = await dead.call("/things/1");
    expect([response.status, handled]).toEqual([503, 1]);
    expect(() => auditRequests(audit, { mode: "sometimes" as "strict" })).toThrow("mode"); // wrong on purpose
  });

  it("an id that is too long does not cost the event", async () => {
    const audit = auditOver(createMemoryStore().log);
    const long: Principal = freezePrincipal({
      ...BASE,
      type: "service",
      id: "s".repeat(5000),
      name: "s",
      authMethod: "token",
      workspaceId: "w".repeat(5000),
    });
    const handler = toFetchHandler(createApp({ guards: [signIn(long), auditRequests(audit)], routes: [] }));
    await (await handler(new Request("http://localhost/x"))).text();
    await audit.flush();
    expect((await audit.query()).entries[0]?.event.actor.id).toHaveLength(256);
  });
});

describe("auditSensitiveAccess", () => {
  it("AUD-17 records before it is done, and what cannot be recorded is not done", async () => {
    const audit = auditOver(createMemoryStore().log);
    const over = (log: Log) => auditSensitiveAccess(auditOver(log), "api_key", "read", { targetId: (request) => request.param("id") });
    const served = (guard: Guard) => {
      const route = defineRoute({
        method: "GET",
        path: "/keys/:id",
        operationId: "key",
        summary: "A key",
        guards: [guard],
        handle: () => ((handled += 1), new Response("sk-1")),
      });
      return toFetchHandler(createApp({ guards: [signIn(KEY)], routes: [route] }));
    };
    handled = 0;
    const { log } = createMemoryStore();
    expect((await served(over(log))(new Request("http://localhost/keys/k9"))).status).toBe(200);
    expect((await auditOver(log).query()).entries[0]?.event).toMatchObject({
      category: "data",
      action: "api_key.read",
      outcome: "attempted",
      target: { type: "api_key", id: "k9" },
      actor: { type: "apiKey", id: "k1" },
    });
    expect((await served(over(deadLog()))(new Request("http://localhost/keys/k9"))).status).toBe(503);
    expect(handled).toBe(1);
    expect(() => auditSensitiveAccess(audit, "two words", "read")).toThrow("resource");
    expect(() => auditSensitiveAccess(audit, "api_key", "")).toThrow("action");
  });
});

function deadLog(): Log {
  const dead = async (): Promise<never> => {
    throw new StoreUnavailable("log");
  };
  return { append: dead, head: dead, read: dead };
}
