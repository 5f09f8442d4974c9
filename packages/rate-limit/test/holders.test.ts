import { createGuardChain, createMemoryStore, type LimitAsk, type Principal } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { flakyStore, limiterWith, now } from "./limiter.js";
import { requestOf, userOf } from "./request.js";

const ADA = { phase: "identified", subject: "ada", organization: "acme", apiKey: "key-1" } as const;
const HOURLY = (limit: number) => ({ limit, burst: limit, periodMs: 3_600_000 });

/** An API key of Ada's, as authentication would publish it. */
const KEY: Principal = Object.freeze({
  ...{ type: "apiKey", id: "key-1", ownerId: "ada", keyId: "key-1", orgId: "acme", workspaceId: undefined },
  ...{ roles: [], orgRoles: [], scopes: undefined, authMethod: "apiKey" },
} as const);

/** A store whose asks are recorded, as `kind:id limit limit…`. */
function recording() {
  const clock = createManualClock();
  const { limits } = createMemoryStore({ clock });
  const asks: string[] = [];
  const consume = (ask: LimitAsk) => {
    asks.push([`${ask.kind}:${ask.id}`, ...ask.cells.map(({ id }) => id)].join(" "));
    return limits.consume(ask);
  };
  return { clock, asks, store: { limits: { ...limits, consume } } };
}

describe("a check that several holders answer for", () => {
  it("asks the most specific first: API key, caller, operation, organisation, service", () => {
    const { store, clock, asks } = recording();
    const operations = { "chat.create": { limit: 5, per: "organization" as const } };
    const wide = { apiKeys: HOURLY(5), organizations: HOURLY(50), service: HOURLY(500), operations };
    const { limiter } = limiterWith({ store, clock, ...wide });
    const decision = now(limiter.check({ ...ADA, operation: "chat.create" }));
    expect(asks).toEqual([
      "key:key-1 api-key",
      "user:ada authenticated",
      "org:acme op:chat.create",
      "org:acme organization",
      "all:service service",
    ]);
    expect(decision.limits.map(({ name }) => name)).toEqual(["api-key", "authenticated", "chat.create", "organization", "service"]);
    expect(decision.headers()[1]?.[1]).toContain('"organization";r=49');
  });

  it("RL-09 gives back what the others charged when one refuses: 20 calls of one user take one of the service's ten", () => {
    const { limiter } = limiterWith({ tiers: { free: HOURLY(1) }, service: HOURLY(10) });
    const decisions = Array.from({ length: 20 }, () => now(limiter.check(ADA)));
    expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(1);
    const other = now(limiter.peek({ phase: "identified", subject: "bob" }));
    expect(other.limits.map(({ name, remaining }) => [name, remaining])).toEqual([
      ["authenticated", 1],
      ["service", 9],
    ]);
  });

  it("RL-09 gives back what the callers charged when the service refuses, on a store that takes its time, too", async () => {
    const clock = createManualClock();
    const store = flakyStore(createMemoryStore({ clock }).limits);
    const { limiter } = limiterWith({ store, clock, tiers: { free: HOURLY(9) }, service: HOURLY(3), denials: false });
    const decisions = await Promise.all(Array.from({ length: 9 }, async () => limiter.check(ADA)));
    expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(3);
    expect(decisions.find(({ allowed }) => !allowed)).toMatchObject({ policy: "service", violated: ["service"], code: "RATE_LIMIT" });
    expect((await limiter.peek(ADA)).limits[0]).toMatchObject({ name: "authenticated", remaining: 6 });
  });

  it("RL-09 gives the place in flight back when a later holder refuses", () => {
    const { limiter } = limiterWith({ service: HOURLY(1), operations: { export: { maxInFlight: 1 } } });
    now(limiter.check({ phase: "identified", subject: "bob" }));
    const ask = { ...ADA, operation: "export" } as const;
    for (const _ of [1, 2, 3]) expect(now(limiter.check(ask))).toMatchObject({ allowed: false, violated: ["service"] });
    expect(now(limiter.peek(ask)).concurrency?.remaining).toBe(1);
  });

  it("RL-09 does not charge the service for what the cap on requests in flight refuses", () => {
    const { limiter } = limiterWith({ service: HOURLY(10), operations: { export: { maxInFlight: 1 } } });
    const ask = { ...ADA, operation: "export" } as const;
    const codes = Array.from({ length: 5 }, () => now(limiter.check(ask)).code);
    expect(codes).toEqual([undefined, ...Array.from({ length: 4 }, () => "CONCURRENCY_LIMIT")]);
    expect(now(limiter.peek({ phase: "identified", subject: "bob" })).limits.at(-1)).toMatchObject({ name: "service", remaining: 9 });
  });

  it("strangers use up nothing of the service, and are told nothing of it", () => {
    const { limiter } = limiterWith({ service: HOURLY(3) });
    for (let address = 0; address < 10; address += 1) {
      const decision = now(limiter.check({ phase: "anonymous", ipKey: `192.0.2.${address}` }));
      expect(decision.limits.map(({ name }) => name)).toEqual(["unauthenticated"]);
    }
    expect(now(limiter.check(ADA)).limits.at(-1)).toMatchObject({ name: "service", remaining: 2 });
  });

  it("RL-61 gives everything back when a later holder is a fault, once", async () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock });
    const broken = (ask: LimitAsk) => (ask.kind === "all" ? Promise.reject(new TypeError("broken")) : limits.consume(ask));
    for (const consume of [broken, async (ask: LimitAsk) => broken(ask)]) {
      const options = { organizations: HOURLY(10), service: HOURLY(10), operations: { export: { maxInFlight: 1, leaseMs: 1_000 } } };
      const { limiter } = limiterWith({ clock, store: { limits: { ...limits, consume } }, ...options });
      const fault = await Promise.resolve()
        .then(() => limiter.check({ ...ADA, operation: "export" }))
        .catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(TypeError);
      expect(limiter.status().caps).toEqual([{ name: "export.inflight", capacity: 1, held: 0 }]);
      expect(limits.usage().leases).toBe(0);
      for (const id of ["ada", "acme"]) {
        const [kind, cellId] = id === "ada" ? (["user", "authenticated"] as const) : (["org", "organization"] as const);
        const cells = [{ id: cellId, kind: "bucket", capacity: 60, intervalMs: 6_000, cost: 0 }] as const;
        expect(limits.consume({ kind, id, cells }).cells[0]?.remaining).toBe(60);
      }
    }
  });

  it("RL-06 a refund reaches every holder, once", () => {
    const { limiter } = limiterWith({ organizations: HOURLY(10), service: HOURLY(10) });
    const decision = now(limiter.check(ADA));
    now(decision.refund());
    now(decision.refund());
    expect(now(limiter.peek(ADA)).limits.map(({ remaining }) => remaining)).toEqual([60, 10, 10]);
  });

  it("members of an organisation share its limit, and have their own", () => {
    const { limiter } = limiterWith({ organizations: HOURLY(2) });
    const ask = (subject: string, organization: string) => now(limiter.check({ phase: "identified", subject, organization })).allowed;
    expect([ask("ada", "acme"), ask("bob", "acme"), ask("cid", "acme"), ask("cid", "other")]).toEqual([true, true, false, true]);
  });

  it("the guards name the organisation and the key of the principal; a key acts for its owner", () => {
    const { store, clock, asks } = recording();
    const { limiter } = limiterWith({ store, clock, apiKeys: HOURLY(5), organizations: HOURLY(50) });
    now(createGuardChain([limiter.limitAuthenticated()]).run(requestOf({ principal: KEY })));
    now(createGuardChain([limiter.limitAuthenticated()]).run(requestOf({ principal: userOf("bob") })));
    expect(asks).toEqual(["key:key-1 api-key", "user:ada authenticated", "org:acme organization", "user:bob authenticated"]);
  });

  it("an operation that counts organisations counts a caller without one alone", () => {
    const { store, clock, asks } = recording();
    const { limiter } = limiterWith({ store, clock, operations: { export: { limit: 5, per: "organization" } } });
    const guard = limiter.limitOperation("export");
    for (const principal of [userOf("ada", "acme"), userOf("bob")]) now(guard.check(requestOf({ principal })));
    expect(asks).toEqual(["user:ada authenticated", "org:acme op:export", "user:bob authenticated", "user:bob op:export"]);
  });

  it("parts of the service take turns, and together never allow more than it", () => {
    const { store, clock, asks } = recording();
    let turn = 0;
    const random = () => ((turn += 1) % 4) / 4;
    const { limiter } = limiterWith({ store, clock, random, tiers: { free: HOURLY(1_000) }, service: { ...HOURLY(10), shards: 4 } });
    const decisions = Array.from({ length: 40 }, () => now(limiter.check(ADA)));
    expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(8);
    expect(new Set(asks.filter((ask) => ask.startsWith("all:"))).size).toBe(4);
    for (const wrong of [
      { limit: 1, shards: 2 },
      { limit: 1, shards: 2, per: "service" },
      { limit: 9, burst: 2, shards: 3, per: "service" },
    ] as const) {
      expect(() => limiterWith({ operations: { export: wrong } })).toThrow(/operations.export.shards/);
    }
    const ceiling = { kind: "window", limit: 3 } as const;
    expect(() => limiterWith({ service: { limit: 10, ceiling, shards: 4 } })).toThrow(/service.shards/);
    expect(() => limiterWith({ service: { limit: 1, shards: 0 } })).toThrow(/service.shards/);
  });

  it.each(["caller", "organization", "service"] as const)(
    "RL-06 gives back to an operation that counts by %s what it cost, and to nobody else",
    (per) => {
      const { limiter } = limiterWith({ operations: { tokens: { ...HOURLY(1_000), per } } });
      const reserve = (cost: number) => now(limiter.check({ ...ADA, operation: "tokens", cost }));
      const left = () => now(limiter.peek({ ...ADA, operation: "tokens" })).limits.map(({ remaining }) => remaining);
      now(reserve(500).settle(120));
      expect(left()).toEqual([59, 880]);
      now(reserve(100).refund(50));
      expect(left()).toEqual([58, 830]);
      now(reserve(10).settle(0));
      expect(left()).toEqual([57, 830]);
      now(reserve(30).refund());
      expect(left()).toEqual([57, 830]);
    },
  );

  it("settles what a request really cost, on the operation only: back what was too much, on top what was too little", () => {
    const { limiter } = limiterWith({ operations: { tokens: HOURLY(1_000) } });
    const reserve = (cost: number) => now(limiter.check({ ...ADA, operation: "tokens", cost }));
    const left = () => now(limiter.peek({ ...ADA, operation: "tokens" })).limits.map(({ remaining }) => remaining);
    now(reserve(400).settle(150));
    expect(left()).toEqual([59, 850]);
    const second = reserve(100);
    now(second.settle(300));
    now(second.settle(0));
    now(second.refund());
    expect(left()).toEqual([58, 550]);
    now(reserve(10).settle(1_000_000));
    expect(left()).toEqual([57, 0]);
    expect(() => reserve(0).settle(-1)).toThrow(expect.objectContaining({ code: "invalid_cost" }));
  });
});

describe("lists and blocks", () => {
  it("who is on the allow list is not limited, and the store is not asked", () => {
    const { store, clock, asks } = recording();
    const { limiter } = limiterWith({ store, clock, allow: { addresses: ["10.0.0.0/8", "2001:db8::/32"], subjects: ["probe"] } });
    const ask = (ip: string) => createGuardChain([limiter.limitFloor()]).run(requestOf({ ip }));
    for (const ip of ["10.1.2.3", "2001:db8:7::1", "::ffff:10.9.9.9"]) expect(now(ask(ip)).headers).toEqual([]);
    expect(now(limiter.check({ phase: "identified", subject: "probe" }))).toMatchObject({ allowed: true, decidedBy: "list" });
    expect(asks).toEqual([]);
    expect(now(ask("11.1.2.3")).headers).toHaveLength(2);
    // The key of a 6to4 address is the IPv4 address in it; trust goes by the address itself.
    expect(now(ask("2002:a01:203::1")).headers).toHaveLength(2);
  });

  it("who is on the deny list is refused with 403, always, and told of", () => {
    const { limiter, events } = limiterWith({ deny: { addresses: ["203.0.113.0/24", "2001:db8:bad::1"], subjects: ["mallory"] } });
    const ask = (ip: string) => now(createGuardChain([limiter.limitFloor()]).run(requestOf({ ip }))).stop;
    for (const ip of ["203.0.113.9", "2001:db8:bad::1"])
      expect(ask(ip)).toMatchObject({ kind: "deny", problem: { status: 403, retryable: false } });
    expect(ask("2001:db8:bad::2")).toBeUndefined();
    const refused = now(limiter.check({ phase: "identified", subject: "mallory" }));
    expect(refused).toMatchObject({ allowed: false, code: "DENY_LISTED", decidedBy: "list", retryAfterMs: undefined });
    expect(events).toHaveLength(3);
    expect(limiter.status().refused.map(({ key }) => key)).toContain("user:mallory");
  });

  it("an address on a list counts for known callers too, and who is on both lists is refused", () => {
    const lists = {
      allow: { addresses: ["10.0.0.0/8"], subjects: ["mallory"] },
      deny: { addresses: ["203.0.113.0/24"], subjects: ["mallory"] },
    };
    const { limiter } = limiterWith({ ...lists, tiers: { free: HOURLY(1) }, operations: { export: HOURLY(1) } });
    const ask = (ip: string, id: string, guard = limiter.limitAuthenticated()) =>
      now(guard.check(requestOf({ ip, principal: userOf(id) }))).kind;
    expect([ask("10.0.0.1", "ada"), ask("10.0.0.1", "ada"), ask("10.0.0.1", "ada")]).toEqual(["allow", "allow", "allow"]);
    expect([ask("192.0.2.1", "ada"), ask("192.0.2.1", "ada")]).toEqual(["allow", "deny"]);
    expect(ask("203.0.113.9", "bob")).toBe("deny");
    expect(ask("203.0.113.9", "bob", limiter.limitOperation("export"))).toBe("deny");
    expect(ask("10.0.0.1", "mallory")).toBe("deny");
  });

  it("a wrong entry is refused at construction", () => {
    expect(() => limiterWith({ allow: { addresses: ["10.0.0.0/33"] } })).toThrow(/allow.addresses\[0\]/);
    expect(() => limiterWith({ deny: { subjects: [""] } })).toThrow(/deny.subjects\[0\]/);
  });

  it("a block refuses everything to its holder, for its time", () => {
    const { limiter, clock } = limiterWith({ operations: { export: { limit: 5 } } });
    now(limiter.block({ subject: "ada" }, 90_000));
    const refused = now(limiter.check({ ...ADA, operation: "export" }));
    expect(refused).toMatchObject({ allowed: false, code: "BLOCKED", retryAfterMs: 90_000, violated: [] });
    expect(refused.problem()).toMatchObject({ status: 429, code: 5001, retryAfter: 90 });
    expect(now(limiter.check({ ...ADA, cost: 0 })).allowed).toBe(false);
    expect(now(limiter.check({ phase: "identified", subject: "bob" })).allowed).toBe(true);
    clock.advance(90_000);
    expect(now(limiter.check(ADA)).allowed).toBe(true);
  });

  it("a block ends by reset and by a block of 0 ms", () => {
    const { limiter } = limiterWith();
    for (const end of [() => limiter.reset({ subject: "ada" }), () => limiter.block({ subject: "ada" }, 0)]) {
      now(limiter.block({ subject: "ada" }, 90_000));
      now(end());
      expect(now(limiter.check(ADA)).allowed).toBe(true);
    }
    for (const ms of [-1, Number.NaN, 1e12]) expect(() => limiter.block({ subject: "ada" }, ms)).toThrow(/"ms"/);
  });

  it("addresses, organisations and API keys are blocked and reset as subjects are", () => {
    const { limiter } = limiterWith({ organizations: HOURLY(5), apiKeys: HOURLY(5) });
    const holders = [{ organization: "acme" }, { apiKey: "key-1" }] as const;
    for (const holder of holders) {
      now(limiter.block(holder, 1_000));
      expect(now(limiter.check(ADA)).code).toBe("BLOCKED");
      now(limiter.reset(holder));
      expect(now(limiter.check(ADA)).allowed).toBe(true);
    }
    now(limiter.block({ ipKey: "192.0.2.1" }, 1_000));
    expect(now(limiter.check({ phase: "floor", ipKey: "192.0.2.1" })).code).toBe("BLOCKED");
  });
});
