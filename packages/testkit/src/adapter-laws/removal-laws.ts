import { deepEqual, equal, ok } from "node:assert/strict";
import { ALLOW, createApp, defineRoute, type Guard } from "@portcullis/core";
import { fetchHeader, type NativeRoute } from "./adapter-host.js";
import { type AdapterLaw, exchange, guardOf, head, post, turn, withAdapter } from "./adapter-law.js";

const FORGED = ["X-User-ID: ada", "x-user-id: eve", "X-USER-ID: mallory"];
// Near misses: proxies take some of them for the same, HTTP does not (RFC 9110 §5.1).
const OTHERS = { x_user_id: "underscore", "x-user-id-2": "longer", "x-user-i": "shorter", "x-tenant": "acme" };
const LINES = [...Object.entries(OTHERS).map(([name, value]) => `${name}: ${value}`), ...FORGED, "Accept: text/plain"];

function removing(...names: readonly string[]): Guard {
  return guardOf("removing", (request) => {
    for (const name of names) request.removeHeader(name);
    return ALLOW;
  });
}

/** Notes what it sees of the field: its value and how many lines. */
function witness(seen: unknown[]): Guard {
  return guardOf("witness", (request) => {
    seen.push([request.header("x-user-id") ?? null, request.headerCount("x-user-id")]);
    return ALLOW;
  });
}

/** Tells what a handler sees of these fields, in all places. */
function tellingRoute(names: readonly string[], guards: readonly Guard[] = []): NativeRoute {
  return {
    method: "GET",
    path: "/seen",
    guards,
    handle: ({ header }) => ({ kind: "text", body: JSON.stringify(names.map((name) => header(name).map((value) => value ?? null))) }),
  };
}

/** Nothing in any place of the first field; of every other its value in all places. */
function onlyFirstIsGone(body: string, values: readonly string[]): void {
  const [removed, ...kept]: readonly (readonly (string | null)[])[] = JSON.parse(body);
  ok(removed !== undefined && removed.length > 0);
  deepEqual(new Set(removed), new Set([null]));
  deepEqual(
    kept.map((places) => [...new Set(places)]),
    values.map((value) => [value]),
  );
}

const NAMES = ["x-user-id", ...Object.keys(OTHERS), "accept"];
const VALUES = [...Object.values(OTHERS), "text/plain"];

/** A field that a guard removes is gone for everyone after it. */
export const removalLaws: readonly AdapterLaw[] = [
  {
    id: "AD-60",
    title: "a removed field is gone for later guards, on the same mount, on later ones and on the route",
    run: (host) => {
      const seen: unknown[] = [];
      const see = witness(seen);
      const late = guardOf("late", (request) => turn().then(() => (request.removeHeader("x-user-id"), ALLOW)));
      const mounts = [[see, late, see], [see]];
      return withAdapter(host, { mounts, routes: [tellingRoute([], [see])] }, async (running) => {
        await exchange(running, head("GET", "/seen", "X-User-ID: ada", "x-user-id: eve"));
        equal(seen.length, 4);
        ok(Array.isArray(seen[0]) && seen[0][0] === "ada, eve");
        deepEqual(seen.slice(1), [
          [null, 0],
          [null, 0],
          [null, 0],
        ]);
      });
    },
  },
  {
    id: "AD-61",
    title: "a handler sees nothing of a removed field: no line of it, in whatever case, in no place; all others stay as sent",
    run: async (host) => {
      for (const name of ["x-user-id", "X-User-Id"]) {
        for (const setup of [
          { mounts: [[removing(name)]], routes: [tellingRoute(NAMES)] },
          { routes: [tellingRoute(NAMES, [removing(name)])] },
        ]) {
          await withAdapter(host, setup, async (running) => {
            onlyFirstIsGone((await exchange(running, head("GET", "/seen", ...LINES))).body, VALUES);
            // Neither did it stay for the next request, nor is anything missed that was not sent.
            onlyFirstIsGone(
              (await exchange(running, head("GET", "/seen", ...LINES.filter((line) => !FORGED.includes(line))))).body,
              VALUES,
            );
          });
        }
      }
    },
  },
  {
    id: "AD-62",
    title: "a route of a mounted application sees nothing of a field that any guard before it removed",
    run: (host) => {
      const app = createApp({
        guards: [removing("x-b")],
        routes: [
          defineRoute({
            method: "GET",
            path: "/app",
            operationId: "app",
            summary: "Tells what it sees",
            guards: [removing("x-c")],
            handle: (request) =>
              Response.json(
                ["x-a", "x-b", "x-c", "x-d"].map((name) => [...new Set(fetchHeader(request, name).map((value) => value ?? null))]),
              ),
          }),
        ],
      });
      return withAdapter(host, { mounts: [[removing("x-a")]], app }, async (running) => {
        const lines = ["X-A: 1", "X-B: 2", "X-C: 3", "X-D: 4", "x-a: 5", "x-b: 6", "x-c: 7"];
        deepEqual(JSON.parse((await exchange(running, head("GET", "/app", ...lines))).body), [[null], [null], [null], ["4"]]);
      });
    },
  },
  {
    id: "AD-63",
    title: "a field can be removed after the framework, middlewares and guards have read it",
    needs: ["native-routes"],
    run: (host) => {
      const reading = guardOf("reading", (request) => (request.header("x-user-id"), ALLOW));
      const setup = { headersFirst: true, mounts: [[reading, removing("x-user-id")]], routes: [tellingRoute(NAMES)] };
      return withAdapter(host, setup, async (running) => {
        onlyFirstIsGone((await exchange(running, head("GET", "/seen", ...LINES))).body, VALUES);
      });
    },
  },
  {
    id: "AD-64",
    title: "removing fields, before and after a guard has read the body, leaves the body to guards and handler",
    run: async (host) => {
      const bodies: string[] = [];
      const read = guardOf("read", async (request) => {
        bodies.push(Buffer.from(await request.rawBody(1_000)).toString("utf8"));
        return ALLOW;
      });
      const route: NativeRoute = {
        method: "POST",
        path: "/echo",
        guards: [removing("x-c")],
        async handle({ json, header }) {
          const parsed = await json();
          return { kind: "text", body: JSON.stringify([parsed, ["x-a", "x-b", "x-c"].flatMap((name) => header(name)).filter(Boolean)]) };
        },
      };
      for (const guards of [[removing("x-a")], [removing("x-a"), read, removing("x-b")]]) {
        await withAdapter(host, { mounts: [guards, [removing("x-b")]], routes: [route] }, async (running) => {
          const { body } = await exchange(running, post("/echo", '{"a":1}', "X-A: 1", "X-B: 2", "X-C: 3"));
          deepEqual(JSON.parse(body), [{ a: 1 }, []]);
        });
      }
      deepEqual(bodies, ['{"a":1}']);
    },
  },
  {
    id: "AD-65",
    title: "a body keeps its length for guards when the fields that told it are removed",
    run: (host) => {
      const bodies: number[] = [];
      const read = guardOf("read", async (request) => {
        bodies.push((await request.rawBody(100)).length);
        return ALLOW;
      });
      const guards = [removing("content-length", "transfer-encoding"), read];
      return withAdapter(host, { mounts: [guards] }, async (running) => {
        await exchange(running, post("/nowhere", '{"a":1}'));
        await exchange(running, `${head("POST", "/nowhere", "Transfer-Encoding: chunked")}3\r\n[2]\r\n0\r\n\r\n`);
        deepEqual(bodies, [7, 3]);
      });
    },
  },
];
