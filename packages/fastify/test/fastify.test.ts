import { ALLOW, createApp, defineRoute, type Guard, problems } from "@portcullis/core";
import Fastify from "fastify";
import { expect, test } from "vitest";
import { createGuard, fastifyOptions, guard, mount } from "../src/index.js";

const mark: Guard = { name: "mark", check: () => ({ kind: "allow", headers: [["vary", "Origin"]] }) };
const readBody: Guard = { name: "read-body", check: (request) => request.rawBody(100).then(() => ALLOW) };

test("guards run under inject, read the body there, and the handler still parses it", async () => {
  const app = Fastify();
  app.addHook("onRequest", guard(mark, readBody));
  app.post("/echo", (request, reply) => reply.send(request.body));
  const response = await app.inject({ method: "POST", url: "/echo", payload: { a: 1 } });
  expect(response.json()).toEqual({ a: 1 });
  expect(response.headers.vary).toBe("Origin");
  expect((await app.inject({ method: "POST", url: "/echo", payload: { long: "x".repeat(200) } })).statusCode).toBe(413);
  expect((await app.inject({ url: "/nowhere" })).headers.vary).toBe("Origin");
});

test("a field is removed under inject, too", async () => {
  const app = Fastify();
  app.addHook("onRequest", guard({ name: "strip", check: (request) => (request.removeHeader("x-user-id"), ALLOW) }));
  app.get("/seen", ({ headers, raw }) => [headers["x-user-id"] ?? null, raw.rawHeaders.includes("x-user-id"), headers["x-a"]]);
  const response = await app.inject({ url: "/seen", headers: { "X-User-ID": "eve", "x-a": "1" } });
  expect(response.json()).toEqual([null, false, "1"]);
});

test("settle runs under inject", async () => {
  const outcomes: unknown[] = [];
  const app = Fastify();
  app.addHook("onRequest", guard({ name: "settle", check: () => ({ kind: "allow", settle: (outcome) => void outcomes.push(outcome) }) }));
  app.get("/hello", () => "hello");
  await app.inject("/hello");
  await expect.poll(() => outcomes).toEqual([{ kind: "responded", status: 200 }]);
});

test("appended fields join those of other plugins", async () => {
  const app = Fastify();
  app.addHook("onRequest", (_request, reply, done) => {
    reply.header("vary", "Accept");
    done();
  });
  app.addHook("onRequest", guard(mark));
  app.get("/hello", () => "hello");
  expect((await app.inject("/hello")).headers.vary).toEqual(["Accept", "Origin"]);
});

test("errors of Fastify's own parser are the client's problems, with the guards' headers", async () => {
  const app = Fastify({ ...fastifyOptions, bodyLimit: 10 });
  app.addHook("onRequest", guard(mark));
  app.post("/echo", (request, reply) => reply.send(request.body));
  mount(app, createApp({ routes: [] }));
  const send = async (type: string, payload: string) => {
    const response = await app.inject({ method: "POST", url: "/echo", headers: { "content-type": type }, payload });
    expect(response.headers.vary).toBe("Origin");
    return [response.statusCode, response.json().code];
  };
  expect(await send("application/json", "{")).toEqual([400, 2001]);
  expect(await send("application/json", '"0123456789"')).toEqual([413, 2003]);
  expect(await send("text/csv", "a,b")).toEqual([415, 2005]);
});

test("a path that is not UTF-8 reaches no handler even without guards, and a long parameter reaches its own", async () => {
  const app = mount(Fastify(fastifyOptions), createApp({ routes: [] }));
  app.get("/files/:name", (request) => request.params);
  const malformed = await app.inject("/files/%C0%AE");
  expect([malformed.statusCode, malformed.headers["content-type"]]).toEqual([404, "application/problem+json"]);
  expect((await app.inject(`/files/${"x".repeat(5_000)}`)).statusCode).toBe(200);
});

test("a guard on a route works in onRequest, preValidation and preHandler", async () => {
  const deny: Guard = { name: "deny", check: () => ({ kind: "deny", problem: problems.forbidden() }) };
  const app = Fastify();
  app.get("/a", { onRequest: guard(deny) }, () => "a");
  app.get("/b", { preValidation: guard(deny) }, () => "b");
  app.get("/c", { preHandler: [guard(), guard(deny)] }, () => "c");
  for (const url of ["/a", "/b", "/c"]) expect((await app.inject(url)).statusCode).toBe(403);
});

test("problems look as createGuard and mount are told", async () => {
  const renderProblem = ({ code }: { code: number }) => ({ contentType: "text/plain", body: `code ${code}` });
  const deny: Guard = {
    name: "deny",
    check: ({ target }) => (target === "/deny" ? { kind: "deny", problem: problems.forbidden() } : ALLOW),
  };
  const app = Fastify();
  app.addHook("onRequest", createGuard({ renderProblem })(deny));
  app.get("/throw", () => {
    throw new Error("boom");
  });
  mount(app, createApp({ routes: [] }), { renderProblem });
  expect((await app.inject("/deny")).body).toBe("code 1101");
  expect((await app.inject("/throw")).body).toBe("code 8001");
});

test("a mounted application answers under inject, from its routes and with its 405", async () => {
  const hello = defineRoute({
    method: "GET",
    path: "/hello",
    operationId: "hello",
    summary: "Greets",
    handle: () => Response.json({ hello: "you" }),
  });
  const app = mount(Fastify(fastifyOptions), createApp({ routes: [hello] }));
  expect((await app.inject("/hello")).json()).toEqual({ hello: "you" });
  expect((await app.inject({ method: "PUT", url: "/hello", payload: "x" })).headers.allow).toBe("GET, HEAD");
});
