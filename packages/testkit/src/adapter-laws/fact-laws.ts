import { deepEqual, equal } from "node:assert/strict";
import { ALLOW, createFactKey, deny, jsonAnswer, problems, StoreUnavailable } from "@portcullis/core";
import { type AdapterLaw, always, exchange, guardOf, head, helloRoute, turn, withAdapter } from "./adapter-law.js";
import type { NativeRoute } from "./adapter-host.js";

const whoFact = createFactKey<string>("who");

const tellWho: NativeRoute = {
  method: "GET",
  path: "/who",
  handle: ({ facts }) => ({ kind: "text", body: facts.get(whoFact) ?? "nobody" }),
};

/** Facts reach the handler; guards run in order, stop at the first denial, and fail closed. */
export const factLaws: readonly AdapterLaw[] = [
  {
    id: "AD-01",
    title: "a fact set by a guard reaches the handler",
    run: (host) => {
      const setWho = guardOf("set-who", ({ facts }) => (facts.set(whoFact, "ada"), ALLOW));
      return withAdapter(host, { mounts: [[setWho]], routes: [tellWho] }, async (running) => {
        equal((await exchange(running, head("GET", "/who"))).body, "ada");
      });
    },
  },
  {
    id: "AD-02",
    title: "guards run in the order of their mounts, late ones waited for, and share the facts of the request",
    run: (host) => {
      const order: string[] = [];
      const step = (name: string, late: boolean) =>
        guardOf(name, ({ facts }) => {
          order.push(`${name} sees ${facts.get(whoFact) ?? "nobody"}`);
          if (name === "second") facts.set(whoFact, "ada");
          return late ? turn().then(() => ALLOW) : ALLOW;
        });
      const setup = {
        mounts: [[step("first", true), step("second", false)], [step("third", true)]],
        routes: [{ ...tellWho, guards: [step("fourth", true), step("fifth", false)] }],
      };
      return withAdapter(host, setup, async (running) => {
        equal((await exchange(running, head("GET", "/who"))).body, "ada");
        deepEqual(order, ["first sees nobody", "second sees nobody", "third sees ada", "fourth sees ada", "fifth sees ada"]);
      });
    },
  },
  {
    id: "AD-03",
    title: "the first denial is the response: neither later guards nor the handler run",
    run: async (host) => {
      for (const late of [false, true]) {
        let asked = 0;
        const counting = guardOf("counting", () => ((asked += 1), ALLOW));
        const route = helloRoute();
        const refuse = always("refuse", deny(problems.forbidden()), late);
        await withAdapter(host, { mounts: [[refuse, counting], [counting]], routes: [route] }, async (running) => {
          const { status, body } = await exchange(running, head("GET", "/hello"));
          equal(status, 403);
          equal(JSON.parse(body).code, 1101);
          equal(asked, 0);
          equal(route.calls(), 0);
        });
      }
    },
  },
  {
    id: "AD-04",
    title: "an answer is the response, with and without a body",
    run: async (host) => {
      const accepted = always("accepted", { kind: "answer", answer: jsonAnswer(202, { approval: "a1" }) });
      const route = helloRoute();
      await withAdapter(host, { mounts: [[accepted]], routes: [route] }, async (running) => {
        const { status, body } = await exchange(running, head("GET", "/hello"));
        equal(status, 202);
        deepEqual(JSON.parse(body), { approval: "a1" });
      });
      const preflight = always("preflight", { kind: "answer", answer: { status: 204, headers: [["x-preflight", "yes"]] } }, true);
      await withAdapter(host, { mounts: [[preflight]], routes: [route] }, async (running) => {
        const { status, fields } = await exchange(running, head("OPTIONS", "/hello"));
        equal(status, 204);
        equal(fields.find(([name]) => name === "x-preflight")?.[1], "yes");
      });
      equal(route.calls(), 0);
    },
  },
  {
    id: "AD-05",
    title: "a guard that throws or rejects fails closed with a 500 that tells nothing, and the fault is reported",
    run: async (host) => {
      const faulty = [
        guardOf("thrower", () => {
          throw new Error("secret detail");
        }),
        guardOf("thrower", () => turn().then(() => Promise.reject(new Error("secret detail")))),
      ];
      for (const guard of faulty) {
        const route = helloRoute();
        const faults: string[] = [];
        const setup = { mounts: [[guard]], routes: [route], onFault: ({ source }: { source: string }) => void faults.push(source) };
        await withAdapter(host, setup, async (running) => {
          const { status, body } = await exchange(running, head("GET", "/hello"));
          equal(status, 500);
          equal(JSON.parse(body).code, 8001);
          equal(body.includes("secret"), false);
          equal(route.calls(), 0);
          deepEqual(faults, ["thrower"]);
        });
      }
    },
  },
  {
    id: "AD-06",
    title: "a store that does not answer is a 503 that may be retried",
    run: (host) => {
      const route = helloRoute();
      const guard = guardOf("asks-store", () => Promise.reject(new StoreUnavailable("take")));
      return withAdapter(host, { mounts: [[guard]], routes: [route] }, async (running) => {
        const { status, body } = await exchange(running, head("GET", "/hello"));
        equal(status, 503);
        equal(JSON.parse(body).retryable, true);
        equal(route.calls(), 0);
      });
    },
  },
  {
    id: "AD-07",
    title: "a hundred concurrent requests keep their own facts",
    run: (host) => {
      const setWho = guardOf("set-who", async (request) => {
        await turn();
        request.facts.set(whoFact, request.header("x-who") ?? "nobody");
        await turn();
        return ALLOW;
      });
      return withAdapter(host, { mounts: [[setWho]], routes: [tellWho] }, async (running) => {
        const names = Array.from({ length: 100 }, (_, index) => `caller-${index}`);
        const bodies = await Promise.all(names.map(async (name) => (await exchange(running, head("GET", "/who", `X-Who: ${name}`))).body));
        deepEqual(bodies, names);
      });
    },
  },
];
