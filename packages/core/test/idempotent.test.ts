import { createApp, createMemoryStore, defineRoute, deny, type Guard, idempotent, ALLOW, problems, toFetchHandler } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";

function setUp(
  handle: (run: number) => Response | Promise<Response> = (run) =>
    Response.json({ run }, { status: 201, headers: { location: `/p/${run}` } }),
  after?: Guard,
) {
  const clock = createManualClock();
  let runs = 0;
  const pay = defineRoute({ method: "POST", path: "/pay", operationId: "pay", summary: "Pays", handle: () => handle((runs += 1)) });
  const route = idempotent(pay, { store: createMemoryStore({ clock }), ttlMs: 1000, lockMs: 100, maxResultBytes: 1000 });
  const handler = toFetchHandler(createApp({ routes: [after === undefined ? route : { ...route, guards: [...route.guards, after] }] }));
  const send = async (key: string | undefined, body = "1"): Promise<{ status: number; text: string; location: string | null }> => {
    const response = await handler(
      new Request("http://localhost/pay", { method: "POST", body, headers: key === undefined ? {} : { "idempotency-key": key } }),
    );
    return { status: response.status, text: await response.text(), location: response.headers.get("location") };
  };
  return { clock, send, runs: () => runs };
}
const codeOf = ({ text }: { text: string }): number => (JSON.parse(text) as { code: number }).code;

describe("an idempotent route", () => {
  it("runs once and replays its result to the same key and content, until the time is over", async () => {
    const { send, runs, clock } = setUp();
    const first = await send("k1");
    expect(await send("k1")).toEqual(first);
    expect(await send('"k1"')).toEqual(first);
    expect([first.status, first.location, runs()]).toEqual([201, "/p/1", 1]);
    clock.advance(999);
    expect(await send("k1")).toEqual(first);
    clock.advance(1);
    expect((await send("k1")).text).toBe('{"run":2}');
  });

  it("refuses other content under the key, and lets other keys and none run", async () => {
    const { send, runs } = setUp();
    await send("k1", "1");
    expect(codeOf(await send("k1", "2"))).toBe(2007);
    await send("k2", "1");
    await send(undefined);
    await send(undefined);
    expect(runs()).toBe(4);
  });

  it("of 50 parallel requests runs one; the others are told that it is running", async () => {
    let release = (): void => {};
    const { send, runs } = setUp(() => new Promise((resolve) => (release = () => resolve(Response.json({})))));
    const all = Array.from({ length: 50 }, () => send("k1"));
    const others = await Promise.race([
      Promise.all(all.slice(1)),
      new Promise<never>((_resolve, reject) => setTimeout(() => reject(new Error("hang")), 5000).unref()),
    ]);
    release();
    expect((await all[0])?.status).toBe(200);
    expect([...new Set(others.map(codeOf))]).toEqual([4007]);
    expect(runs()).toBe(1);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("x");
      },
    ],
    ["answers 503", () => new Response(null, { status: 503 })],
    ["is too large to keep", () => new Response("x".repeat(1001))],
  ])("whose handler %s may run again", async (_why, handle) => {
    const { send, runs } = setUp(handle);
    await send("k1");
    await send("k1");
    expect(runs()).toBe(2);
  });

  it("frees the key when a later guard refuses, and when its process died", async () => {
    let isRefusing = true;
    const refused = setUp(undefined, { name: "later", check: () => (isRefusing ? deny(problems.forbidden()) : ALLOW) });
    expect((await refused.send("k1")).status).toBe(403);
    isRefusing = false;
    expect((await refused.send("k1")).status).toBe(201);
    let hangs = true;
    const died = setUp(() => (hangs ? new Promise<Response>(() => {}) : Response.json({})));
    void died.send("k1");
    await new Promise((resolve) => setImmediate(resolve));
    expect(codeOf(await died.send("k1"))).toBe(4007);
    hangs = false;
    died.clock.advance(100);
    expect((await died.send("k1")).status).toBe(200);
  });

  it.each([[" "], ["a b"], ["x".repeat(256)], ["a, b"]])("refuses the malformed key %.10j", async (key) => {
    expect((await setUp().send(key)).status).toBe(400);
  });

  it("refuses durations that are not positive at construction", () => {
    const route = defineRoute({ method: "POST", path: "/", operationId: "x", summary: "x", handle: () => new Response() });
    expect(() => idempotent(route, { store: createMemoryStore(), ttlMs: 0 })).toThrowError(
      expect.objectContaining({ code: "invalid_option" }),
    );
  });
});
