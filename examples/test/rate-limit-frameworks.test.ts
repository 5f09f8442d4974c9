import { createMemoryStore, type Limits } from "@portcullis/core";
import { createRateLimiter, limitPresets, type OperationRule, type RateLimiter } from "@portcullis/rate-limit";
import { createManualClock, type ManualClock } from "@portcullis/testkit";
import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { FRAMEWORK_HOSTS, type FrameworkHost } from "./framework-hosts.js";

const ONE_AT_A_TIME: OperationRule = { limit: 60, burst: 60, maxInFlight: 1 };
const ADDRESS = "127.0.0.1";

/** How a request can end, the server having done all that it does. Each starts one request and returns when nothing of it is left. */
const ENDINGS: Readonly<Record<string, (world: World) => Promise<void>>> = {
  "a response": (world) => ends(world, "/ok", 200),
  "an error response of the handler": (world) => ends(world, "/error", 503),
  "a handler that throws": (world) => ends(world, "/throw", 500),
  HEAD: (world) => ends(world, "/ok", 200, { method: "HEAD" }),
  "HEAD of a stream": (world) => {
    world.gate.open();
    return ends(world, "/stream", 200, { method: "HEAD" });
  },
  "a response without a body (304)": (world) => ends(world, "/empty", 304),
  "a denial by a later guard": (world) => ends(world, "/denied", 403),
  "an upgrade that the server does not take up": (world) =>
    ends(world, "/ok", 200, { headers: { connection: "Upgrade", upgrade: "websocket" } }),
  "a stream that ends": async (world) => {
    const { response } = await send(world, "/stream");
    await world.gate.reached;
    expect(world.places.given, "the place is held while the response streams").toBe(0);
    world.gate.open();
    expect(await text(response)).toBe("first last");
  },
  "a client that leaves before the response": async (world) => {
    const leaving = open(world, "/slow");
    await world.gate.reached;
    expect(world.places.given).toBe(0);
    leaving.destroy();
    await world.places.givenBack();
    world.gate.open();
  },
  "a client that leaves in the middle of a stream": async (world) => {
    const { request } = await send(world, "/stream");
    await world.gate.reached;
    expect(world.places.given).toBe(0);
    request.destroy();
    await world.places.givenBack();
    world.gate.open();
  },
};

describe.each(FRAMEWORK_HOSTS)("on $name", (host) => {
  const worlds: World[] = [];
  afterEach(async () => {
    for (const world of worlds.splice(0)) await world.close();
  });
  const start = async (rule?: OperationRule): Promise<World> => {
    const world = await startWorld(host, rule);
    worlds.push(world);
    return world;
  };

  it.each(Object.entries(ENDINGS))("RL-61 the place in flight is given back once after %s", async (_name, end) => {
    const world = await start();
    await end(world);
    await world.places.givenBack();
    await turns();
    expect(world.places).toMatchObject({ taken: 1, given: 1 });
    expect(world.limiter.status().caps).toEqual([{ name: "work.inflight", capacity: 1, held: 0 }]);
    await ends(world, "/ok", 200);
  });

  it("RL-60 RL-61 a second request at once is refused by the cap and by no rate, and charged none", async () => {
    const world = await start();
    const unitsLeft = async (): Promise<number | undefined> =>
      (await world.limiter.peek({ phase: "operation", operation: "work", by: { ipKey: ADDRESS } })).limits[0]?.remaining;
    const first = send(world, "/slow");
    await world.gate.reached;
    expect(await unitsLeft()).toBe(59);

    const { response } = await send(world, "/ok");
    const problem: unknown = JSON.parse(await text(response));
    expect(response.statusCode).toBe(429);
    expect(problem).toMatchObject({ code: 5003, status: 429, retryable: true, "violated-policies": ["work.inflight"] });
    expect(response.headers["retry-after"]).toBe("1");
    expect(response.headers["ratelimit-policy"]).toContain('"work.inflight";q=1;qu="concurrent-requests"');
    expect(response.headers["ratelimit"]).toContain('"work.inflight";r=0');
    expect(await unitsLeft()).toBe(59);
    expect(world.places).toMatchObject({ taken: 1, given: 0 });

    world.gate.open();
    expect(await text((await first).response)).toBe("done");
    await world.places.givenBack();
    await ends(world, "/ok", 200);
  });

  it("RL-71 who obeys Retry-After is served, and who comes a second before is not", async () => {
    const world = await start({ limit: 7, burst: 3 });
    for (let sent = 0; sent < 3; sent += 1) await ends(world, "/ok", 200);
    const { response } = await send(world, "/ok");
    expect([response.statusCode, response.headers["retry-after"]]).toEqual([429, "9"]); // a unit comes back every 8.57 s
    response.resume();
    world.clock.advance(8_000);
    await ends(world, "/ok", 429);
    world.clock.advance(1_000);
    await ends(world, "/ok", 200);
  });

  it("RL-72 a refusal is a problem that nobody stores, and names neither key nor address", async () => {
    const world = await start({ limit: 1, burst: 1 });
    await ends(world, "/ok", 200);
    const { response } = await send(world, "/ok");
    const body = await text(response);
    expect(response.statusCode).toBe(429);
    expect([response.headers["content-type"], response.headers["cache-control"]]).toEqual(["application/problem+json", "no-store"]);
    expect(JSON.parse(body)).toMatchObject({
      ...{ title: "Rate limit exceeded", status: 429, code: 5002, retryAfter: 60, "violated-policies": ["work"] },
      ...{ type: expect.stringMatching(/^https:/), detail: expect.any(String) },
    });
    expect(`${JSON.stringify(response.rawHeaders)} ${body}`).not.toMatch(/127\.0\.0|::1|ip:|rl:/);
  });

  it.each([
    ["/ok", 200],
    ["/error", 503],
    ["/throw", 500],
    ["/empty", 304],
    ["/denied", 403],
    ["/stream", 200],
  ])("RL-73 the fields of all mounts stand in the response once: %s, %i", async (path, status) => {
    const world = await start();
    world.gate.open();
    const { response } = await send(world, path);
    expect(response.statusCode).toBe(status);
    expect(namesIn(response, "ratelimit")).toEqual(["floor", "unauthenticated", "work", "work.inflight"]);
    expect(namesIn(response, "ratelimit-policy")).toEqual(["floor", "unauthenticated", "work", "work.inflight"]);
    await text(response);
  });

  it("RL-73 a refusal carries the fields of the limits that were asked before, once", async () => {
    const world = await start({ limit: 1, burst: 1 });
    await ends(world, "/ok", 200);
    const { response } = await send(world, "/ok");
    expect([response.statusCode, namesIn(response, "ratelimit")]).toEqual([429, ["floor", "unauthenticated", "work"]]);
    await text(response);
  });

  it("RL-73 an excluded path has none of them, and its neighbours do", async () => {
    const world = await start();
    for (const path of ["/health", "/health?probe=1"]) {
      const { response } = await send(world, path);
      expect([response.statusCode, namesIn(response, "ratelimit"), namesIn(response, "ratelimit-policy")], path).toEqual([200, [], []]);
      await text(response);
    }
    const { response } = await send(world, "/healthz");
    expect(namesIn(response, "ratelimit").slice(0, 2)).toEqual(["floor", "unauthenticated"]);
    await text(response);
  });
});

interface World {
  readonly url: string;
  readonly clock: ManualClock;
  readonly limiter: RateLimiter<"work">;
  readonly places: Places;
  readonly gate: Gate;
  close(): Promise<void>;
}

async function startWorld(host: FrameworkHost, rule: OperationRule = ONE_AT_A_TIME): Promise<World> {
  const clock = createManualClock();
  const places = new Places(createMemoryStore({ clock }).limits);
  const gate = new Gate();
  const limiter = createRateLimiter({
    store: { limits: places.limits },
    clock,
    floor: { limit: 3_000 },
    unauthenticated: limitPresets.address,
    tiers: limitPresets.tiers,
    defaultTier: "free",
    operations: { work: rule },
    exclude: ["/health"],
  });
  const front = [limiter.limitFloor(), limiter.limitUnauthenticated()];
  const server = await host.start({ front, limited: limiter.limitOperation("work"), wait: () => gate.wait() });
  return { url: server.url, clock, limiter, places, gate, close: () => server.close() };
}

/** Where handlers wait for the test, and the test for handlers. */
class Gate {
  #arrive = (): void => {};
  #open = (): void => {};
  readonly #opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });
  /** A handler has come. */
  readonly reached = new Promise<void>((resolve) => {
    this.#arrive = resolve;
  });

  wait(): Promise<void> {
    this.#arrive();
    return this.#opened;
  }
  open(): void {
    this.#open();
  }
}

/** Counts the places in flight that a store gives out and gets back. */
class Places {
  taken = 0;
  given = 0;
  #wake = (): void => {};
  readonly limits: Limits;

  constructor(limits: Limits) {
    this.limits = {
      consume: async (ask) => {
        const result = await limits.consume(ask);
        if (result.allowed && result.lease !== undefined && ask.dryRun !== true) this.taken += 1;
        return result;
      },
      settle: async (ask, at) => {
        await limits.settle(ask, at);
        if (ask.lease === undefined) return;
        this.given += 1;
        this.#wake();
      },
      renew: (holder, lease) => limits.renew(holder, lease),
      block: (holder, ms) => limits.block(holder, ms),
      reset: (holder) => limits.reset(holder),
    };
  }

  /** Resolves when as many were given back as were taken. */
  async givenBack(): Promise<void> {
    while (this.given < this.taken) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request on a connection of its own, sent. */
function open({ url }: World, path: string, { method = "GET", headers = {} }: Sent = {}): ClientRequest {
  const request = httpRequest(`${url}${path}`, { method, headers, agent: false });
  request.on("error", () => {}); // of one that the test destroys
  request.end();
  return request;
}

async function send(world: World, path: string, sent?: Sent): Promise<{ request: ClientRequest; response: IncomingMessage }> {
  const request = open(world, path, sent);
  const [response] = (await once(request, "response")) as [IncomingMessage]; // what the event carries
  response.on("error", () => {}); // of one that the test cuts off
  return { request, response };
}

/** Sends a request and reads its response to the end. */
async function ends(world: World, path: string, status: number, sent?: Sent): Promise<void> {
  const { response } = await send(world, path, sent);
  await text(response);
  expect(response.statusCode, path).toBe(status);
}

/** The names of the members of a list field, over all its lines. */
function namesIn({ rawHeaders }: IncomingMessage, field: string): readonly string[] {
  const lines = rawHeaders.filter((_value, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === field);
  return lines.flatMap((line) => line.split(", ")).map((member) => /^"([^"]+)"(?:;\w+=(?:\d+|"[\w-]+"))*$/.exec(member)?.[1] ?? member);
}

/** A second giving back, if there is one, comes with an event of the same connection: give it time to. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
