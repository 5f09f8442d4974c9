import { deepEqual, equal, match } from "node:assert/strict";
import {
  ALLOW,
  createApp,
  createFactKey,
  defineRoute,
  deny,
  type Guard,
  type GuardRequest,
  ProblemError,
  problems,
} from "@portcullis/core";
import { type AdapterLaw, always, exchange, guardOf, head, helloRoute, post, settleRecorder, signal, withAdapter } from "./adapter-law.js";
import { linesOf, RawConnection } from "./raw-connection.js";

/** A guard that answers with what it sees of the request. */
function telling(tell: (request: GuardRequest) => unknown): Guard {
  return guardOf("telling", (request) => ({ kind: "answer", answer: { status: 200, body: JSON.stringify(tell(request)) } }));
}

const nameFact = createFactKey<string>("name");

/** A guard sees the request as it was sent; unmatched and malformed requests are guarded too. */
export const requestLaws: readonly AdapterLaw[] = [
  {
    id: "AD-40",
    title: "the target is as sent: neither decoded nor normalised",
    needs: ["raw-request"],
    run: (host) =>
      withAdapter(host, { mounts: [[telling(({ target, method }) => [method, target])]] }, async (running) => {
        for (const target of ["/a%2Fb/%7e?x=%20&x=1+2&&y", "/a/../b/./c?d", "//double//slash", "/UPPER%2f?a=b?c"]) {
          deepEqual(JSON.parse((await exchange(running, head("GET", target))).body), ["GET", target]);
        }
      }),
  },
  {
    id: "AD-41",
    title: "the target stays as sent for a guard on a route",
    run: (host) => {
      const route = { ...helloRoute("/files/:name"), guards: [telling(({ target }) => target)] };
      return withAdapter(host, { routes: [route] }, async (running) => {
        equal(JSON.parse((await exchange(running, head("GET", "/files/a%20b?q=%2F"))).body), "/files/a%20b?q=%2F");
      });
    },
  },
  {
    id: "AD-42",
    title: "repeated field lines are counted and joined in order: by a comma, of Cookie by a semicolon",
    needs: ["raw-request"],
    run: (host) => {
      const names = ["authorization", "content-type", "x-forwarded-for", "cookie", "x-absent", "host"];
      const guard = telling((request) => names.map((name) => [request.headerCount(name), request.header(name) ?? null]));
      return withAdapter(host, { mounts: [[guard]] }, async (running) => {
        const lines = ["Authorization: Bearer a", "AUTHORIZATION: Bearer b", "Content-Type: text/a", "Content-Type: text/b"];
        const more = ["X-Forwarded-For: 1.1.1.1", "x-forwarded-for: 2.2.2.2, 3.3.3.3", "Cookie: a=1", "cookie: b=2"];
        deepEqual(JSON.parse((await exchange(running, head("GET", "/x", ...lines, ...more))).body), [
          [2, "Bearer a, Bearer b"],
          [2, "text/a, text/b"],
          [2, "1.1.1.1, 2.2.2.2, 3.3.3.3"],
          [2, "a=1; b=2"],
          [0, null],
          [1, "127.0.0.1"],
        ]);
      });
    },
  },
  {
    id: "AD-43",
    title: "ip is the address of the socket's peer, whatever the headers claim",
    needs: ["raw-request"],
    run: (host) =>
      withAdapter(host, { mounts: [[telling(({ ip }) => ip ?? null)]] }, async (running) => {
        const lines = ["X-Forwarded-For: 8.8.8.8", "X-Real-IP: 8.8.8.8", "Forwarded: for=8.8.8.8"];
        match(JSON.parse((await exchange(running, head("GET", "/x", ...lines))).body), /^(::ffff:)?127\.0\.0\.1$/);
      }),
  },
  {
    id: "AD-44",
    title: "a guard on a route sees its decoded parameters and its pattern; one without a route sees neither",
    run: (host) => {
      const onRoute = telling((request) => [
        request.param("name") ?? null,
        request.param("other") ?? null,
        request.param("toString") ?? null,
        request.route,
      ]);
      const global = guardOf("global", (request) => {
        request.facts.set(nameFact, request.param("name") ?? "none");
        return ALLOW;
      });
      const route = { ...helloRoute("/files/:name"), guards: [onRoute] };
      return withAdapter(host, { mounts: [[global]], routes: [route] }, async (running) => {
        const { body } = await exchange(running, head("GET", "/files/a%20b%2Fc"));
        deepEqual(JSON.parse(body), ["a b/c", null, null, "/files/:name"]);
      });
    },
  },
  {
    id: "AD-45",
    title: "a path that is not UTF-8 is a 400 with the guards' headers and never reaches a handler",
    run: (host) => {
      const route = helloRoute("/files/:name");
      const mark = always("mark", { kind: "allow", headers: [["x-mark", "guarded"]] });
      return withAdapter(host, { mounts: [[mark]], routes: [route] }, async (running) => {
        for (const path of ["/files/%C0%AE", "/files/%ff", "/files/%E0%A4%A", "/files/%"]) {
          const response = await exchange(running, head("GET", path));
          equal(response.status, 400, path);
          equal(JSON.parse(response.body).code, 2001, path);
          deepEqual(linesOf(response, "x-mark"), ["guarded"], path);
        }
        equal(route.calls(), 0);
      });
    },
  },
  {
    id: "AD-46",
    title: "404 and 405 are problems with the guards' headers; 405 says what is allowed; a path that matched nothing has no pattern",
    run: (host) => {
      const mark = guardOf("mark", ({ route }) => ({
        kind: "allow",
        headers: [
          ["x-mark", "guarded"],
          ["x-route", JSON.stringify(route ?? null)],
        ],
      }));
      const served = defineRoute({
        method: "GET",
        path: "/served",
        operationId: "served",
        summary: "Served",
        handle: () => new Response("served"),
      });
      return withAdapter(host, { mounts: [[mark]], routes: [helloRoute()], app: createApp({ routes: [served] }) }, async (running) => {
        equal((await exchange(running, head("GET", "/served"))).body, "served");
        const missing = await exchange(running, head("GET", "/nowhere"));
        equal(missing.status, 404);
        equal(JSON.parse(missing.body).code, 3001);
        deepEqual(linesOf(missing, "x-route"), ["null"]);
        deepEqual(linesOf(missing, "x-mark"), ["guarded"]);
        const wrong = await exchange(running, post("/served", "{not json"));
        equal(wrong.status, 405);
        equal(JSON.parse(wrong.body).code, 2006);
        deepEqual(linesOf(wrong, "allow"), ["GET, HEAD"]);
        deepEqual(linesOf(wrong, "x-mark"), ["guarded"]);
      });
    },
  },
  {
    id: "AD-47",
    title: "a mounted application reads its body, whatever its content type, and sees the facts of the guards before it",
    run: (host) => {
      const setName = guardOf("set-name", ({ facts }) => (facts.set(nameFact, "ada"), ALLOW));
      const upload = defineRoute({
        method: "POST",
        path: "/upload",
        operationId: "upload",
        summary: "Replies with the body",
        handle: async (request, { facts }) => new Response(`${facts.get(nameFact)}: ${await request.text()}`),
      });
      return withAdapter(host, { mounts: [[setName]], app: createApp({ routes: [upload] }) }, async (running) => {
        for (const type of ["application/json", "text/csv", "application/x-unheard-of"]) {
          const { body } = await exchange(running, `${head("POST", "/upload", `Content-Type: ${type}`, "Content-Length: 3")}a,b`);
          equal(body, "ada: a,b", type);
        }
      });
    },
  },
  {
    id: "AD-48",
    title: "a ProblemError thrown by a handler is its problem",
    run: (host) => {
      const route = {
        method: "GET" as const,
        path: "/conflict",
        handle: () => {
          throw new ProblemError(problems.versionConflict());
        },
      };
      return withAdapter(host, { routes: [route] }, async (running) => {
        const { status, body } = await exchange(running, head("GET", "/conflict"));
        equal(status, 409);
        equal(JSON.parse(body).code, 4002);
      });
    },
  },
  {
    id: "AD-49",
    title: "HEAD is GET without the body, also of a denial",
    run: (host) => {
      const recorder = settleRecorder();
      const refuse = { ...helloRoute("/denied"), guards: [always("refuse", deny(problems.forbidden()))] };
      return withAdapter(host, { mounts: [[recorder.guard]], routes: [helloRoute(), refuse] }, async (running) => {
        const connection = await RawConnection.open(running.port);
        for (const [path, status] of [
          ["/hello", 200],
          ["/denied", 403],
          ["/nowhere", 404],
        ] as const) {
          await connection.send(head("HEAD", path));
          equal((await connection.next({ bodiless: true })).status, status, path);
        }
        await recorder.settled(3);
        deepEqual(
          recorder.outcomes.map((outcome) => outcome.kind === "responded" && outcome.status),
          [200, 403, 404],
        );
        connection.abort();
      });
    },
  },
  {
    id: "AD-50",
    title: "requests on one connection, one after another and pipelined, are answered in order with their own facts, each settled once",
    run: (host) => {
      const recorder = settleRecorder();
      const setName = guardOf("set-name", (request) => {
        request.facts.set(nameFact, request.header("x-name") ?? "none");
        return ALLOW;
      });
      const route = {
        method: "GET" as const,
        path: "/name",
        handle: ({ facts }: { facts: GuardRequest["facts"] }) => ({ kind: "text" as const, body: facts.get(nameFact) ?? "none" }),
      };
      return withAdapter(host, { mounts: [[recorder.guard], [setName]], routes: [route] }, async (running) => {
        const connection = await RawConnection.open(running.port);
        for (const name of ["one", "two"]) {
          await connection.send(head("GET", "/name", `X-Name: ${name}`));
          equal((await connection.next()).body, name);
        }
        const names = Array.from({ length: 20 }, (_, index) => `pipelined-${index}`);
        await connection.send(names.map((name) => head("GET", "/name", `X-Name: ${name}`)).join(""));
        for (const name of names) equal((await connection.next()).body, name);
        await recorder.settled(22);
        equal(recorder.outcomes.length, 22);
        connection.abort();
      });
    },
  },
  {
    id: "AD-51",
    title: "a pipelined request whose connection dies before its turn is settled as aborted",
    needs: ["raw-request", "native-routes"],
    run: (host) => {
      const recorder = settleRecorder();
      const second = signal();
      const finish = signal();
      const route = {
        method: "GET" as const,
        path: "/slow",
        async handle() {
          await finish.raised;
          return { kind: "text" as const, body: "slow" };
        },
      };
      const quick = guardOf("quick", ({ target }) => {
        if (target === "/hello") second.raise();
        return ALLOW;
      });
      return withAdapter(host, { mounts: [[recorder.guard, quick]], routes: [route, helloRoute()] }, async (running) => {
        const connection = await RawConnection.open(running.port);
        await connection.send(head("GET", "/slow") + head("GET", "/hello"));
        await second.raised;
        connection.abort();
        await recorder.settled(2);
        finish.raise();
        deepEqual(recorder.outcomes, [{ kind: "aborted" }, { kind: "aborted" }]);
      });
    },
  },
  {
    id: "AD-52",
    title: "closing lets the request in flight finish and ends idle connections",
    run: async (host) => {
      const working = signal();
      const finish = signal();
      const route = {
        method: "GET" as const,
        path: "/slow",
        async handle() {
          working.raise();
          await finish.raised;
          return { kind: "text" as const, body: "finished" };
        },
      };
      await withAdapter(host, { routes: [route, helloRoute()] }, async (running) => {
        const idle = await RawConnection.open(running.port);
        await idle.send(head("GET", "/hello"));
        await idle.next();
        const busy = await RawConnection.open(running.port);
        await busy.send(head("GET", "/slow"));
        await working.raised;
        const closing = running.close();
        await idle.closed();
        finish.raise();
        equal((await busy.next()).body, "finished");
        await closing;
      });
    },
  },
];
