import {
  correlationId,
  createApp,
  defineRoute,
  type Guard,
  type Outcome,
  parsePage,
  parseQuery,
  problems,
  ProblemError,
  type Route,
  securityHeaders,
  toFetchHandler,
} from "@portcullis/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const route = (path: string, extra: Partial<Parameters<typeof defineRoute>[0]> = {}): Route =>
  defineRoute({
    method: "GET",
    path,
    operationId: `${extra.method ?? "GET"} ${path}`,
    summary: path,
    handle: (_request, { params }) => Response.json({ path, params }),
    ...extra,
  });
const call = (routes: readonly Route[], target: string, init?: RequestInit, guards: readonly Guard[] = []): Promise<Response> =>
  toFetchHandler(createApp({ guards, routes }))(new Request(`http://localhost${target}`, init));
const post = (body: string, type = "application/json"): RequestInit => ({ method: "POST", body, headers: { "content-type": type } });

describe("routing", () => {
  const routes = [
    route("/"),
    route("/workflows"),
    route("/workflows/:id"),
    route("/workflows/pending"),
    route("/workflows/:id/versions/:version"),
    route("/workflows", { method: "POST" }),
  ];

  it.each([
    ["/", { path: "/", params: {} }],
    ["/workflows?x=1", { path: "/workflows", params: {} }],
    ["/workflows/pending", { path: "/workflows/pending", params: {} }],
    ["/workflows/a%2Fb", { path: "/workflows/:id", params: { id: "a/b" } }],
    ["/workflows/__proto__", { path: "/workflows/:id", params: { id: "__proto__" } }],
    ["/workflows/pending/versions/3", { path: "/workflows/:id/versions/:version", params: { id: "pending", version: "3" } }],
  ])("%s finds its route", async (target, expected) => expect(await (await call(routes, target)).json()).toEqual(expected));

  it.each([
    ["/nothing", 404, 3001],
    ["/workflows/", 404, 3001],
    ["/workflows//versions/1", 404, 3001],
    ["/workflows/%C0%AE", 400, 2001],
    ["/Workflows", 404, 3001],
  ])("%s is %i", async (target, status, code) => {
    const response = await call(routes, target, {}, [securityHeaders(), correlationId()]);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await response.json()).toMatchObject({ code, instance: response.headers.get("x-request-id") });
  });

  it("answers a known path with another method with 405 and Allow", async () => {
    const response = await call(routes, "/workflows", { method: "DELETE" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, POST, HEAD"]);
  });

  it("answers HEAD with the headers of GET", async () => {
    const response = await call(routes, "/workflows", { method: "HEAD" });
    expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([200, "application/json", ""]);
  });

  it("refuses two routes for one request, two with one id, and a path it cannot match", () => {
    expect(() => createApp({ routes: [route("/a/:x"), route("/a/:y")] })).toThrowError(
      expect.objectContaining({ code: "duplicate_route" }),
    );
    expect(() => createApp({ routes: [route("/a", { operationId: "x" }), route("/b", { operationId: "x" })] })).toThrowError(
      expect.objectContaining({ code: "duplicate_route" }),
    );
    for (const path of ["a", "/a/", "/a/:", "/a/*", "/a b", "/:1x"])
      expect(() => route(path)).toThrowError(expect.objectContaining({ code: "invalid_option" }));
  });

  it("any path, header and query is answered below 500", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string(), async (path, query) => {
        const target = new URL(`http://localhost/${path}?${query}`);
        const response = await call(routes, target.pathname + target.search);
        expect(response.status).toBeLessThan(500);
      }),
    );
  });
});

describe("input", () => {
  const create = defineRoute({
    method: "POST",
    path: "/workflows",
    operationId: "create",
    summary: "Creates",
    input: {
      query: z.object({ dry: z.enum(["true", "false"]).optional() }),
      body: z.object({ name: z.string().min(1), steps: z.array(z.object({ tool: z.string() })) }),
      maxBodyBytes: 200,
    },
    handle: (_request, { body, query }) => Response.json({ body, query }),
  });

  it("is validated and typed", async () => {
    const response = await call([create], "/workflows?dry=true", post('{"name":"a","steps":[]}'));
    expect(await response.json()).toEqual({ body: { name: "a", steps: [] }, query: { dry: "true" } });
  });

  it("a body that need not be there is undefined to its schema, and is judged where it is", async () => {
    const route = defineRoute({
      method: "POST",
      path: "/maybe",
      operationId: "maybe",
      summary: "Takes a body or none",
      input: { body: z.object({ name: z.string() }).optional(), bodyRequired: false },
      handle: (_request, { body }) => Response.json({ name: body?.name ?? null }),
    });
    expect(await (await call([route], "/maybe", { method: "POST" })).json()).toEqual({ name: null });
    expect(await (await call([route], "/maybe", post('{"name":"a"}'))).json()).toEqual({ name: "a" });
    expect((await call([route], "/maybe", post("{}"))).status).toBe(422);
    expect((await call([route], "/maybe", post("{"))).status).toBe(400);
    expect((await call([route], "/maybe", { method: "POST", body: "name=a" })).status).toBe(415);
  });

  it("a wrong one names every field at once", async () => {
    const response = await call([create], "/workflows?dry=perhaps", post('{"name":"","steps":[{"tool":1}]}'));
    expect(response.status).toBe(422);
    const { code, errors } = (await response.json()) as { code: number; errors: { in: string; pointer: string }[] };
    expect(code).toBe(2002);
    expect(errors.map(({ in: part, pointer }) => `${part}${pointer}`)).toEqual(["query/dry", "body/name", "body/steps/0/tool"]);
  });

  it.each([
    ["", "application/json", 400, 2001],
    ["{", "application/json", 400, 2001],
    ['{"name":"a","name":"b","steps":[]}', "application/json", 400, 2001],
    ['{"__proto__":{},"name":"a","steps":[]}', "application/json", 400, 2001],
    ['{"name":"a","steps":[]}', "text/plain", 415, 2005],
    [`{"name":"${"a".repeat(300)}","steps":[]}`, "application/json", 413, 2003],
  ])("%.30s as %s is %i", async (body, type, status, code) => {
    const response = await call([create], "/workflows", post(body, type));
    expect([response.status, ((await response.json()) as { code: number }).code]).toEqual([status, code]);
  });

  it("a query is decoded once; repeated names are lists; what is no UTF-8 is refused", async () => {
    expect(parseQuery("/x?a=1&a=2&b=%2541&c&d=x+y&__proto__=1")).toEqual(
      Object.assign(Object.create(null), { a: ["1", "2"], b: "%41", c: "", d: "x y", ["__proto__"]: "1" }),
    );
    expect((await call([create], "/workflows?a=%FF", post("{}"))).status).toBe(400);
  });

  it("a page's limit is clamped and its nonsense ignored", () => {
    expect(parsePage({ limit: "0", offset: "-3" })).toEqual({ limit: 1, offset: 0, cursor: undefined });
    expect(parsePage({ limit: "1e3", offset: "x", cursor: "c" })).toEqual({ limit: 50, offset: 0, cursor: "c" });
    expect(parsePage({ limit: "100000" }).limit).toBe(200);
  });
});

describe("handlers", () => {
  const settles: Outcome[] = [];
  const settling: Guard = {
    name: "settling",
    check: () => ({
      kind: "allow",
      headers: [
        ["x-guard", "yes"],
        ["vary", "Origin"],
      ],
      settle: (outcome) => void settles.push(outcome),
    }),
  };

  it("that throw are a 500 without detail, reported, with the guards' headers, settled once", async () => {
    settles.length = 0;
    const faults: unknown[] = [];
    const app = createApp({
      guards: [settling],
      routes: [
        route("/", {
          handle: () => {
            throw new Error("hunter2");
          },
        }),
      ],
      onFault: (fault) => faults.push(fault),
    });
    const response = await toFetchHandler(app)(new Request("http://localhost/"));
    expect([response.status, response.headers.get("x-guard")]).toEqual([500, "yes"]);
    expect(await response.text()).not.toContain("hunter2");
    expect(faults).toHaveLength(1);
    expect(settles).toEqual([{ kind: "responded", status: 500 }]);
  });

  it("may throw a problem", async () => {
    const response = await call(
      [
        route("/", {
          handle: () => {
            throw new ProblemError(problems.versionConflict());
          },
        }),
      ],
      "/",
    );
    expect([response.status, ((await response.json()) as { code: number }).code]).toEqual([409, 4002]);
  });

  it("keep their own headers; the guards' overwrite or append", async () => {
    const response = await call(
      [route("/", { handle: () => new Response("x", { headers: { "x-own": "1", "x-guard": "no", vary: "Accept" } }) })],
      "/",
      {},
      [settling],
    );
    expect([response.headers.get("x-own"), response.headers.get("x-guard"), response.headers.get("vary")]).toEqual([
      "1",
      "yes",
      "Accept, Origin",
    ]);
  });

  it("settle as aborted when the reader gives up a stream", async () => {
    settles.length = 0;
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(10)) });
    const response = await call([route("/", { handle: () => new Response(endless) })], "/", {}, [settling]);
    await response.body?.cancel();
    expect(settles).toEqual([{ kind: "aborted" }]);
  });

  it("see the body although a guard has read it", async () => {
    const reader: Guard = { name: "reader", check: async (request) => (await request.rawBody(100), { kind: "allow" }) };
    const response = await call(
      [route("/", { method: "POST", handle: async (request) => new Response(await request.text()) })],
      "/",
      post("hello", "text/plain"),
      [reader],
    );
    expect(await response.text()).toBe("hello");
  });

  it("of deprecated routes announce it (RFC 9745, RFC 8594)", async () => {
    const stability = {
      level: "deprecated",
      since: new Date(1_700_000_000_000),
      sunset: new Date(1_800_000_000_000),
      successor: "/v2",
    } as const;
    const { headers } = await call([route("/", { stability })], "/");
    expect([headers.get("deprecation"), headers.get("sunset"), headers.get("link")]).toEqual([
      "@1700000000",
      "Fri, 15 Jan 2027 08:00:00 GMT",
      '</v2>; rel="successor-version"',
    ]);
  });

  it("are shown problems by the application's own renderer; a broken renderer is still an answer", async () => {
    const custom = createApp({
      routes: [],
      renderProblem: (problem) => ({ contentType: "application/json", body: JSON.stringify({ data: null, error: problem.detail }) }),
    });
    expect(await (await toFetchHandler(custom)(new Request("http://localhost/"))).json()).toMatchObject({ data: null });
    const broken = createApp({
      guards: [settling],
      routes: [],
      renderProblem: () => {
        throw new Error("x");
      },
    });
    settles.length = 0;
    const response = await toFetchHandler(broken)(new Request("http://localhost/"));
    expect([response.status, await response.json()]).toMatchObject([404, { code: 3001 }]);
    await Promise.resolve();
    expect(settles).toHaveLength(1);
  });
});
