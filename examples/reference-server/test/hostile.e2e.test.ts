import fc from "fast-check";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { createApiClient } from "../src/story/api-client.js";
import { logInAs } from "../src/story/story.js";
import { FRAMEWORKS } from "./serve.js";
import { startService, type TestWorld } from "./start-service.js";

const RUNS_PER_ROUTE = 12;
const problemSchema = z.object({
  code: z.number().int().min(1000).max(8999),
  status: z.number(),
  detail: z.string(),
  instance: z.string(),
});
const openApiSchema = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });

// Things that parsers, routers and stores have stumbled over.
const nasty = fc.constantFrom(
  ...[
    "__proto__",
    "constructor",
    "toString",
    "..",
    "%2e%2e%2f",
    "%00",
    "%C0%AE",
    "%",
    "a%2Fb",
    "'; DROP TABLE records;--",
    "{{7*7}}",
    "${7*7}",
    "\u0000",
    "\ud800",
    "𝕏",
    "ﬃ",
  ],
  ...[
    "A".repeat(5000),
    "-1",
    "1e309",
    "NaN",
    "null",
    "[]",
    "{}",
    '{"$ne":null}',
    "0x10",
    "9007199254740993",
    "\r\nx-injected: 1",
    "；",
    "‮",
  ],
);
const text = fc.oneof(nasty, fc.string({ maxLength: 60 }), fc.string({ unit: "binary", maxLength: 30 }));
const json = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value)),
  fc.constantFrom('{"a":1,"a":2}', '{"__proto__":{"x":1}}', "[".repeat(10_000), '{"name":', "\u{feff}{}", ""),
  text,
);
const header = fc.record({
  name: fc.constantFrom(
    "cookie",
    "x-request-id",
    "approval-id",
    "idempotency-key",
    "if-match",
    "accept",
    "origin",
    "x-forwarded-for",
    "forwarded",
    "content-type",
    "x-api-key",
    "traceparent",
    "range",
    "x-http-method-override",
    "x-user-roles",
  ),
  value: text,
});
const attack = fc.record({
  param: text,
  query: text,
  headers: fc.array(header, { maxLength: 6 }),
  body: json,
  authorization: fc.constantFrom("good", "none", "bad", "twice"),
});

describe.each(Object.keys(FRAMEWORKS) as (keyof typeof FRAMEWORKS)[])("hostile input on %s", (framework) => {
  let world: TestWorld;
  let token: string;
  let routes: { readonly method: string; readonly path: string }[];

  beforeAll(async () => {
    world = await startService(framework, "memory");
    const call = createApiClient(world.url);
    token = await logInAs(call, "admin");
    const { paths } = openApiSchema.parse(JSON.parse((await call("GET", "/openapi.json")).text));
    routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
    );
  });
  afterAll(() => world.close());

  it("gets a coded problem from every route, never a 500, and changes nothing", async () => {
    expect(routes.length).toBeGreaterThan(25);
    const call = createApiClient(world.url);
    let created = 0;
    for (const route of routes) {
      // Ending everybody's sessions or hashing a password each time is real work, and covered by the package's own tests.
      if (/logout-all|change-password|\/login$/.test(route.path)) continue;
      await fc.assert(
        fc.asyncProperty(attack, async (parts) => {
          await world.passTime(60_000);
          const { status, body, isProblem } = await send(world.url(), route, parts, token);
          expect(status, `${route.method} ${route.path}`).toBeLessThan(500);
          if (status === 201 && route.path === "/api/workflows") created += 1;
          if (status >= 400 && isProblem) expect(() => problemSchema.parse(JSON.parse(body)), body).not.toThrow();
        }),
        { numRuns: RUNS_PER_ROUTE },
      );
    }
    await world.passTime(600_000);
    token = await logInAs(call, "admin");
    const listed = await call("GET", "/api/workflows?limit=200", { token });
    expect(z.array(z.unknown()).parse(listed.json?.data)).toHaveLength(created);
    expect(world.lines.filter((line) => line.includes('"msg":"fault"'))).toEqual([]);
    expect((await call("GET", "/api/health")).status).toBe(200);
  }, 120_000);

  it.each([
    ["GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "both framings"],
    ["GET /%C0%AE HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a path that is no UTF-8"],
    ["GET //evil.example/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a path that looks like a host"],
    ["GET http://evil.example/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "an absolute target"],
    ["OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "an asterisk"],
    ["TRACE /api/workflows HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "TRACE"],
    [
      "GET /api/workflows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b.c\r\nAuthorization: Bearer d.e.f\r\nConnection: close\r\n\r\n",
      "two credentials",
    ],
    [
      "POST /api/workflows HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n{",
      "a body that is promised and not sent",
    ],
    [`GET /api/workflows HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(20_000)}\r\n\r\n`, "a head that is too long"],
    ["\u0016\u0003\u0001\u0002\u0000garbage\r\n\r\n", "no HTTP at all"],
  ])("%# raw bytes are answered below 500 or cut off: %s", async (bytes) => {
    const answer = await sendRaw(world.url(), bytes, undefined, 500);
    expect(answer).toMatch(/^(?:HTTP\/1\.1 [1-4]\d\d |$)/);
    expect((await createApiClient(world.url)("GET", "/api/health")).status).toBe(200);
  });
});

interface Attack {
  readonly param: string;
  readonly query: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly body: string;
  readonly authorization: string;
}

/** Sends what fetch would refuse to send. */
async function send(
  url: string,
  { method, path }: { readonly method: string; readonly path: string },
  { param, query, headers, body, authorization }: Attack,
  token: string,
): Promise<{ status: number; body: string; isProblem: boolean }> {
  const escape = (part: string): string =>
    part.replaceAll(/[^!"$->@-~]/gu, (character) => Buffer.from(character).toString("hex").replaceAll(/../g, "%$&"));
  const target = `${path.replaceAll(/\{\w+\}/g, () => escape(param) || "x")}?${escape(query)}`;
  const credentials =
    {
      good: [`Bearer ${token}`],
      none: [],
      bad: [`Bearer ${param.replaceAll(/[^\x21-\x7e]/g, "")}`],
      twice: [`Bearer ${token}`, `Bearer ${token}`],
    }[authorization] ?? [];
  const lines = [
    ...credentials.map((value) => `authorization: ${value}`),
    ...headers.map(({ name, value }) => `${name}: ${value.replaceAll(/[^ -~\u0080-\uffff]/g, "").slice(0, 6000)}`),
    ...(headers.some(({ name }) => name === "content-type") ? [] : ["content-type: application/json"]),
  ];
  const bytes = Buffer.from(body);
  const text = await sendRaw(
    url,
    `${method} ${target} HTTP/1.1\r\nhost: localhost\r\naccept: application/problem+json\r\nconnection: close\r\ncontent-length: ${bytes.length}\r\n${lines.join("\r\n")}\r\n\r\n`,
    bytes,
  );
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 400);
  const [head = "", ...rest] = text.split("\r\n\r\n");
  return { status, body: dechunked(head, rest.join("\r\n\r\n")), isProblem: /content-type: application\/problem\+json/i.test(head) };
}

function dechunked(head: string, body: string): string {
  return /transfer-encoding: chunked/i.test(head) ? body.replaceAll(/(?:^|\r\n)[0-9a-f]+\r\n/gi, "").replace(/\r\n$/, "") : body;
}

function sendRaw(url: string, head: string, body: Uint8Array = new Uint8Array(), patienceMs = 10_000): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname);
    const done = (): void => {
      socket.destroy();
      resolve(Buffer.concat(chunks).toString("utf8"));
    };
    // A body that is promised and never comes holds the connection: the server may wait, the test need not.
    socket.setTimeout(patienceMs, done);
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", done);
    socket.on("close", done);
    socket.write(head, "latin1");
    socket.write(body);
  });
}
