import { deepEqual, equal } from "node:assert/strict";
import { ALLOW, createApp, defineRoute, deny, problems } from "@portcullis/core";
import { type AdapterLaw, always, exchange, guardOf, head, helloRoute, post, settleRecorder, signal, withAdapter } from "./adapter-law.js";
import { RawConnection } from "./raw-connection.js";

/** Settle hooks run exactly once, when the response has ended, however it ended. */
export const settleLaws: readonly AdapterLaw[] = [
  {
    id: "AD-20",
    title: "settle runs once, with the status: after a response, an exception, a later denial, an unmatched path",
    run: async (host) => {
      const routes = [
        helloRoute(),
        {
          method: "GET" as const,
          path: "/throw",
          handle: () => {
            throw new Error("boom");
          },
        },
        { ...helloRoute("/denied"), guards: [always("refuse", deny(problems.forbidden()))] },
      ];
      const statuses = { "/hello": 200, "/throw": 500, "/denied": 403, "/nowhere": 404 };
      for (const [path, status] of Object.entries(statuses)) {
        const recorder = settleRecorder();
        await withAdapter(host, { mounts: [[recorder.guard]], routes }, async (running) => {
          equal((await exchange(running, head("GET", path))).status, status, path);
          await recorder.settled(1);
          deepEqual(recorder.outcomes, [{ kind: "responded", status }], path);
        });
      }
    },
  },
  {
    id: "AD-21",
    title: "settle of a guard that itself denies or answers runs too",
    run: async (host) => {
      for (const verdict of [
        { kind: "deny", problem: problems.forbidden() } as const,
        { kind: "answer", answer: { status: 403 } } as const,
      ]) {
        const statuses: unknown[] = [];
        const done = signal();
        const guard = guardOf("refuse", () => ({
          ...verdict,
          settle: (outcome) => {
            statuses.push(outcome);
            done.raise();
          },
        }));
        await withAdapter(host, { mounts: [[guard]] }, async (running) => {
          await exchange(running, head("GET", "/x"));
          await done.raised;
          deepEqual(statuses, [{ kind: "responded", status: 403 }]);
        });
      }
    },
  },
  {
    id: "AD-22",
    title: "every mount's settle runs once, also of those on one route",
    run: (host) => {
      const recorders = [settleRecorder("a"), settleRecorder("b"), settleRecorder("c")] as const;
      const [a, b, c] = recorders;
      const route = { ...helloRoute(), guards: [c.guard] };
      return withAdapter(host, { mounts: [[a.guard], [b.guard]], routes: [route] }, async (running) => {
        await exchange(running, head("GET", "/hello"));
        for (const recorder of recorders) {
          await recorder.settled(1);
          deepEqual(recorder.outcomes, [{ kind: "responded", status: 200 }]);
        }
      });
    },
  },
  {
    id: "AD-23",
    title: "a client that leaves while a native handler works is settled as aborted at once, and once",
    needs: ["native-routes"],
    run: (host) => {
      const recorder = settleRecorder();
      const working = signal();
      const finish = signal();
      const route = {
        method: "GET" as const,
        path: "/slow",
        async handle() {
          working.raise();
          await finish.raised;
          return { kind: "text" as const, body: "too late" };
        },
      };
      return withAdapter(host, { mounts: [[recorder.guard]], routes: [route] }, async (running) => {
        const connection = await RawConnection.open(running.port);
        await connection.send(head("GET", "/slow"));
        await working.raised;
        connection.abort();
        await recorder.settled(1);
        finish.raise();
        await recorder.settled(1);
        deepEqual(recorder.outcomes, [{ kind: "aborted" }]);
      });
    },
  },
  {
    id: "AD-24",
    title: "a client that leaves while a guard works is settled as aborted, once",
    needs: ["raw-request"],
    run: (host) => {
      const recorder = settleRecorder();
      const working = signal();
      const finish = signal();
      const slow = guardOf("slow", async ({ target }) => {
        if (target === "/hello") {
          working.raise();
          await finish.raised;
        }
        return ALLOW;
      });
      return withAdapter(host, { mounts: [[recorder.guard, slow]], routes: [helloRoute()] }, async (running) => {
        const connection = await RawConnection.open(running.port);
        await connection.send(head("GET", "/hello"));
        await working.raised;
        connection.abort();
        // The server has seen the end of that connection when it serves one that was opened later.
        await exchange(running, head("GET", "/nowhere"));
        await recorder.settled(1);
        finish.raise();
        await recorder.settled(2);
        deepEqual(recorder.outcomes, [{ kind: "responded", status: 404 }, { kind: "aborted" }]);
      });
    },
  },
  {
    id: "AD-25",
    title: "a streamed response settles after its last chunk; as aborted when the client leaves before",
    run: async (host) => {
      for (const leaves of [false, true]) {
        const recorder = settleRecorder();
        const more = signal();
        async function* chunks(): AsyncGenerator<string> {
          yield "first ";
          await more.raised;
          yield "last";
        }
        const route = { method: "GET" as const, path: "/stream", handle: () => ({ kind: "stream" as const, chunks: chunks() }) };
        await withAdapter(host, { mounts: [[recorder.guard]], routes: [route] }, async (running) => {
          const connection = await RawConnection.open(running.port);
          await connection.send(head("GET", "/stream"));
          await connection.sees("first");
          deepEqual(recorder.outcomes, [], "nothing is settled while the response streams");
          if (leaves) {
            connection.abort();
            await recorder.settled(1);
            more.raise();
          } else {
            more.raise();
            equal((await connection.next()).body, "first last");
          }
          await recorder.settled(1);
          deepEqual(recorder.outcomes, [leaves ? { kind: "aborted" } : { kind: "responded", status: 200 }]);
          connection.abort();
        });
      }
    },
  },
  {
    id: "AD-26",
    title: "a settle hook that throws is reported and hides nothing",
    run: (host) => {
      const after = settleRecorder();
      const faults: string[] = [];
      const thrower = always("thrower", {
        kind: "allow",
        settle() {
          throw new Error("boom");
        },
      });
      const setup = {
        mounts: [[after.guard, thrower]],
        routes: [helloRoute()],
        onFault: ({ source }: { source: string }) => void faults.push(source),
      };
      return withAdapter(host, setup, async (running) => {
        equal((await exchange(running, head("GET", "/hello"))).status, 200);
        await after.settled(1);
        deepEqual(faults, ["thrower"]);
      });
    },
  },
  {
    id: "AD-27",
    title: "a route of a mounted application sees the client leave by its request's signal, and is settled as aborted, once",
    run: (host) => {
      const recorder = settleRecorder();
      const working = signal();
      const slow = defineRoute({
        method: "POST",
        path: "/slow",
        operationId: "slow",
        summary: "Waits for the client to leave",
        async handle(request) {
          const left = new Promise((resolve) => request.signal.addEventListener("abort", resolve, { once: true }));
          working.raise();
          await left;
          return new Response("too late");
        },
      });
      return withAdapter(host, { app: createApp({ guards: [recorder.guard], routes: [slow] }) }, async (running) => {
        const connection = await RawConnection.open(running.port);
        await connection.send(post("/slow", "[1]"));
        await working.raised;
        connection.abort();
        await recorder.settled(1);
        deepEqual(recorder.outcomes, [{ kind: "aborted" }]);
      });
    },
  },
];
