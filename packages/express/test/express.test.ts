import { ALLOW, createApp, type Guard, problems } from "@portcullis/core";
import express from "express";
import express4 from "express4";
import { afterEach, expect, test } from "vitest";
import { createGuard, facts, guard, listen, type Listening, mount } from "../src/index.js";

const open: Listening[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function serve(app: Parameters<typeof listen>[0]): Promise<string> {
  const server = await listen(app, { port: 0, host: "127.0.0.1" });
  open.push(server);
  return server.url;
}

/** Answers with what a guard sees of the route. */
const tellRoute: Guard = {
  name: "tell-route",
  check: (request) => ({
    kind: "answer",
    answer: { status: 200, body: JSON.stringify([request.route, request.param("org"), request.param("id"), request.target]) },
  }),
};

test("Express 4's own types accept the middleware and the application", async () => {
  const app = express4();
  app.use(guard());
  app.get("/facts", guard(), (req, res) => void res.json(typeof facts(req).get));
  const url = await serve(mount(app, createApp({ routes: [] })));
  expect(await (await fetch(`${url}/facts`)).json()).toBe("function");
});

test("a guard in a router sees the router's parameters, its parent's where the router merges them, and no pattern: its own is only the end of one", async () => {
  const app = express();
  const merging = express.Router({ mergeParams: true });
  merging.get("/items/:id", guard(tellRoute));
  const separate = express.Router();
  separate.get("/items/:id", guard(tellRoute));
  app.use("/merged/:org", merging);
  app.use("/separate/:org", separate);
  const url = await serve(app);
  expect(await (await fetch(`${url}/merged/acme/items/1`)).json()).toEqual([null, "acme", "1", "/merged/acme/items/1"]);
  expect(await (await fetch(`${url}/separate/acme/items/1`)).json()).toEqual([null, null, "1", "/separate/acme/items/1"]);
});

test("errors of Express's own parser are the client's problems", async () => {
  const app = express();
  app.use(guard(), express.json({ limit: 10 }));
  const url = await serve(mount(app, createApp({ routes: [] })));
  const send = async (body: string) => {
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    return [response.status, (JSON.parse(await response.text()) as { code: number }).code]; // a problem has a code
  };
  expect(await send("{")).toEqual([400, 2001]);
  expect(await send(JSON.stringify("x".repeat(100)))).toEqual([413, 2003]);
});

test("an exception after the response began cuts the connection", async () => {
  const app = express();
  app.get("/half", (_req, res) => {
    res.write("half");
    throw new Error("boom");
  });
  const url = await serve(mount(app, createApp({ routes: [] })));
  await expect(fetch(`${url}/half`).then((response) => response.text())).rejects.toThrow("terminated");
});

test("problems look as createGuard and mount are told", async () => {
  const renderProblem = ({ code }: { code: number }) => ({ contentType: "text/plain", body: `code ${code}` });
  const deny: Guard = {
    name: "deny",
    check: ({ target }) => (target === "/deny" ? { kind: "deny", problem: problems.forbidden() } : ALLOW),
  };
  const app = express();
  app.use(createGuard({ renderProblem })(deny));
  app.get("/throw", () => {
    throw new Error("boom");
  });
  const url = await serve(mount(app, createApp({ routes: [] }), { renderProblem }));
  expect(await (await fetch(`${url}/deny`)).text()).toBe("code 1101");
  expect(await (await fetch(`${url}/throw`)).text()).toBe("code 8001");
});

test("what is no guard is refused when it is mounted, not when a request comes", () => {
  expect(() => guard({ name: "half a guard" } as Guard)).toThrow(expect.objectContaining({ code: "invalid_option" })); // a JavaScript mistake
});
