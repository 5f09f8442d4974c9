import { ALLOW, createApp, type Guard, problems, securityHeaders } from "@portcullis/core";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { createGuard, facts, guard, listen, type Listening, mount } from "../src/index.js";

const open: Listening[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

const mark: Guard = { name: "mark", check: () => ({ kind: "allow", headers: [["x-mark", "guarded"]] }) };
const readBody: Guard = { name: "read-body", check: (request) => request.rawBody(100).then(() => ALLOW) };

test("guards run under app.request, read the body there, and the handler still parses it", async () => {
  const app = new Hono();
  app.use(guard(mark, readBody));
  app.post("/echo", async (c) => c.json([await c.req.json(), typeof facts(c).get]));
  const response = await app.request("/echo", { method: "POST", body: '{"a":1}' });
  expect(await response.json()).toEqual([{ a: 1 }, "function"]);
  expect(response.headers.get("x-mark")).toBe("guarded");
});

const strip: Guard = { name: "strip", check: (request) => (request.removeHeader("authorization"), ALLOW) };

test.each(["POST", "GET"])(
  "a removed field stays out of every copy of a request that a middleware has opened before: %s",
  async (method) => {
    const app = new Hono();
    app.use(async (c, next) => {
      // Each makes @hono/node-server keep something: the lines, the fields, the real request behind the light one.
      expect([c.req.header("authorization"), c.req.raw.headers.get("x-a")]).toEqual(["Bearer a", "1"]);
      expect(c.req.raw.cache).toBe("default");
      await next();
    });
    app.use(guard(strip));
    app.all("/", (c) => {
      const requests = [c.req.raw, c.req.raw.clone(), new Request(c.req.raw.url, c.req.raw), new Request(c.req.raw)];
      const seen = requests.map(({ headers }) => [...headers.keys()].includes("authorization"));
      return c.json([
        ...seen,
        c.req.header("authorization") ?? null,
        Object.keys(c.req.header()).includes("authorization"),
        c.req.header("x-a"),
      ]);
    });
    const server = await listen(app, { port: 0, host: "127.0.0.1" });
    open.push(server);
    const response = await fetch(server.url, { method, headers: { authorization: "Bearer a", "x-a": "1" } });
    expect(await response.json()).toEqual([false, false, false, false, null, false, "1"]);
  },
);

test("a removed field is gone where a runtime's fields cannot be changed, and what a parser has read is kept", async () => {
  const app = new Hono();
  app.use(async (c, next) => {
    await c.req.json();
    await next();
  });
  app.use(guard(strip), guard(mark));
  app.post("/", async (c) => c.json([await c.req.json(), c.req.header("authorization") ?? null, c.req.raw.bodyUsed]));
  const request = new Request("http://localhost/", { method: "POST", body: "[1]", headers: { authorization: "Bearer a" } });
  const refuse = (): never => {
    throw new TypeError("immutable");
  };
  Object.defineProperty(request.headers, "delete", { value: refuse });
  expect(await (await app.request(request)).json()).toEqual([[1], null, true]);
});

test("an HTTPException with a response of its own keeps it, with the guards' headers; another is a problem", async () => {
  const app = new Hono();
  app.use(guard(mark));
  app.get("/own", () => {
    throw new HTTPException(402, { res: new Response("pay", { status: 402 }) });
  });
  app.get("/plain", () => {
    throw new HTTPException(403, { message: "no" });
  });
  mount(app, createApp({ routes: [] }));
  const own = await app.request("/own");
  expect([own.status, await own.text(), own.headers.get("x-mark")]).toEqual([402, "pay", "guarded"]);
  const plain = await app.request("/plain");
  expect([plain.status, await plain.json(), plain.headers.get("x-mark")]).toMatchObject([403, { code: 1101 }, "guarded"]);
});

test("a redirect keeps its location and gets the guards' headers", async () => {
  const app = new Hono();
  app.use(guard(mark));
  app.get("/old", () => Response.redirect("http://localhost/new", 308));
  const response = await app.request("/old");
  expect([response.status, response.headers.get("location"), response.headers.get("x-mark")]).toEqual([
    308,
    "http://localhost/new",
    "guarded",
  ]);
});

test("a guard on a route does not run for others, and global guards run for mounted sub-applications", async () => {
  const deny: Guard = { name: "deny", check: () => ({ kind: "deny", problem: problems.forbidden() }) };
  const sub = new Hono();
  sub.get("/denied", guard(deny), (c) => c.text("never"));
  sub.get("/open", (c) => c.text("open"));
  const app = new Hono();
  app.use(guard(mark));
  app.route("/sub", sub);
  expect((await app.request("/sub/denied")).status).toBe(403);
  const response = await app.request("/sub/open");
  expect([await response.text(), response.headers.get("x-mark")]).toEqual(["open", "guarded"]);
});

test("problems look as createGuard and mount are told", async () => {
  const renderProblem = ({ code }: { code: number }) => ({ contentType: "text/plain", body: `code ${code}` });
  const deny: Guard = {
    name: "deny",
    check: ({ target }) => (target === "/deny" ? { kind: "deny", problem: problems.forbidden() } : ALLOW),
  };
  const app = new Hono();
  app.use(createGuard({ renderProblem })(deny));
  app.get("/throw", () => {
    throw new Error("boom");
  });
  mount(app, createApp({ routes: [] }), { renderProblem });
  expect(await (await app.request("/deny")).text()).toBe("code 1101");
  expect(await (await app.request("/throw")).text()).toBe("code 8001");
});

test.each([
  ["GET /\\evil HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404, '"code":3001'],
  ["GET /nothing HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n", 404, '"code":3001'],
  ["GET /nothing HTTP/1.0\r\n\r\n", 404, '"code":3001'],
])("a request of which no URL can be made passes the guards all the same: %j", async (head, status, code) => {
  const text = await answerTo(head);
  expect(text).toMatch(new RegExp(`^HTTP/1\\.[01] ${status} `));
  expect(text).toContain(code);
  expect(text.toLowerCase()).toContain("content-security-policy");
});

test("a target that node-server itself refuses is a coded problem, never cached", async () => {
  const text = await answerTo("GET http://[ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  expect(text).toMatch(/^HTTP\/1\.1 400 /);
  expect(text).toContain('"code":2001');
  expect(text.toLowerCase()).toContain("cache-control: no-store");
});

async function answerTo(head: string): Promise<string> {
  const server = await listen(mount(new Hono(), createApp({ guards: [securityHeaders()], routes: [] })), { port: 0, host: "127.0.0.1" });
  open.push(server);
  return new Promise((resolve) => {
    const socket = connect(server.port, "127.0.0.1", () => socket.write(head));
    let received = "";
    socket.on("data", (chunk) => (received += chunk.toString("utf8")));
    socket.on("close", () => resolve(received));
  });
}
