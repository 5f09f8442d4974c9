import { deepEqual, equal } from "node:assert/strict";
import { correlationId, deny, problems, type Verdict } from "@portcullis/core";
import type { NativeReply, NativeRoute } from "./adapter-host.js";
import { type AdapterLaw, always, exchange, head, helloRoute, withAdapter } from "./adapter-law.js";
import { linesOf } from "./raw-connection.js";

const marked: Verdict = {
  kind: "allow",
  headers: [
    ["x-mark", "guarded"],
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
  ],
};

function replying(path: string, reply: () => NativeReply): NativeRoute {
  return { method: "GET", path, handle: reply };
}

async function* chunks(): AsyncGenerator<string> {
  yield "one ";
  yield "two";
}

/** What guards add to a response is there, whatever becomes of the response. */
export const headerLaws: readonly AdapterLaw[] = [
  {
    id: "AD-10",
    title: "headers of guards survive every way to reply: usual, raw, streamed, thrown, unmatched",
    run: async (host) => {
      for (const late of [false, true]) {
        const routes = [
          replying("/text", () => ({ kind: "text", body: "text" })),
          replying("/raw", () => ({ kind: "raw", body: "raw" })),
          replying("/stream", () => ({ kind: "stream", chunks: chunks() })),
          replying("/throw", () => {
            throw new Error("boom");
          }),
        ];
        await withAdapter(host, { mounts: [[always("mark", marked, late)]], routes }, async (running) => {
          const statuses = { "/text": 200, "/raw": 200, "/stream": 200, "/throw": 500, "/nowhere": 404 };
          for (const [path, status] of Object.entries(statuses)) {
            const response = await exchange(running, head("GET", path));
            equal(response.status, status, path);
            deepEqual(linesOf(response, "x-mark"), ["guarded"], path);
            deepEqual(linesOf(response, "set-cookie"), ["a=1", "b=2"], path);
          }
          equal((await exchange(running, head("GET", "/stream"))).body, "one two");
        });
      }
    },
  },
  {
    id: "AD-11",
    title: "a handler that throws what is no Error is a 500 with the guards' headers",
    needs: ["native-routes"],
    run: (host) => {
      const route = replying("/throw", () => {
        // oxlint-disable-next-line typescript/only-throw-error -- what the law is about
        throw "a string";
      });
      return withAdapter(host, { mounts: [[always("mark", marked)]], routes: [route] }, async (running) => {
        const response = await exchange(running, head("GET", "/throw"));
        equal(response.status, 500);
        deepEqual(linesOf(response, "x-mark"), ["guarded"]);
      });
    },
  },
  {
    id: "AD-12",
    title: "a later guard overwrites a field of an earlier one, and appends to the list-valued ones",
    run: (host) => {
      const one = always("one", {
        kind: "allow",
        headers: [
          ["x-frame-options", "SAMEORIGIN"],
          ["vary", "Origin"],
        ],
      });
      const two = always("two", {
        kind: "allow",
        headers: [
          ["x-frame-options", "DENY"],
          ["vary", "Accept"],
        ],
      });
      const route = helloRoute();
      return withAdapter(host, { mounts: [[one], [two]], routes: [route] }, async (running) => {
        for (const path of ["/hello", "/nowhere"]) {
          const response = await exchange(running, head("GET", path));
          deepEqual(linesOf(response, "x-frame-options"), ["DENY"], path);
          equal(linesOf(response, "vary").join(", "), "Origin, Accept", path);
        }
      });
    },
  },
  {
    id: "AD-13",
    title: "a field that a native handler sets itself stays as the handler set it, once",
    needs: ["native-routes"],
    run: (host) => {
      const guard = always("mark", marked);
      const route = replying("/own", () => ({ kind: "text", body: "own", headers: { "x-mark": "handler" } }));
      return withAdapter(host, { mounts: [[guard]], routes: [route] }, async (running) => {
        deepEqual(linesOf(await exchange(running, head("GET", "/own")), "x-mark"), ["handler"]);
      });
    },
  },
  {
    id: "AD-14",
    title: "a denial carries the headers of the guards before it and its own, and is never cached",
    run: (host) => {
      const refuse = always("refuse", deny(problems.rateLimited({ retryAfterMs: 1500 }), [["x-limit", "hit"]]));
      return withAdapter(host, { mounts: [[correlationId(), always("mark", marked)], [refuse]] }, async (running) => {
        const response = await exchange(running, head("GET", "/x", "X-Request-ID: req-1"));
        equal(response.status, 429);
        deepEqual(linesOf(response, "content-type"), ["application/problem+json"]);
        deepEqual(linesOf(response, "cache-control"), ["no-store"]);
        deepEqual(linesOf(response, "retry-after"), ["2"]);
        deepEqual(linesOf(response, "x-mark"), ["guarded"]);
        deepEqual(linesOf(response, "x-limit"), ["hit"]);
        deepEqual(linesOf(response, "x-request-id"), ["req-1"]);
        equal(JSON.parse(response.body).instance, "req-1");
      });
    },
  },
  {
    id: "AD-15",
    title: "a 401 carries a Bearer challenge, unless a guard gave another",
    run: async (host) => {
      const bare = always("bare", deny(problems.unauthenticated()));
      await withAdapter(host, { mounts: [[bare]] }, async (running) => {
        deepEqual(linesOf(await exchange(running, head("GET", "/x")), "www-authenticate"), ["Bearer"]);
      });
      const basic = always("basic", deny(problems.unauthenticated(), [["www-authenticate", "Basic"]]));
      await withAdapter(host, { mounts: [[basic]] }, async (running) => {
        deepEqual(linesOf(await exchange(running, head("GET", "/x")), "www-authenticate"), ["Basic"]);
      });
    },
  },
];
