import { deepEqual, equal, ok } from "node:assert/strict";
import { ALLOW, type ConfigurationError, deny, type Guard, problems } from "@portcullis/core";
import type { NativeRoute } from "./adapter-host.js";
import { type AdapterLaw, exchange, guardOf, head, post, settleRecorder, signal, withAdapter } from "./adapter-law.js";
import { RawConnection } from "./raw-connection.js";

const MEGABYTE = 1 << 20;

/** A guard that keeps what it read of the body. */
function bodyReader(maxBytes = 2 * MEGABYTE): { readonly guard: Guard; readonly bodies: readonly string[] } {
  const bodies: string[] = [];
  const guard = guardOf("body-reader", async (request) => {
    bodies.push(Buffer.from(await request.rawBody(maxBytes)).toString("utf8"));
    return ALLOW;
  });
  return { guard, bodies };
}

/** Replies with what the framework's own parser made of the body. */
function echoRoute(): NativeRoute & { readonly calls: () => number } {
  let calls = 0;
  return {
    method: "POST",
    path: "/echo",
    calls: () => calls,
    async handle({ json }) {
      calls += 1;
      return { kind: "text", body: JSON.stringify(await json()) };
    },
  };
}

// The parser's answer would lose every oddity of this: spaces, order, escapes, a number's spelling.
const ODD_JSON = ' {"b" :1.0,\t"a":"\\u00e9 é 😀" } \n';

/** Guards read the exact bytes, and the handler can still parse the body. */
export const bodyLaws: readonly AdapterLaw[] = [
  {
    id: "AD-30",
    title: "rawBody gives the exact bytes, every time, and the handler still parses the body",
    run: (host) => {
      const first = bodyReader();
      const second = bodyReader();
      const route = { ...echoRoute(), guards: [second.guard] };
      return withAdapter(host, { mounts: [[first.guard, first.guard]], routes: [route] }, async (running) => {
        const { body } = await exchange(running, post("/echo", ODD_JSON));
        deepEqual(JSON.parse(body), JSON.parse(ODD_JSON));
        deepEqual([...first.bodies, ...second.bodies], [ODD_JSON, ODD_JSON, ODD_JSON]);
      });
    },
  },
  {
    id: "AD-31",
    title: "a megabyte in chunks arrives whole, declared or chunked, for the guard and the handler",
    run: (host) => {
      const reader = bodyReader();
      const json = JSON.stringify({ text: "x".repeat(MEGABYTE - 100) });
      const pieces = Array.from({ length: 16 }, (_, index) => json.slice(index * 65_536, (index + 1) * 65_536));
      return withAdapter(host, { mounts: [[reader.guard]], routes: [echoRoute()] }, async (running) => {
        const declared = await RawConnection.open(running.port);
        await declared.send(head("POST", "/echo", "Content-Type: application/json", `Content-Length: ${json.length}`));
        for (const piece of pieces) await declared.send(piece);
        equal((await declared.next()).body, json);
        await declared.send(head("POST", "/echo", "Content-Type: application/json", "Transfer-Encoding: chunked"));
        for (const piece of pieces) await declared.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
        await declared.send("0\r\n\r\n");
        equal((await declared.next()).body, json);
        declared.abort();
        equal(reader.bodies.length, 2);
        for (const body of reader.bodies) ok(body === json);
      });
    },
  },
  {
    id: "AD-32",
    title: "a body that comes together with its head arrives whole, in every framing",
    run: (host) => {
      const reader = bodyReader();
      return withAdapter(host, { mounts: [[reader.guard]], routes: [echoRoute()] }, async (running) => {
        const chunked = head("POST", "/echo", "Content-Type: application/json", "Transfer-Encoding: chunked");
        equal((await exchange(running, post("/echo", "[1]"))).body, "[1]");
        equal((await exchange(running, `${chunked}3\r\n[2]\r\n0\r\n\r\n`)).body, "[2]");
        const connection = await RawConnection.open(running.port);
        await connection.send(`${chunked}2\r\n[3\r\n`);
        await connection.send("1\r\n]\r\n");
        await connection.send("0\r\n\r\n");
        equal((await connection.next()).body, "[3]");
        connection.abort();
        deepEqual(reader.bodies, ["[1]", "[2]", "[3]"]);
      });
    },
  },
  {
    id: "AD-33",
    title: "an empty body is no bytes: absent, of length 0, or chunked to nothing",
    run: (host) => {
      const reader = bodyReader();
      const route: NativeRoute = { method: "POST", path: "/hello", handle: () => ({ kind: "text", body: "hello" }) };
      return withAdapter(host, { mounts: [[reader.guard]], routes: [route] }, async (running) => {
        const requests = [
          head("POST", "/hello"),
          head("POST", "/hello", "Content-Length: 0"),
          `${head("POST", "/hello", "Transfer-Encoding: chunked")}0\r\n\r\n`,
          head("GET", "/nowhere"),
        ];
        for (const request of requests) await exchange(running, request);
        deepEqual(reader.bodies, ["", "", "", ""]);
      });
    },
  },
  {
    id: "AD-34",
    title: "a body over the limit is a 413, declared or chunked; no handler runs, and the connection goes on",
    run: (host) => {
      const reader = bodyReader(1000);
      const route = echoRoute();
      const long = JSON.stringify("x".repeat(5000));
      return withAdapter(host, { mounts: [[reader.guard]], routes: [route] }, async (running) => {
        const chunked = `${head("POST", "/echo", "Content-Type: application/json", "Transfer-Encoding: chunked")}${long.length.toString(16)}\r\n${long}\r\n0\r\n\r\n`;
        for (const request of [post("/echo", long), chunked]) {
          const connection = await RawConnection.open(running.port);
          await connection.send(request);
          const response = await connection.next();
          equal(response.status, 413);
          equal(JSON.parse(response.body).code, 2003);
          await connection.send(post("/echo", "[1]"));
          equal((await connection.next()).body, "[1]");
          connection.abort();
        }
        equal(route.calls(), 2);
        deepEqual(reader.bodies, ["[1]", "[1]"]);
      });
    },
  },
  {
    id: "AD-35",
    title: "a guard mounted after a body parser that needs the body fails at once, closed, and says what to do",
    needs: ["parser"],
    run: (host) => {
      const reader = bodyReader();
      const route = echoRoute();
      const codes: unknown[] = [];
      const setup = {
        parserFirst: true,
        mounts: [[reader.guard]],
        routes: [route],
        onFault: ({ error }: { error: unknown }) => void codes.push((error as ConfigurationError).code), // asserted below
      };
      return withAdapter(host, setup, async (running) => {
        equal((await exchange(running, post("/echo", "[1]"))).status, 500);
        deepEqual(codes, ["mounted_after_parser"]);
        equal(route.calls(), 0);
      });
    },
  },
  {
    id: "AD-36",
    title: "a client that leaves in the middle of its body is settled as aborted, and no handler runs",
    run: (host) => {
      const recorder = settleRecorder();
      const reading = signal();
      const route = echoRoute();
      const reader = guardOf("body-reader", (request) => {
        reading.raise();
        return request.rawBody(MEGABYTE).then(() => ALLOW);
      });
      return withAdapter(host, { mounts: [[recorder.guard], [reader]], routes: [route] }, async (running) => {
        const connection = await RawConnection.open(running.port);
        await connection.send(`${head("POST", "/echo", "Content-Length: 100")}{"a`);
        await reading.raised;
        connection.abort();
        await recorder.settled(1);
        deepEqual(recorder.outcomes, [{ kind: "aborted" }]);
        equal(route.calls(), 0);
      });
    },
  },
  {
    id: "AD-37",
    title: "a denial after the body was read leaves the connection usable",
    run: (host) => {
      const refuse = guardOf("refuse", async (request) => {
        const body = await request.rawBody(2 * MEGABYTE);
        return body.length > 10 ? deny(problems.forbidden()) : ALLOW;
      });
      return withAdapter(host, { mounts: [[refuse]], routes: [echoRoute()] }, async (running) => {
        const connection = await RawConnection.open(running.port);
        await connection.send(post("/echo", JSON.stringify("x".repeat(MEGABYTE))));
        equal((await connection.next()).status, 403);
        await connection.send(post("/echo", "[1]"));
        equal((await connection.next()).body, "[1]");
        connection.abort();
      });
    },
  },
];
