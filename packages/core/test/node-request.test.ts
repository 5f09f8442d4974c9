import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { type NodeOutgoing, nodeRequest, type NodeRequest } from "@portcullis/core/node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const NOWHERE = { route: () => undefined, param: () => undefined };

/** What the handler makes of one request, sent as these packets. */
async function serve<T>(
  packets: readonly (string | Uint8Array)[],
  handle: (request: NodeRequest, req: IncomingMessage, res: ServerResponse) => Promise<T>,
): Promise<T> {
  const answer = new Promise<T>((resolve, reject) => {
    const server = createServer((req, res) => {
      void handle(nodeRequest(req, NOWHERE, undefined), req, res)
        .then(resolve, reject)
        .finally(() => {
          res.end();
          server.close();
          server.closeAllConnections();
        });
    });
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (typeof address !== "object" || address === null) throw new Error("The server has no port.");
      const socket = connect(address.port, "127.0.0.1").setNoDelay(true);
      socket.on("error", () => {}); // the server cuts it when the test is over
      void (async () => {
        for (const packet of packets) await new Promise((written) => socket.write(packet, written));
      })();
    });
  });
  return answer;
}

async function drain(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A request that carries only headers. */
function withHeaders(rawHeaders: string[]): NodeRequest {
  const nothing = (): undefined => undefined;
  const body = { read: nothing, resume: nothing, unshift: nothing, on: nothing, off: nothing, destroyed: false, readableDidRead: false };
  const stream = {
    readableFlowing: null,
    readableLength: 0,
    [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true as const, value: undefined }) }),
  };
  return nodeRequest({ ...body, ...stream, rawHeaders, socket: { once: nothing } }, NOWHERE, undefined);
}

describe("header and headerCount", () => {
  test("count and join the field lines as sent, whatever their case", () => {
    const name = fc.constantFrom("authorization", "cookie", "host", "x-a", "__proto__", "constructor");
    const spelling = name.chain((lower) =>
      fc.constantFrom(
        lower,
        lower.toUpperCase(),
        lower.replace(/^./, (first) => first.toUpperCase()),
      ),
    );
    const lines = fc.array(fc.tuple(spelling, fc.string()), { maxLength: 12 });
    fc.assert(
      fc.property(lines, name, (fields, asked) => {
        const values = fields.filter(([field]) => field.toLowerCase() === asked).map(([, value]) => value);
        const request = withHeaders(fields.flat());
        expect(request.headerCount(asked)).toBe(values.length);
        expect(request.header(asked)).toBe(values.length === 0 ? undefined : values.join(asked === "cookie" ? "; " : ", "));
      }),
    );
  });
});

describe("removeHeader", () => {
  const name = fc.constantFrom("authorization", "cookie", "set-cookie", "host", "x-a", "x_a", "__proto__", "constructor");
  const lines = fc.array(fc.tuple(name, fc.boolean(), fc.string()), { maxLength: 12 });

  test("leaves exactly the other lines, in their order", () => {
    fc.assert(
      fc.property(lines, name, (fields, removed) => {
        const raw = fields.map(([field, capitals, value]) => [capitals ? field.toUpperCase() : field, value] as const);
        const list = raw.flat();
        const request = withHeaders(list);
        request.removeHeader(removed);
        expect([...list]).toEqual(raw.filter(([field]) => field.toLowerCase() !== removed).flat());
        expect([request.header(removed), request.headerCount(removed)]).toEqual([undefined, 0]);
      }),
    );
  });

  test.each(["before", "after"])("takes a field out of everything that Node makes of the lines, %s it was made", async (when) => {
    const head = "GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\nX_A: 3\r\nSet-Cookie: b\r\nX-B: 4\r\n\r\n";
    const seen = await serve([head], async (request, req) => {
      if (when === "after") expect([req.headers["x-a"], req.headersDistinct["x-a"]]).toEqual(["1, 2", ["1", "2"]]);
      for (const field of ["X-A", "set-cookie", "x-absent"]) request.removeHeader(field);
      return [req.headers, { ...req.headersDistinct }, [...req.rawHeaders]];
    });
    expect(seen).toEqual([
      { host: "a", x_a: "3", "x-b": "4" },
      { host: ["a"], x_a: ["3"], "x-b": ["4"] },
      ["Host", "a", "X_A", "3", "X-B", "4"],
    ]);
  });

  test("takes out what a middleware has put into the headers", async () => {
    const seen = await serve(["GET / HTTP/1.1\r\nHost: a\r\n\r\n"], async (request, req) => {
      req.headers["x-a"] = "1";
      request.removeHeader("x-a");
      return req.headers;
    });
    expect(seen).toEqual({ host: "a" });
  });
});

describe("rawBody", () => {
  test("gives the exact bytes of any body in any packets, and leaves the stream as if nobody had read it", async () => {
    const body = fc.uint8Array({ maxLength: 300 });
    const cuts = fc.array(fc.nat({ max: 300 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(body, cuts, fc.boolean(), async (bytes, at, chunked) => {
        const edges = [0, ...at.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const pieces = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
        const framing = chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${bytes.length}`;
        const frame = (piece: Uint8Array): Uint8Array =>
          chunked && piece.length > 0
            ? Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")])
            : piece;
        const packets = [`POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`, ...pieces.map(frame), chunked ? "0\r\n\r\n" : ""];
        const [raw, again, replayed] = await serve(
          packets.filter((packet) => packet.length > 0),
          async (request, req) => {
            const first = await request.rawBody(300);
            return [first, await request.rawBody(300), await drain(req)];
          },
        );
        expect(Buffer.from(raw ?? []).equals(bytes)).toBe(true);
        expect(again).toBe(raw);
        expect(replayed?.equals(bytes)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("refuses a later, smaller limit for a body that was read under a larger one", async () => {
    const read = serve(["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"], async (request) => {
      await request.rawBody(3);
      return request.rawBody(2);
    });
    await expect(read).rejects.toMatchObject({ code: 2003 });
  });

  test.each([
    ["was read by somebody else", async (req: IncomingMessage) => void (await drain(req))],
    ["is being read by somebody else", async (req: IncomingMessage) => void req.on("data", () => {})],
    ["is decoded to text", async (req: IncomingMessage) => void req.setEncoding("utf8")],
  ])("fails at once for a body that %s", async (_how, consume) => {
    const read = serve(["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"], async (request, req) => {
      await consume(req);
      return request.rawBody(10);
    });
    await expect(read).rejects.toMatchObject({ name: "ConfigurationError", code: "mounted_after_parser" });
  });

  test("is a problem of the client's when the connection is gone already", async () => {
    const read = serve(["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na"], async (request, req) => {
      req.destroy();
      return request.rawBody(10);
    });
    await expect(read).rejects.toMatchObject({ name: "ProblemError", code: 2004 });
  });
});

describe("nodeRequest", () => {
  test("refuses what is no request of Node, and says which import is wrong", () => {
    // A Fastify request given to Express's guard, and nothing at all.
    for (const wrong of [{ raw: {} }, undefined]) {
      // The types forbid it; a JavaScript program does it.
      expect(() => nodeRequest(wrong as never, NOWHERE, undefined)).toThrow(expect.objectContaining({ code: "wrong_adapter" }));
    }
  });

  test("knows a request again, and one that shares its list of field lines is another", async () => {
    const same = await serve(["GET / HTTP/1.1\r\nHost: a\r\n\r\n"], async (request, req) => {
      const again = nodeRequest(req, NOWHERE, undefined);
      const other = nodeRequest(Object.create(req, { rawHeaders: { value: req.rawHeaders } }), NOWHERE, undefined);
      return [again === request, other === request];
    });
    expect(same).toEqual([true, false]);
  });
});

describe("toRequest", () => {
  const toRequest = (head: string): Promise<Request> => serve([`${head}\r\n\r\n`], async (request, _req, res) => request.toRequest(res));

  test("keeps method, target and headers", async () => {
    const request = await toRequest("GET /a%2Fb?c=%20 HTTP/1.1\r\nHost: api.example\r\nX-A: 1\r\nX-A: 2");
    expect([request.method, request.url, request.headers.get("x-a")]).toEqual(["GET", "http://api.example/a%2Fb?c=%20", "1, 2"]);
    expect(request.body).toBeNull();
  });

  test.each(["a b", "[", "", "user@x:y"])("is localhost where the Host %j is no host", async (host) => {
    const request = await toRequest(`GET /a HTTP/1.1\r\nHost: ${host}`);
    expect(new URL(request.url).pathname).toBe("/a");
  });

  test("is localhost where the Host was removed", async () => {
    const request = await serve(["GET /a HTTP/1.1\r\nHost: a\r\n\r\n"], async (guarded, _req, res) => {
      guarded.removeHeader("host");
      return guarded.toRequest(res);
    });
    expect([request.url, request.headers.has("host")]).toEqual(["http://localhost/a", false]);
  });

  test("takes no authority from an absolute target", async () => {
    const request = await toRequest("GET http://evil.example/admin HTTP/1.1\r\nHost: api.example");
    expect(request.url).toBe("http://api.example/");
  });

  test("streams the body, also after a guard has read it", async () => {
    const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    const text = await serve([head], async (request, _req, res) => {
      await request.rawBody(3);
      return request.toRequest(res).text();
    });
    expect(text).toBe("abc");
  });

  test("has one signal, which is aborted when the client has left already", async () => {
    const aborted = await serve(["GET / HTTP/1.1\r\nHost: a\r\n\r\n"], async (request, req, res) => {
      const outgoing: NodeOutgoing = res;
      const made = request.toRequest(outgoing);
      req.socket.destroy();
      await new Promise((resolve) => res.once("close", resolve));
      expect(made.signal).toBe(made.signal);
      return made.signal.aborted;
    });
    expect(aborted).toBe(true);
  });
});
