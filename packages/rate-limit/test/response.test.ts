import { correlationId, createApp, createGuardChain, defineRoute, type HeaderList, principalFact, toFetchHandler } from "@portcullis/core";
import fc from "fast-check";
import { parseList } from "structured-headers";
import { describe, expect, it } from "vitest";
import { limiterWith, now } from "./limiter.js";
import { requestOf, userOf } from "./request.js";

const ADA = { phase: "identified", subject: "ada" } as const;
const value = (headers: HeaderList, name: string) => headers.filter(([field]) => field === name).map(([, text]) => text);

/** The members of a List (RFC 9651 §3.1), read by somebody else's parser: each is a String with Integer parameters, or a String for `qu`. */
function readList(text: string): { name: unknown; parameters: Record<string, unknown> }[] {
  return parseList(text).map((member) => ({ name: member[0], parameters: Object.fromEntries(member[1]) }));
}

describe("the header fields", () => {
  it("RL-70 tell every limit of the check: what fits, what is left, and the true rate", () => {
    const { limiter } = limiterWith({ operations: { "chat.create": { limit: 30, burst: 30 } } });
    const headers = now(limiter.check({ ...ADA, operation: "chat.create" })).headers();
    // 60 at once and 10 a minute is 60 in 360 seconds; w=60 would promise six times as much.
    expect(value(headers, "ratelimit-policy")).toEqual(['"authenticated";q=60;w=360, "chat.create";q=30;w=60']);
    expect(value(headers, "ratelimit")).toEqual(['"authenticated";r=59;t=6, "chat.create";r=29;t=2']);
  });

  it("RL-70 are lists of structured fields, whatever the names and limits: integers, none negative, w at least 1", () => {
    const name = fc.string({
      minLength: 1,
      maxLength: 20,
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
    });
    const most = 100 * 365 * 86_400_000; // in which a burst must come back
    const rule = fc
      .record({
        limit: fc.integer({ min: 1, max: 1e9 }),
        periodMs: fc.integer({ min: 1, max: 1e10 }),
        burst: fc.integer({ min: 1, max: 1e9 }),
      })
      .map((terms) => ({ ...terms, burst: Math.min(terms.burst, Math.floor(most / (terms.periodMs / terms.limit))) }));
    fc.assert(
      fc.property(name, rule, fc.nat(3), (operation, limit, cost) => {
        const { limiter } = limiterWith<string>({ operations: { [operation]: limit } });
        const headers = now(limiter.check({ phase: "operation", operation, by: { subject: "ada" }, cost })).headers();
        for (const field of ["ratelimit", "ratelimit-policy"]) {
          const [member] = readList(value(headers, field)[0] ?? "");
          expect(member?.name).toBe(operation);
          for (const number of Object.values(member?.parameters ?? {})) {
            expect(Number.isSafeInteger(number)).toBe(true);
            expect(number).toBeGreaterThanOrEqual(0);
          }
        }
        expect(readList(value(headers, "ratelimit-policy")[0] ?? "")[0]?.parameters["w"]).toBeGreaterThanOrEqual(1);
      }),
    );
  });

  it("RL-70 say nothing of who is limited", () => {
    const { limiter } = limiterWith();
    const text = JSON.stringify(now(limiter.check({ phase: "floor", ipKey: "192.0.2.77" })).headers());
    expect(text).not.toContain("192.0.2.77");
    expect(text).not.toContain("pk=");
  });

  it("RL-71 Retry-After is whole seconds rounded up, at least 1, and no earlier than t", () => {
    const { limiter, clock } = limiterWith({ tiers: { free: { limit: 50, burst: 1 } } });
    now(limiter.check(ADA));
    clock.advance(1_199);
    const denied = now(limiter.check(ADA));
    expect(denied.retryAfterMs).toBe(1);
    expect(denied.problem()?.retryAfter).toBe(1);
    expect(value(denied.headers(), "ratelimit")).toEqual(['"authenticated";r=0;t=1']);
  });

  it("RL-71 t is the wait for a limit that refused, and Retry-After obeys the longest of them", () => {
    const { limiter } = limiterWith({ tiers: { free: { limit: 60, burst: 10 } } });
    now(limiter.check({ ...ADA, cost: 10 }));
    const denied = now(limiter.check({ ...ADA, cost: 3 }));
    expect(value(denied.headers(), "ratelimit")).toEqual(['"authenticated";r=0;t=3']);
    expect(denied.problem()?.retryAfter).toBe(3);
  });

  it("RL-70 are not a second off where an interval is no exact number", () => {
    for (let limit = 1; limit <= 200; limit += 1) {
      const { limiter } = limiterWith({ tiers: { free: { limit, burst: limit } } });
      expect(value(now(limiter.check({ ...ADA, cost: limit })).headers(), "ratelimit-policy")).toEqual([`"authenticated";q=${limit};w=60`]);
    }
  });

  it("RL-73 of several guards stand side by side", () => {
    const { limiter } = limiterWith();
    const chain = createGuardChain([limiter.limitFloor(), limiter.limitAuthenticated()]);
    const { headers } = now(chain.run(requestOf({ principal: userOf("ada") })));
    expect(value(headers, "ratelimit")).toEqual(['"floor";r=11999;t=1', '"authenticated";r=59;t=6']);
  });

  it("RL-73 of the legacy kind appear once, for the limit nearest to its end", () => {
    const { limiter } = limiterWith({ headers: "legacy", operations: { bulk: { limit: 5_000, burst: 5_000 } } });
    const chain = createGuardChain([limiter.limitFloor(), limiter.limitAuthenticated(), limiter.limitOperation("bulk")]);
    expect(now(chain.run(requestOf({ principal: userOf("ada") }))).headers).toEqual([
      ["x-ratelimit-limit", "60"],
      ["x-ratelimit-remaining", "59"],
      ["x-ratelimit-reset", "6"],
    ]);
  });

  it("come in both kinds, or not at all, on request", () => {
    const namesOf = (headers: "both" | "none") =>
      now(limiterWith({ headers }).limiter.check(ADA))
        .headers()
        .map(([name]) => name);
    expect(namesOf("both")).toEqual(["ratelimit-policy", "ratelimit", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]);
    expect(namesOf("none")).toEqual([]);
  });
});

describe("a response", () => {
  const server = (handle: () => Response) => {
    const { limiter } = limiterWith({ tiers: { free: { limit: 1, burst: 1 } } });
    const authenticate = {
      name: "authenticate",
      check: (request: ReturnType<typeof requestOf>) => (request.facts.set(principalFact, userOf("ada")), { kind: "allow" } as const),
    };
    const route = defineRoute({ method: "GET", path: "/", operationId: "root", summary: "Answers", handle });
    const app = createApp({ guards: [limiter.limitFloor(), authenticate, limiter.limitAuthenticated()], routes: [route] });
    return toFetchHandler(app);
  };

  it("RL-72 of a refusal is a problem that names the limit, is never cached, and shows no key", async () => {
    const fetch = server(() => new Response("ok"));
    await fetch(new Request("http://localhost/"));
    const response = await fetch(new Request("http://localhost/"));
    expect([response.status, response.headers.get("retry-after"), response.headers.get("cache-control")]).toEqual([429, "60", "no-store"]);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    expect(response.headers.get("ratelimit")).toContain('"authenticated";r=0;t=60');
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({
      status: 429,
      code: 5001,
      category: "rate_limit",
      retryable: true,
      retryAfter: 60,
      "violated-policies": ["authenticated"],
    });
    expect(text).not.toContain("ada");
  });

  it("RL-05 of a cost that never fits has no Retry-After, and RL-72 an instance where requests have one", async () => {
    const { limiter } = limiterWith({ operations: { bulk: { limit: 1, burst: 1, cost: 2 } } });
    const route = defineRoute({
      ...{ method: "GET", path: "/", operationId: "root", summary: "Answers", handle: () => new Response("ok") },
      guards: [limiter.limitOperation("bulk")],
    });
    const fetch = toFetchHandler(createApp({ guards: [correlationId()], routes: [route] }));
    const response = await fetch(new Request("http://localhost/", { headers: { "x-request-id": "request-1" } }));
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, null]);
    expect(await response.json()).toMatchObject({ code: 5004, retryable: false, instance: "request-1" });
  });

  it("RL-73 of a handler that fails keeps the fields", async () => {
    const response = await server(() => {
      throw new Error("broken");
    })(new Request("http://localhost/"));
    expect([response.status, response.headers.get("ratelimit")?.includes('"floor"')]).toEqual([500, true]);
  });
});
