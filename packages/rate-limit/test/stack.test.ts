import {
  ALLOW,
  createGuardChain,
  createMemoryStore,
  deny,
  type Guard,
  type LimitAsk,
  principalFact,
  problems,
  type Verdict,
} from "@portcullis/core";
import { rateLimitFact } from "@portcullis/rate-limit";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { limiterWith, now } from "./limiter.js";
import { requestOf, userOf } from "./request.js";

const FLOOR = { phase: "floor", ipKey: "192.0.2.1" } as const;
const ANONYMOUS = { phase: "anonymous", ipKey: "192.0.2.1" } as const;
const of = (subject: string) => ({ phase: "identified", subject }) as const;

/** Authentication by a query: `?as=ada` is ada, `?bad` is refused, nothing is nobody. */
const authenticate: Guard = {
  name: "authenticate",
  check(request) {
    if (request.target.endsWith("?bad")) return deny(problems.invalidToken());
    const id = request.target.split("?as=")[1];
    if (id !== undefined) request.facts.set(principalFact, userOf(id));
    return ALLOW;
  },
};

describe("the stack around authentication", () => {
  const stack = (options = {}) => {
    const made = limiterWith(options);
    const { limitFloor, limitUnauthenticated, limitAuthenticated } = made.limiter;
    const chain = createGuardChain([limitFloor(), limitUnauthenticated(authenticate), limitAuthenticated()]);
    return { ...made, run: (target: string, ip?: string) => now(chain.run(requestOf(ip === undefined ? { target } : { target, ip }))) };
  };
  const used = (
    check: Parameters<ReturnType<typeof limiterWith>["limiter"]["peek"]>[0],
    limiter: ReturnType<typeof limiterWith>["limiter"],
  ) => {
    const { limit, remaining } = now(limiter.peek(check));
    return limit - remaining;
  };

  it("RL-12 a request without credentials charges the floor and the unauthenticated limit", () => {
    const { run, limiter } = stack();
    expect(run("/").stop).toBeUndefined();
    expect([used(FLOOR, limiter), used(ANONYMOUS, limiter)]).toEqual([1, 1]);
  });

  it("RL-12 a failed authentication charges the floor and the unauthenticated limit, never a user", () => {
    const { run, limiter } = stack({ unauthenticated: { limit: 2, burst: 2 } });
    const codes = Array.from({ length: 3 }, () => run("/?bad").stop).map((stop) => (stop?.kind === "deny" ? stop.problem.code : stop));
    expect(codes).toEqual([1002, 1002, 5001]);
    expect([used(FLOOR, limiter), used(ANONYMOUS, limiter)]).toEqual([3, 2]);
  });

  it("RL-12 a known caller charges the floor and its own limit, not the unauthenticated one", () => {
    const { run, limiter } = stack();
    expect(run("/?as=ada").stop).toBeUndefined();
    expect([used(FLOOR, limiter), used(ANONYMOUS, limiter), used(of("ada"), limiter)]).toEqual([1, 0, 1]);
  });

  it("RL-12 two users behind one address do not share a limit", () => {
    const { run } = stack({ tiers: { free: { limit: 1, burst: 1 } } });
    const outcomes = ["/?as=ada", "/?as=ada", "/?as=bob"].map((target) => run(target).stop?.kind);
    expect(outcomes).toEqual([undefined, "deny", undefined]);
  });

  it("RL-12 one user has one limit on all addresses", () => {
    const { run } = stack({ tiers: { free: { limit: 1, burst: 1 } } });
    expect([run("/?as=ada", "192.0.2.1").stop?.kind, run("/?as=ada", "198.51.100.7").stop?.kind]).toEqual([undefined, "deny"]);
  });

  it("RL-12 the floor refuses before authentication is asked", () => {
    const { limiter } = limiterWith({
      floor: { limit: 1, burst: 1 },
      unauthenticated: { limit: 1, burst: 1 },
      tiers: { free: { limit: 1, burst: 1 } },
    });
    let asked = 0;
    const counting: Guard = { name: "counting", check: () => ((asked += 1), ALLOW) };
    const chain = createGuardChain([limiter.limitFloor(), counting]);
    const stops = [1, 2, 3].map(() => now(chain.run(requestOf())).stop?.kind);
    expect([stops, asked]).toEqual([[undefined, "deny", "deny"], 1]);
  });

  it("a guard mounted after authentication charges whoever has no principal", () => {
    const { limiter } = limiterWith();
    const guard = limiter.limitUnauthenticated();
    now(guard.check(requestOf()));
    now(guard.check(requestOf({ principal: userOf("ada") })));
    expect(used(ANONYMOUS, limiter)).toBe(1);
  });

  it("keeps what authentication adds: its headers, its hook, its refusal", async () => {
    const { limiter } = limiterWith();
    let settled = 0;
    const refusal: Verdict = {
      kind: "deny",
      problem: problems.tokenExpired(),
      headers: [["www-authenticate", "Bearer"]],
      settle: () => void (settled += 1),
    };
    const slow: Guard = { name: "slow", check: async () => refusal };
    const run = await createGuardChain([limiter.limitUnauthenticated(slow)]).run(requestOf());
    run.settle?.({ kind: "responded", status: 401 });
    expect(run.stop).toMatchObject({ kind: "deny", problem: { code: 1003 } });
    expect(run.headers.map(([name]) => name)).toEqual(["www-authenticate", "ratelimit-policy", "ratelimit"]);
    expect(settled).toBe(1);
  });

  it("keeps the hook of authentication where the limit refuses instead of it", () => {
    const { limiter } = limiterWith({ unauthenticated: { limit: 1, burst: 1 } });
    let settled = 0;
    const refusing: Guard = {
      name: "refusing",
      check: () => ({ kind: "deny", problem: problems.tokenExpired(), settle: () => void (settled += 1) }),
    };
    const chain = createGuardChain([limiter.limitUnauthenticated(refusing)]);
    const runs = [1, 2].map(() => now(chain.run(requestOf())));
    for (const run of runs) run.settle?.({ kind: "responded", status: 429 });
    expect(runs.map(({ stop }) => stop)).toMatchObject([{ problem: { status: 401 } }, { problem: { status: 429 } }]);
    expect(settled).toBe(2);
  });

  it("RL-13 an unknown tier is the default tier, counted and said", () => {
    const { limiter, events } = limiterWith({ tierOf: () => "platinum" });
    now(limiter.limitAuthenticated().check(requestOf({ principal: userOf("ada") })));
    expect(events).toEqual([{ type: "unknown_tier", tier: "platinum" }]);
    expect(used(of("ada"), limiter)).toBe(1);
    expect(now(limiter.peek({ ...of("ada"), tier: "__proto__" })).limit).toBe(60);
  });

  it("RL-13 the tier comes from the principal", () => {
    const { limiter } = limiterWith({ tierOf: (principal) => principal.orgId });
    const request = requestOf({ principal: userOf("ada", "enterprise") });
    now(limiter.limitAuthenticated().check(request));
    expect(request.facts.get(rateLimitFact)?.decisions[0]).toMatchObject({ limit: 2_000, remaining: 1_999 });
  });

  it("RL-22 all addresses of one /64 charge one floor", () => {
    const { limiter } = limiterWith();
    for (const host of ["1", "ffff", "abcd:1"]) now(limiter.limitFloor().check(requestOf({ ip: `2001:db8:1:2::${host}` })));
    now(limiter.limitFloor().check(requestOf({ ip: "2001:db8:1:3::1" })));
    expect(used({ phase: "floor", ipKey: "2001:db8:1:2::/64" }, limiter)).toBe(3);
  });

  it("RL-25 a subject that looks like an address does not share its limits", () => {
    const { limiter } = limiterWith({ operations: { "a:b": { limit: 1, burst: 1 }, b: { limit: 1, burst: 1 } } });
    const ask = (subject: string, operation: "a:b" | "b") => now(limiter.check({ phase: "operation", operation, by: { subject } })).allowed;
    expect([ask("x", "a:b"), ask("x:a", "b"), ask("ip:192.0.2.1", "b")]).toEqual([true, true, true]);
    expect(now(limiter.check({ phase: "operation", operation: "b", by: { ipKey: "192.0.2.1" } })).allowed).toBe(true);
  });
});

describe("operations", () => {
  const OPERATIONS = { "chat.create": { limit: 1, burst: 1 }, bulk: { limit: 10, burst: 10, cost: () => 4 } } as const;

  it("RL-09 all limits of a check are charged, or none: the refused operation costs the caller nothing", () => {
    const { limiter } = limiterWith({ operations: OPERATIONS });
    const decisions = Array.from({ length: 20 }, () => now(limiter.check({ ...of("ada"), operation: "chat.create" })));
    expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(1);
    expect(now(limiter.peek(of("ada"))).remaining).toBe(59);
  });

  it("RL-10 when several limits refuse, all are named and the longest wait counts", () => {
    const operations = { chat: { limit: 1, periodMs: 3_600_000, burst: 1 } };
    const { limiter } = limiterWith({ operations, tiers: { free: { limit: 1, burst: 1 } } });
    const check = { ...of("ada"), operation: "chat" } as const;
    now(limiter.check(check));
    expect(now(limiter.check(check))).toMatchObject({
      allowed: false,
      code: "RATE_LIMIT",
      policy: "chat",
      violated: ["authenticated", "chat"],
      retryAfterMs: 3_600_000,
    });
  });

  it("has a problem of its own when only the operation refused", () => {
    const { limiter } = limiterWith({ operations: OPERATIONS });
    const check = { ...of("ada"), operation: "chat.create" } as const;
    now(limiter.check(check));
    expect(now(limiter.check(check)).problem()).toMatchObject({ code: 5002, extensions: { "violated-policies": ["chat.create"] } });
  });

  it("RL-15 all addresses of one operation are one key", () => {
    const clock = createManualClock();
    const holders = new Set<string>();
    const { limits } = createMemoryStore({ clock });
    const store = {
      limits: { ...limits, consume: (ask: LimitAsk) => (holders.add(`${ask.kind}:${ask.id}`), limits.consume(ask)) },
    };
    const { limiter } = limiterWith({ store, operations: { read: { limit: 1_000_000, burst: 1_000_000 } } });
    const guard = limiter.limitOperation("read");
    for (let page = 0; page < 100_000; page += 1)
      now(guard.check(requestOf({ target: `/pages/${page}`, route: "/pages/:id", principal: userOf("ada") })));
    expect([...holders]).toEqual(["user:ada"]);
  });

  it("RL-73 each guard charges once, however often it is mounted", () => {
    const { limiter } = limiterWith();
    const chain = createGuardChain([
      ...[limiter.limitFloor(), limiter.limitFloor()],
      ...[limiter.limitUnauthenticated(), limiter.limitUnauthenticated()],
    ]);
    const run = now(chain.run(requestOf()));
    expect(run.headers.filter(([name]) => name === "ratelimit").map(([, value]) => value)).toEqual([
      '"floor";r=11999;t=1',
      '"unauthenticated";r=599;t=1',
    ]);
  });

  it("two limiters on one request each charge their own", () => {
    const wide = limiterWith().limiter;
    const tight = limiterWith({ tiers: { free: { limit: 1, burst: 1 } } }).limiter;
    const chain = createGuardChain([wide.limitAuthenticated(), tight.limitAuthenticated()]);
    const kinds = [1, 2].map(() => now(chain.run(requestOf({ principal: userOf("ada") }))).stop?.kind);
    expect(kinds).toEqual([undefined, "deny"]);
  });

  it("charges the caller's limit once, however many guards are mounted", () => {
    const { limiter } = limiterWith({ operations: OPERATIONS });
    const chain = createGuardChain([limiter.limitAuthenticated(), limiter.limitOperation("bulk"), limiter.limitAuthenticated()]);
    now(chain.run(requestOf({ principal: userOf("ada") })));
    expect(now(limiter.peek(of("ada"))).remaining).toBe(59);
  });

  it("charges the caller's limit and the operation together where the stack did not", () => {
    const { limiter } = limiterWith({ operations: OPERATIONS });
    const guard = limiter.limitOperation("chat.create");
    const kinds = [1, 2, 3].map(() => now(guard.check(requestOf({ principal: userOf("ada") }))).kind);
    expect(kinds).toEqual(["allow", "deny", "deny"]);
    expect(now(limiter.peek(of("ada"))).remaining).toBe(59);
  });

  it("charges the address of whoever calls, where an operation is told to: a token buys no fresh guesses", () => {
    const { limiter } = limiterWith({ operations: { login: { limit: 1, burst: 2 } } });
    const guard = limiter.limitOperation("login", { by: "address" });
    const requests = [requestOf(), requestOf({ principal: userOf("ada") }), requestOf({ principal: userOf("bob") })];
    expect(requests.map((request) => now(guard.check(request)).kind)).toEqual(["allow", "allow", "deny"]);
  });

  it("charges the address of a caller without a principal", () => {
    const { limiter } = limiterWith({ operations: OPERATIONS });
    const guard = limiter.limitOperation("chat.create");
    const kinds = ["192.0.2.1", "192.0.2.1", "192.0.2.2"].map((ip) => now(guard.check(requestOf({ ip }))).kind);
    expect(kinds).toEqual(["allow", "deny", "allow"]);
    expect(now(limiter.peek(ANONYMOUS)).remaining).toBe(599);
  });

  it("takes the cost from the request, and from this operation only", () => {
    const { limiter } = limiterWith({ operations: OPERATIONS });
    now(limiter.limitOperation("bulk").check(requestOf({ principal: userOf("ada") })));
    now(
      limiter
        .limitOperation("bulk", { cost: (request) => request.target.length })
        .check(requestOf({ target: "/abc", principal: userOf("ada") })),
    );
    expect(now(limiter.peek({ phase: "operation", operation: "bulk", by: { subject: "ada" } })).remaining).toBe(2);
    expect(now(limiter.peek(of("ada"))).remaining).toBe(58);
  });

  it("gives the charge back for a chosen outcome", () => {
    const { limiter } = limiterWith({ operations: OPERATIONS });
    const guard = limiter.limitOperation("chat.create", { refundOn: (outcome) => outcome.kind === "aborted" || outcome.status >= 500 });
    const pass = (outcome: { kind: "aborted" } | { kind: "responded"; status: number }) => {
      const run = now(createGuardChain([guard]).run(requestOf({ principal: userOf("ada") })));
      run.settle?.(outcome);
      return run.stop === undefined;
    };
    const passed = [
      pass({ kind: "responded", status: 503 }),
      pass({ kind: "aborted" }),
      pass({ kind: "responded", status: 200 }),
      pass({ kind: "aborted" }),
    ];
    expect(passed).toEqual([true, true, true, false]);
    expect(now(limiter.peek(of("ada"))).remaining).toBe(59);
  });
});
