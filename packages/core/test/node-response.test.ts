import { createServer, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { type Listening, listenOn, readyBody, sendResponse } from "@portcullis/core/node";
import { createManualClock } from "@portcullis/testkit";
import { afterEach, describe, expect, test } from "vitest";

const open: Listening[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((listening) => listening.close()));
});

async function listening(handle: (res: ServerResponse) => void): Promise<string> {
  const server = await listenOn(
    createServer((_req, res) => handle(res)),
    { port: 0, host: "127.0.0.1" },
  );
  open.push(server);
  return server.url;
}

describe("readyBody", () => {
  test("is the bytes of a body that is there, and nothing of none", async () => {
    expect(await readyBody(new Response("hello"))).toEqual(new TextEncoder().encode("hello"));
    expect(await readyBody(new Response(null))).toBeUndefined();
    expect(await readyBody(new Response(""))).toHaveLength(0);
  });

  test("is a stream for a body that is still coming, with all that came before", async () => {
    let finish = (): void => {};
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from("first "));
        finish = () => {
          controller.enqueue(Buffer.from("last"));
          controller.close();
        };
      },
    });
    const ready = await readyBody(new Response(body));
    expect(ready).toBeInstanceOf(ReadableStream);
    finish();
    expect(await new Response(ready as ReadableStream).text()).toBe("first last"); // asserted above
  });

  test("never collects a body without end", async () => {
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 1;
        controller.enqueue(Buffer.from("more"));
      },
    });
    const ready = await readyBody(new Response(body));
    expect(ready).toBeInstanceOf(ReadableStream);
    expect(pulled).toBeLessThan(10);
    await (ready as ReadableStream).cancel(); // asserted above
  });
});

describe("sendResponse", () => {
  test("sends the length of a body that is there", async () => {
    const url = await listening((res) => void sendResponse(new Response("hello", { status: 201, headers: { "x-a": "1" } }), res));
    const response = await fetch(url);
    expect([response.status, response.headers.get("content-length"), response.headers.get("x-a")]).toEqual([201, "5", "1"]);
    expect(await response.text()).toBe("hello");
  });

  test("cuts the connection when a body fails in the middle: truncated must not look complete", async () => {
    let fail = (): void => {};
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from("first"));
        fail = () => controller.error(new Error("boom"));
      },
    });
    const url = await listening((res) => void sendResponse(new Response(body), res));
    const response = await fetch(url);
    fail();
    await expect(response.text()).rejects.toThrow("terminated");
  });

  test("waits for a slow client, and cancels the body when it leaves", async () => {
    let pulled = 0;
    const cancelled = new Promise<void>((resolve) => {
      const body = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            pulled += 1;
            controller.enqueue(Buffer.alloc(65_536));
          },
          cancel: () => resolve(),
        },
        { highWaterMark: 0 },
      );
      void listening((res) => void sendResponse(new Response(body), res)).then(async (url) => {
        const leaving = new AbortController();
        const response = await fetch(url, { signal: leaving.signal });
        await response.body?.getReader().read();
        // Sockets and streams buffer some; an unbounded writer would never stop.
        leaving.abort();
      });
    });
    await cancelled;
    expect(pulled).toBeLessThan(1000);
  });
});

describe("listenOn", () => {
  test.each([-1, 65_536, 1.5, Number.NaN])("refuses the port %d", async (port) => {
    await expect(listenOn(createServer(), { port })).rejects.toMatchObject({ code: "invalid_option" });
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])("refuses the close timeout %d", async (closeTimeoutMs) => {
    await expect(listenOn(createServer(), { port: 0, closeTimeoutMs })).rejects.toMatchObject({ code: "invalid_option" });
  });

  test("rejects where the port is taken", async () => {
    const first = await listenOn(createServer(), { port: 0, host: "127.0.0.1" });
    open.push(first);
    await expect(listenOn(createServer(), { port: first.port, host: "127.0.0.1" })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  test("says where it listens, and closes once however often it is told to", async () => {
    const server = await listenOn(createServer(), { port: 0, host: "::1" });
    expect(server.url).toBe(`http://[::1]:${server.port}`);
    await Promise.all([server.close(), server.close()]);
    await expect(fetch(server.url)).rejects.toThrow("fetch failed");
  });

  test("does not wait for connections that never sent a request", async () => {
    const server = await listenOn(createServer(), { port: 0, host: "127.0.0.1" });
    const socket = connect(server.port, "127.0.0.1");
    await new Promise((connected) => socket.once("connect", connected));
    const ended = new Promise((end) => socket.once("close", end));
    socket.on("error", () => {}); // the reset is the point
    await server.close();
    await ended;
  });

  test("cuts off what is still in flight when its time is up", async () => {
    const clock = createManualClock();
    const arrived = new Promise<void>((resolve) => {
      const http = createServer(() => resolve()); // never answers
      void listenOn(http, { port: 0, host: "127.0.0.1", closeTimeoutMs: 5_000, clock }).then((server) => {
        open.push(server);
        fetch(server.url).catch((error: unknown) => outcomes.push(error));
      });
    });
    const outcomes: unknown[] = [];
    await arrived;
    const closed = open[0]?.close();
    clock.advance(4_999);
    expect(outcomes).toEqual([]);
    clock.advance(1);
    await closed;
    await expect.poll(() => outcomes).toHaveLength(1);
  });
});
