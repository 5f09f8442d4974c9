import {
  ALLOW,
  createApp,
  createGuardChain,
  createJob,
  createMemoryStore,
  defineRoute,
  deny,
  type Guard,
  idempotent,
  type Outcome,
  parseQuery,
  parseStrictJson,
  principalFact,
  problems,
  ProblemError,
  quietly,
  type Route,
  securityHeaders,
  settleAfterBody,
  StoreUnavailable,
  toFetchHandler,
  type Verdict,
} from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { requestOf } from "./fake-request.js";

const misconfigured = expect.objectContaining({ code: "invalid_option" });
const returning = (verdict: unknown): Guard => ({ name: "untyped", check: () => verdict as Verdict }); // what untyped code may do
const rejecting = (async () => Promise.reject(new Error("the log is down"))) as () => void; // an async observer compiles as well
// oxlint-disable-next-line unicorn/no-thenable -- a promise of another library is what these tests are about
const thenable = (value: unknown): object => Object.fromEntries([["then", (resolve: (value: unknown) => void) => resolve(value)]]);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a guard of untyped code", () => {
  it.each([
    ["a misspelt kind", { kind: "denied" }],
    ["nothing", undefined],
    ["true", true],
    ["a promise of another library", thenable(deny(problems.forbidden()))],
    ["headers that are no list", { kind: "allow", headers: 1 }],
  ])("that returns %s lets nothing pass, now or later", async (_what, verdict) => {
    for (const guard of [returning(verdict), { name: "untyped", check: async () => verdict as Verdict }]) {
      const faults: unknown[] = [];
      const hooks: Outcome[] = [];
      const before: Guard = {
        name: "before",
        check: () => ({ kind: "allow", headers: [["x-a", "a"]], settle: (outcome) => void hooks.push(outcome) }),
      };
      const isLater = guard.check(requestOf()) instanceof Promise;
      // A promise that is awaited is understood, whoever made it.
      if (isLater && typeof verdict === "object" && "then" in verdict) continue;
      const run = await createGuardChain([before, guard], (fault) => faults.push(fault)).run(requestOf());
      expect(run.stop).toMatchObject({ kind: "deny", problem: { status: 500 } });
      expect(faults).toMatchObject([{ source: "untyped" }]);
      run.settle?.({ kind: "aborted" });
      expect(hooks).toEqual([{ kind: "aborted" }]);
    }
  });
});

describe("an observer that throws or rejects", () => {
  const observers = [
    () => {
      throw new Error("the log is down");
    },
    rejecting,
  ];

  it.each(observers)("changes no answer and loses no hook (%#)", async (onFault) => {
    const settled: string[] = [];
    const hook = (name: string, settle: () => void | Promise<void>): Guard => ({ name, check: () => ({ kind: "allow", settle }) });
    const app = createApp({
      guards: [
        hook("first", () => void settled.push("first")),
        hook("rejects", async () => Promise.reject(new Error("x"))),
        hook("throws", () => {
          throw new Error("x");
        }),
      ],
      routes: [
        defineRoute({
          method: "GET",
          path: "/",
          operationId: "root",
          summary: "",
          guards: [returning(undefined)],
          handle: () => new Response(),
        }),
      ],
      onFault,
    });
    const response = await toFetchHandler(app)(new Request("http://localhost/"));
    expect(response.status).toBe(500);
    await response.text();
    await turn(); // an unhandled rejection would fail this test
    expect(settled).toEqual(["first"]);
  });

  it("is not waited for", () => {
    expect(quietly<string>(() => new Promise<void>(() => {}) as never)("event")).toBeUndefined();
  });
});

describe("an application whose response cannot be made", () => {
  const settling = (outcomes: Outcome[]): Guard => ({
    name: "lease",
    check: () => ({ kind: "allow", settle: (outcome) => void outcomes.push(outcome) }),
  });
  const get = (route: Partial<Route>, options: Partial<Parameters<typeof createApp>[0]> = {}, method = "GET"): Promise<Response> =>
    toFetchHandler(
      createApp({
        guards: [securityHeaders()],
        routes: [
          { ...defineRoute({ method: "GET", path: "/", operationId: "root", summary: "", handle: () => new Response() }), ...route },
        ],
        ...options,
      }),
    )(new Request("http://localhost/", { method }));

  it.each<[string, Partial<Route>, string?]>([
    ["a guard's field has a line break", { guards: [{ name: "bad", check: () => ({ kind: "allow", headers: [["x-a", "a\r\nb: c"]] }) }] }],
    ["a guard's field is not Latin-1", { guards: [{ name: "bad", check: () => ({ kind: "allow", headers: [["x-a", "日本"]] }) }] }],
    ["the handler returns nothing", { handle: () => undefined as unknown as Response }],
    ["the status is out of range", { guards: [{ name: "bad", check: () => ({ kind: "answer", answer: { status: 99 } }) }] }],
  ])("still answers 500 with its security headers, and settles the route's hooks: %s", async (_why, route) => {
    const outcomes: Outcome[] = [];
    const response = await get({ ...route, guards: [settling(outcomes), ...(route.guards ?? [])] });
    expect([response.status, response.headers.get("x-content-type-options"), response.headers.get("x-a")]).toEqual([500, "nosniff", null]);
    await response.text();
    await turn();
    expect(outcomes).toHaveLength(1);
  });

  it("keeps a denial and its hooks when the renderer is broken", async () => {
    const outcomes: Outcome[] = [];
    const faults: unknown[] = [];
    const renderProblem = (): never => {
      throw new Error("x");
    };
    const response = await get(
      { guards: [settling(outcomes), { name: "no", check: () => deny(problems.forbidden()) }] },
      { renderProblem, onFault: (fault) => faults.push(fault) },
    );
    expect([response.status, await response.json()]).toMatchObject([403, { code: 1101 }]);
    await turn();
    expect(outcomes).toHaveLength(1);
    expect(faults).toMatchObject([{ source: "renderProblem" }]);
  });

  it("answers HEAD though the body's source cannot be stopped well", async () => {
    const body = (): ReadableStream =>
      new ReadableStream({
        cancel: () => {
          throw new Error("x");
        },
      });
    expect((await get({ handle: () => new Response(body()) }, {}, "HEAD")).status).toBe(200);
  });

  it.each([204, 205, 304])("a guard's answer of %d has no body", async (status) => {
    const response = await get({ guards: [{ name: "a", check: () => ({ kind: "answer", answer: { status, body: "x" } }) }] });
    expect([response.status, response.body]).toEqual([status, null]);
  });
});

describe("input of hostile size or shape", () => {
  it("a query of one name a hundred thousand times is read in linear time", () => {
    const startedAt = performance.now();
    expect(parseQuery(`/?${"a&".repeat(100_000)}`)?.a).toHaveLength(100_000);
    expect(performance.now() - startedAt).toBeLessThan(2000); // copying at each repetition took 20 s and more
  });

  it("a parameter that the route does not have is none, whatever objects inherit", async () => {
    const asked: unknown[] = [];
    const asking: Guard = { name: "asking", check: (request) => (asked.push(request.param("id"), request.param("constructor")), ALLOW) };
    const route = defineRoute({
      method: "GET",
      path: "/:id",
      operationId: "r",
      summary: "",
      guards: [asking],
      handle: () => new Response(),
    });
    await toFetchHandler(createApp({ routes: [route] }))(new Request("http://localhost/7"));
    expect(asked).toEqual(["7", undefined]);
  });

  it("a schema that answers with a promise of another library is awaited, not taken for a success", async () => {
    const validate = (): Promise<{ readonly issues: [] }> => thenable({ issues: [{ message: "no" }] }) as never;
    const schema = { "~standard": { version: 1, vendor: "test", validate } } as const;
    const route = defineRoute({
      method: "GET",
      path: "/",
      operationId: "r",
      summary: "",
      input: { query: schema },
      handle: () => new Response(),
    });
    expect((await toFetchHandler(createApp({ routes: [route] }))(new Request("http://localhost/"))).status).toBe(422);
  });

  it("a body whose sender left is 2004, not a fault of ours", async () => {
    const faults: unknown[] = [];
    const reading: Guard = { name: "reading", check: async (request) => (await request.rawBody(100), ALLOW) };
    const route = defineRoute({
      method: "POST",
      path: "/",
      operationId: "r",
      summary: "",
      guards: [reading],
      handle: () => new Response(),
    });
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) });
    const handler = toFetchHandler(createApp({ routes: [route], onFault: (fault) => faults.push(fault) }));
    const response = await handler(new Request("http://localhost/", { method: "POST", body, duplex: "half" }));
    expect(await response.json()).toMatchObject({ code: 2004 });
    expect(faults).toEqual([]);
  });

  it.each([Number.NaN, -1, 1.5])("a depth of %d is refused: it would bound nothing", (maxDepth) => {
    expect(() => parseStrictJson("1", { maxDepth })).toThrowError(misconfigured);
  });

  it.each([
    ["one parameter name twice", { path: "/a/:id/b/:id" }],
    ["a date that is none", { path: "/", stability: { level: "deprecated", since: new Date(Number.NaN) } as const }],
    ["a sunset that is none", { path: "/", stability: { level: "deprecated", since: new Date(0), sunset: new Date(Number.NaN) } as const }],
    [
      "a successor that ends its field",
      { path: "/", stability: { level: "deprecated", since: new Date(0), successor: "/v2>\r\nx: y" } as const },
    ],
  ])("a route with %s is refused where it is defined", (_what, definition) => {
    expect(() => defineRoute({ method: "GET", operationId: "r", summary: "", handle: () => new Response(), ...definition })).toThrowError(
      misconfigured,
    );
  });
});

describe("settling after the body", () => {
  it("settles once, also when the client leaves after the end", async () => {
    const controller = new AbortController();
    const outcomes: Outcome[] = [];
    const response = settleAfterBody(new Response("x"), controller.signal, (outcome) => void outcomes.push(outcome));
    await response.text();
    controller.abort();
    expect(outcomes).toEqual([{ kind: "responded", status: 200 }]);
  });

  it("settles for a client that left before there was a response", () => {
    const outcomes: Outcome[] = [];
    settleAfterBody(new Response("x"), AbortSignal.abort(), (outcome) => void outcomes.push(outcome));
    expect(outcomes).toEqual([{ kind: "aborted" }]);
  });
});

describe("an idempotent route under stress", () => {
  const setUp = (
    handle: () => Response | Promise<Response>,
    options: { readonly guards?: readonly Guard[]; readonly maxResultBytes?: number } = {},
  ) => {
    const clock = createManualClock();
    const memory = createMemoryStore({ clock });
    const store = { ...memory, tickets: { ...memory.tickets } };
    const faults: unknown[] = [];
    const { guards = [], maxResultBytes = 1000 } = options;
    const route = defineRoute({ method: "POST", path: "/", operationId: "r", summary: "", guards, handle });
    const handler = toFetchHandler(
      createApp({ routes: [idempotent(route, { store, lockMs: 100, maxResultBytes })], onFault: (fault) => faults.push(fault) }),
    );
    const send = (headers: Record<string, string> = {}): Promise<Response> =>
      handler(new Request("http://localhost/", { method: "POST", headers: { "idempotency-key": "k", ...headers } }));
    return { clock, store, faults, send };
  };

  it("a run that outlived its lock neither frees nor overwrites the claim of the next", async () => {
    const ends: ((response: Response) => void)[] = [];
    const { clock, send } = setUp(() => new Promise((resolve) => ends.push(resolve)));
    for (const late of [new Response(null, { status: 503 }), new Response("late")]) {
      const first = send();
      await turn();
      clock.advance(100);
      const second = send();
      await turn();
      expect(ends).toHaveLength(2);
      ends[0]?.(late);
      await (await first).text();
      await turn();
      expect((await send()).status).toBe(409); // the second still runs
      ends[1]?.(new Response("in time"));
      await (await second).text();
      await turn();
      expect(await (await send()).text()).toBe("in time");
      clock.advance(86_400_000);
      ends.length = 0;
    }
  });

  it("sends a result that the store did not take, says so, and lets no retry do it again at once", async () => {
    let runs = 0;
    const { store, faults, send, clock } = setUp(() => new Response(`run ${(runs += 1)}`));
    const { replace } = store.tickets;
    store.tickets.replace = () => Promise.reject(new StoreUnavailable("tickets.replace"));
    expect(await (await send()).text()).toBe("run 1");
    await turn();
    expect(faults).toMatchObject([{ source: "idempotency-key" }]);
    store.tickets.replace = replace;
    expect((await send()).status).toBe(409);
    clock.advance(100);
    expect(await (await send()).text()).toBe("run 2");
  });

  it("sends bytes that are no text as they are, and empty answers without a body", async () => {
    const bytes = Uint8Array.of(255, 254, 0);
    expect(new Uint8Array(await (await setUp(() => new Response(bytes)).send()).arrayBuffer())).toEqual(bytes);
    for (const status of [204, 205, 304]) {
      const { send } = setUp(() => new Response(null, { status, headers: { etag: '"1"' } }));
      expect([(await send()).status, (await send()).headers.get("etag")]).toEqual([status, '"1"']);
    }
  });

  it("reads no more of a long result than it may keep", async () => {
    let pulls = 0;
    const pull = (controller: ReadableStreamDefaultController): void => {
      pulls += 1;
      controller.enqueue(new Uint8Array(600));
    };
    const endless = (): Response => new Response(new ReadableStream({ pull }));
    const response = await setUp(endless).send();
    const reader = response.body?.getReader();
    for (let read = 0; read < 4; read += 1) expect((await reader?.read())?.value).toHaveLength(600);
    await reader?.cancel();
    expect(pulls).toBeLessThan(10);
    const { send } = setUp(() => new Response("x".repeat(1001)));
    expect(await (await send()).text()).toBe("x".repeat(1001));
  });

  it("refuses a key that was sent twice, however it was joined", async () => {
    const route = defineRoute({ method: "POST", path: "/", operationId: "r", summary: "", handle: () => new Response() });
    const guard = idempotent(route, { store: createMemoryStore() }).guards.at(-1);
    const request = requestOf({ method: "POST", headers: { "idempotency-key": "a" }, counts: { "idempotency-key": 2 } });
    expect(await guard?.check(request)).toMatchObject({ kind: "deny", problem: { code: 2001 } });
  });

  it("keeps callers of one id but another type, organisation or workspace apart", async () => {
    let runs = 0;
    const login: Guard = {
      name: "login",
      check: (request) => {
        const [type = "", orgId, workspaceId] = (request.header("x-caller") ?? "").split("/");
        const base = { id: "1", orgId, workspaceId, roles: [], orgRoles: [], scopes: undefined, authMethod: "token", name: "n" } as const;
        const person = {
          ...base,
          type: "user",
          email: undefined,
          sessionId: undefined,
          tokenVersion: 1,
          mfaAt: undefined,
          mustChangePassword: false,
        } as const;
        request.facts.set(principalFact, type === "user" ? person : { ...base, type: "service" });
        return ALLOW;
      },
    };
    const { send } = setUp(() => new Response(String((runs += 1))), { guards: [login] });
    const callers = ["user/o/w", "service/o/w", "user/p/w", "user/o/v"];
    const texts = async (): Promise<string[]> => Promise.all(callers.map(async (caller) => (await send({ "x-caller": caller })).text()));
    expect(new Set(await texts()).size).toBe(4);
    await texts();
    expect(runs).toBe(4);
  });
});

describe("a job in trouble", () => {
  it("has one timer, though it was stopped and started again during a run", async () => {
    const clock = createManualClock();
    let runs = 0;
    let end = (): void => {};
    const job = createJob({ name: "j", intervalMs: 10, clock, run: () => ((runs += 1), new Promise<void>((resolve) => (end = resolve))) });
    job.start();
    clock.advance(10);
    const stopped = job.stop();
    job.start();
    end();
    await stopped;
    await turn();
    await job.stop();
    clock.advance(100);
    expect(runs).toBe(1);
  });

  it("goes on when its observer is broken, and says that the store was away", async () => {
    const clock = createManualClock();
    const leases = { acquire: () => Promise.reject(new StoreUnavailable("leases.acquire")), release: () => true };
    const job = createJob({ name: "j", intervalMs: 10, clock, leases, run: async () => {}, onError: rejecting });
    job.start();
    for (let run = 0; run < 2; run += 1) {
      clock.advance(10);
      await turn();
    }
    await job.stop();
    expect(job.status()).toMatchObject({ failures: 2, totalRuns: 0, lastError: "StoreUnavailable" });
  });

  it("that could not give its lease back has run all the same, and shows its own failure", async () => {
    const errors: unknown[] = [];
    const leases = { acquire: () => true, release: () => Promise.reject(new StoreUnavailable("leases.release")) };
    const options = { name: "j", intervalMs: 10, leases, onError: (error: unknown) => errors.push(error) };
    expect(await createJob({ ...options, run: async () => {} }).runNow()).toBe(true);
    const own = new ProblemError(problems.internal());
    await expect(createJob({ ...options, run: () => Promise.reject(own) }).runNow()).rejects.toBe(own);
    expect(errors).toHaveLength(2);
  });

  it.each([Infinity, Number.NaN, 0])("an interval of %d is refused", (intervalMs) => {
    expect(() => createJob({ name: "j", intervalMs, run: async () => {} })).toThrowError(misconfigured);
  });
});
